"""A real browser for tests: Debian's Chromium, driven over a pipe, so that no package is needed.

Source: the Chrome DevTools Protocol; `--remote-debugging-pipe` reads descriptor 3 and writes 4.
"""

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from time import monotonic, sleep

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
)


def find():
    """Return the browser's path; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(profile):
    """Start a browser with an empty profile; end it in any case."""
    read_there, write_here = os.pipe()
    read_here, write_there = os.pipe()
    command = [find(), *FLAGS, f"--user-data-dir={profile}"]
    script = f'exec "$@" 3<&{read_there} 4>&{write_there}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *command],
        pass_fds=(read_there, write_there),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_there)
    os.close(write_there)
    connection = Browser(write_here, read_here)
    try:
        yield connection
    finally:
        try:
            connection.send("Browser.close")
            process.wait(20)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        os.close(write_here)
        os.close(read_here)


class Browser:
    """The connection: one command at a time; what the browser tells meanwhile is kept."""

    def __init__(self, write, read):
        self._write, self._read = write, read
        self._number, self._buffer = 0, b""
        self.events = []

    def send(self, method, session=None, **params):
        """Give a command, return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _receive(self):
        while b"\0" not in self._buffer:
            more = os.read(self._read, 1 << 20)
            assert more, "the browser has gone"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def page(self, **settings):
        """Open an empty tab."""
        return Tab(self, **settings)


class Tab:
    """One page and what happens on it."""

    def __init__(
        self, connection, *, width=1280, height=900, dark=False, scripts=True, mobile=False
    ):
        self._browser = connection
        context = connection.send("Target.createBrowserContext")["browserContextId"]
        target = connection.send(
            "Target.createTarget", url="about:blank", browserContextId=context
        )["targetId"]
        self._session = connection.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.resize(width, height, mobile=mobile)
        self.theme(dark=dark)
        if not scripts:
            self.send("Emulation.setScriptExecutionDisabled", value=True)

    def send(self, method, **params):
        return self._browser.send(method, self._session, **params)

    def resize(self, width, height=900, *, mobile=False):
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def theme(self, *, dark):
        """Set what the system prefers."""
        value = "dark" if dark else "light"
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )

    def open(self, url):
        """Go to a page; return the seconds until it was loaded and drawn."""
        start, before = monotonic(), len(self.mine())
        self.send("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.mine()[before:]):
            self._browser.send("Browser.getVersion")
            assert monotonic() - start < 60, "the page does not load"
            sleep(0.01)
        self.draw()
        return monotonic() - start

    def draw(self):
        """Wait until what is there is laid out and drawn."""
        self.send("Page.captureScreenshot", format="jpeg", quality=1)

    def mine(self):
        """Return what the browser told of this page."""
        return [e for e in self._browser.events if e.get("sessionId") == self._session]

    def run(self, expression):
        """Return the value of a JavaScript expression; promises are awaited."""
        result = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def screenshot(self, *, whole=False):
        """Return a PNG."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def pdf(self):
        """Return the page as printed."""
        printed = self.send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(printed["data"])

    def complaints(self):
        """Return errors and warnings of the console, and exceptions."""
        self._browser.send("Browser.getVersion")
        return [
            event["params"]
            for event in self.mine()
            if event["method"] == "Runtime.exceptionThrown"
            or (
                event["method"] == "Log.entryAdded"
                and event["params"]["entry"]["level"] in {"error", "warning"}
            )
            or (
                event["method"] == "Runtime.consoleAPICalled"
                and event["params"]["type"] in {"error", "warning", "assert"}
            )
        ]

    def requests(self):
        """Return the addresses that the page asked for."""
        self._browser.send("Browser.getVersion")
        return [
            event["params"]["request"]["url"]
            for event in self.mine()
            if event["method"] == "Network.requestWillBeSent"
        ]
