"""Servers on loopback: S3 by moto behind a proxy that fails on demand, and plain HTTP."""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Hands requests on to a server and counts what comes back."""

    def __init__(self, target):
        self.target = target
        self.reset()
        self._listen(0)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def reset(self):
        self.requests, self.fetched = [], 0
        self.fault = None
        """Called with the handler, the status and the body of each answer to a GET of an object;
        returns whether it has answered."""

    def _listen(self, port):
        proxy = self

        class Handler(_Quiet):
            def do_GET(self):
                proxy.handle(self)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def handle(self, handler):
        size = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(size) if size else None
        connection = http.client.HTTPConnection(*self.target)
        connection.request(handler.command, handler.path, body, dict(handler.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.requests.append((handler.command, handler.path, handler.headers.get("Range")))
        fault = self.fault
        if fault and handler.command in {"GET", "HEAD"} and fault(handler, answer.status, content):
            return
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                handler.send_header(name, value)
        if handler.command != "HEAD" and not answer.getheader("Content-Length"):
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        self.fetched += len(content)

    def leave(self, seconds):
        """Refuse connections until so many seconds have passed."""
        self.stop()
        threading.Timer(seconds, self._listen, [self.port]).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


class _Ranges(SimpleHTTPRequestHandler):
    """Files with ranges, a token that is wanted, and faults by name."""

    protocol_version = "HTTP/1.1"
    token = None

    def log_message(self, *_):
        pass

    def do_GET(self, body=True):
        path, _, query = self.path.partition("?")
        if self.token and query != self.token:
            self.send_error(403)
            return
        try:
            with open(self.translate_path(path), "rb") as file:  # noqa: PTH123 - a test's own
                content = file.read()
        except OSError:
            self.send_error(404)
            return
        start, stop = 0, len(content)
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, stop)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", f'"{hash(content)}"')
        self.end_headers()
        if body:
            self.wfile.write(content[start:stop])

    def do_HEAD(self):
        self.do_GET(body=False)


class _Plain(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serving(folder, *, ranges=True, token=None):
    """Yield the URL under which a folder is served."""
    kind = type("Handler", (_Ranges if ranges else _Plain,), {"token": token})
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *given: kind(*given, directory=str(folder))
    )
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that has seen enough
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def answering(answer):
    """Yield the URL of a server that does one thing, whatever it is asked."""

    class Handler(_Quiet):
        def do_GET(self):
            answer(self)

        do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
