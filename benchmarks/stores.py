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
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.processes import ProcessFailedError, Run, run

_COPY = 1 << 20


@dataclass(frozen=True, slots=True)
class Shape:
    """A model to make: a chain of dense layers."""

    name: str
    widths: tuple[int, ...]
    """Of the inputs, and of each layer."""
    format: str
    """`keras` or `h5`."""
    most: int = 2_000_000
    """Bytes that may be fetched for its configuration."""


SHAPES = (
    Shape("a few large layers", (8192, *([8192] * 4)), "keras"),
    Shape("an encoder of 24 blocks", (1024, *((1024, 1024, 1024, 1024, 4096, 1024) * 24)), "keras"),
    Shape("the same", (1024, *((1024, 1024, 1024, 1024, 4096, 1024) * 24)), "h5"),
    Shape("1,000 layers", (500, *([500] * 1000)), "keras", most=10_000_000),
)


@dataclass(slots=True)
class Traffic:
    """What a server was asked for."""

    requests: int = 0
    fetched: int = 0
    """Bytes of the bodies of its answers."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int) -> None:
        with self.lock:
            self.requests += 1
            self.fetched += size


def make(shape: Shape, file: Path) -> None:
    """Make a model that was never trained: its weights are a hole in the file."""
    layers = [_layer(index, units) for index, units in enumerate(shape.widths[1:])]
    inputs = {"batch_shape": [None, shape.widths[0]], "dtype": "float32", "name": "input_layer"}
    first = {"class_name": "InputLayer", "config": inputs, "module": "keras.layers"}
    config = {
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [first, *layers]},
        "module": "keras",
    }
    if shape.format == "h5":
        _legacy(shape, config, file)
        return
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        weights = Path(folder) / "model.weights.h5"
        _weights(shape, weights)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
            archive.writestr("config.json", json.dumps(config))
            archive.write(weights, weights.name)


def _layer(index: int, units: int) -> dict[str, Any]:
    regularizer = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 1e-4}}
    config = {
        "name": _name(index),
        "trainable": True,
        "dtype": "float32",
        "units": units,
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": regularizer,
        "bias_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    return {"class_name": "Dense", "config": config, "module": "keras.layers"}


def _name(index: int) -> str:
    return f"dense_{index}" if index else "dense"


def _weights(shape: Shape, file: Path) -> None:
    """Lay weights out as Keras 3 does."""
    import h5py  # noqa: PLC0415 - the process that measures stays small

    with h5py.File(file, "w") as hdf5:
        hdf5.create_group("vars")
        for index, (inputs, units) in enumerate(_pairs(shape)):
            group = hdf5.create_group(f"layers/{_name(index)}/vars")
            group.attrs["name"] = _name(index)
            _hole(group, "0", (inputs, units))
            _hole(group, "1", (units,))


def _legacy(shape: Shape, config: dict[str, Any], file: Path) -> None:
    """Lay a whole model out as Keras 2 does."""
    import h5py  # noqa: PLC0415 - the same

    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["keras_version"] = "2.15.0"
        hdf5.attrs["model_config"] = json.dumps(config)
        root = hdf5.create_group("model_weights")
        names = [_name(index) for index in range(len(shape.widths) - 1)]
        root.attrs["layer_names"] = [name.encode() for name in names]
        for name, (inputs, units) in zip(names, _pairs(shape), strict=True):
            group = root.create_group(name)
            stored = [f"{name}/kernel:0", f"{name}/bias:0"]
            group.attrs["weight_names"] = [path.encode() for path in stored]
            _hole(group, stored[0], (inputs, units))
            _hole(group, stored[1], (units,))


def _pairs(shape: Shape) -> Iterator[tuple[int, int]]:
    """Yield inputs and units of each layer."""
    return zip(shape.widths, shape.widths[1:], strict=False)


def _hole(group: Any, name: str, shape: tuple[int, ...]) -> None:
    """Make a dataset with its place in the file, and nothing in it."""
    import h5py  # noqa: PLC0415 - the same

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    folder, _, name = name.rpartition("/")
    place = group.require_group(folder) if folder else group
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(place.id, name.encode(), h5py.h5t.IEEE_F32LE, space, properties)


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


def line(shape: Shape, file: Path, what: str, found: Run, traffic: Traffic) -> list[str]:
    """Return one line of the table."""
    (report,) = json.loads(found.output)["reports"]
    if report["failure"]:
        raise ProcessFailedError(report["failure"]["message"])
    size = file.stat().st_size
    return [
        f"{shape.name}, `.{shape.format}`",
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
        for number, shape in enumerate(SHAPES):
            file = Path(folder) / f"model-{number}.{shape.format}"
            make(shape, file)
            sides = {"configuration": ["--no-weights"], "everything": []}
            for what, flags in list(sides.items())[: 2 if options.whole else 1]:
                found, traffic = measured(file, options.latency, *flags)
                show(line(shape, file, what, found, traffic))
                if flags and traffic.fetched >= shape.most:
                    too_much.append(shape.name)
            file.unlink()
    if too_much:
        sys.exit(f"more fetched than may be: {', '.join(too_much)}")


if __name__ == "__main__":
    main()
