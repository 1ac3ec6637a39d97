"""How much of a 1 GB model in S3 an audit fetches: of its configuration alone, and of all of it.

The models are made here, of zeros in the layout that Keras writes. The server is S3's HEAD and GET
with ranges on loopback; `--latency` makes it wait before each answer, as a store far away does.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from msgspec import Struct, field

from benchmarks.chains import Chain, make
from benchmarks.processes import ProcessFailedError, Run, run

_COPY = 1 << 20


class Case(Struct, frozen=True):
    """A model, and what may be fetched of it."""

    name: str
    chain: Chain
    most: int = 2_000_000
    """Bytes that may be fetched for its configuration."""


_BLOCKS = (1024, *((1024, 1024, 1024, 1024, 4096, 1024) * 24))

CASES = (
    Case("a few large layers", Chain((8192, *([8192] * 4)))),
    Case("an encoder of 24 blocks", Chain(_BLOCKS)),
    Case("the same", Chain(_BLOCKS, "h5")),
    Case("1,000 layers", Chain((500, *([500] * 1000))), most=10_000_000),
)


class Traffic(Struct):
    """What a server was asked for."""

    requests: int = 0
    fetched: int = 0
    """Bytes of the bodies of its answers."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int) -> None:
        with self.lock:
            self.requests += 1
            self.fetched += size


@contextmanager
def bucket(folder: Path, latency: float) -> Iterator[tuple[str, Traffic]]:
    """Serve the files of a folder as objects of a bucket; yield the endpoint and what it counts."""
    traffic = Traffic()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(200, 0, 0)

        def do_GET(self) -> None:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            self._answer(206, int(first), int(last) + 1)

        def _answer(self, status: int, start: int, stop: int) -> None:
            time.sleep(latency)
            file = folder / Path(self.path.partition("?")[0]).name
            if not file.exists():
                self.send_error(404)
                return
            size = file.stat().st_size
            stop = min(stop, size)
            traffic.add(stop - start)
            self.send_response(status)
            self.send_header("Content-Length", str(stop - start if stop else size))
            self.send_header("ETag", '"it"')
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            with file.open("rb") as stream:
                stream.seek(start)
                while start < stop:
                    start += self.wfile.write(stream.read(min(_COPY, stop - start)))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", traffic
    finally:
        server.shutdown()
        server.server_close()


def measured(file: Path, latency: float, *flags: str) -> tuple[Run, Traffic]:
    """Audit a file by its URL, in a process of its own.

    Raises:
        ProcessFailedError: it could not be audited.
    """
    command = [sys.executable, "-m", "regaudit", "inspect", f"s3://models/{file.name}"]
    with bucket(file.parent, latency) as (endpoint, traffic):
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        return run([*command, "--format", "json", *flags], environment), traffic


def line(case: Case, file: Path, what: str, found: Run, traffic: Traffic) -> list[str]:
    """Return one line of the table."""
    (report,) = json.loads(found.output)["reports"]
    if report["failure"]:
        raise ProcessFailedError(report["failure"]["message"])
    size = file.stat().st_size
    return [
        f"{case.name}, `.{case.chain.format}`",
        f"{size / 1e6:,.0f} MB",
        f"{report['coverage']['weights']:,}",
        what,
        f"{traffic.requests:,}",
        f"{traffic.fetched / 1e6:,.2f} MB",
        f"{found.seconds:.1f} s",
        "not sampled" if found.peak_private is None else f"{found.peak_private / 1e6:,.0f} MB",
    ]


def show(*rows: list[str]) -> None:
    """Print rows of the Markdown table."""
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Run the benchmark; exit with 1 where a process fails or more is fetched than may be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument(
        "--latency", type=float, default=0.02, help="seconds before each answer (0.02)"
    )
    parser.add_argument("--whole", action="store_true", help="audit the values too")
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start; "
        f"{options.latency * 1000:g} ms before each answer of the server.\n",
        flush=True,
    )
    head = ["model", "size", "weights", "what", "requests", "fetched", "time", "peak USS"]
    show(head, ["---", "---:", "---:", "---", "---:", "---:", "---:", "---:"])
    too_much = []
    with tempfile.TemporaryDirectory(prefix="regaudit-stores-") as folder:
        for number, case in enumerate(CASES):
            file = Path(folder) / f"model-{number}.{case.chain.format}"
            make(case.chain, file)
            sides = {"configuration": ["--no-weights"], "everything": []}
            for what, flags in list(sides.items())[: 2 if options.whole else 1]:
                found, traffic = measured(file, options.latency, *flags)
                show(line(case, file, what, found, traffic))
                if flags and traffic.fetched >= case.most:
                    too_much.append(case.name)
            file.unlink()
    if too_much:
        sys.exit(f"more fetched than may be: {', '.join(too_much)}")


if __name__ == "__main__":
    main()
