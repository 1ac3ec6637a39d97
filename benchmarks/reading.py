"""The pass over weights against a bare read of the same bytes, in one process and in turn.

    python -m benchmarks.reading

The bare read takes the file into a buffer, block by block, and adds each block up with
`np.add.reduce`: what the least useful pass would cost. The pass is
`regaudit.measures.moments.measure`, which takes float64 sums of w, abs(w) and w * w, the largest of
every unit, and counts of small values. The numbers lie in the page cache; ratios are medians of
those of neighbouring runs.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np

from regaudit.measures import sums
from regaudit.measures.moments import measure
from regaudit.model import UnitView
from regaudit.tensors.tensor import BLOCK, StoredTensor

DTYPES = ("float32", "float16", "bfloat16", "int8", "float64")
"""Types of the values."""

_UNITS = 4_096


def stored(file: Path, dtype: str, megabytes: int) -> StoredTensor:
    """Write random numbers, as many rows of units as fit."""
    kind = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    rows = megabytes * 1_000_000 // (_UNITS * kind.itemsize)
    generator = np.random.default_rng(0)
    scale = 40 if kind.kind == "i" else 0.02
    some = generator.normal(0, scale, (min(rows, 1_024), _UNITS)).astype(kind)
    with file.open("wb") as stream:
        for start in range(0, rows, len(some)):
            stream.write(some[: rows - start].tobytes())
    return StoredTensor(file, 0, (rows, _UNITS), kind)


def bare(tensor: StoredTensor) -> None:
    """Read the file and add its values up, in their own type."""
    buffer = np.empty(BLOCK, tensor.dtype)
    raw = memoryview(buffer.view(np.uint8).data)
    with tensor.file.open("rb", buffering=0) as stream, np.errstate(all="ignore"):
        # The stub of BinaryIO leaves `readinto` out; every file opened in binary mode has it.
        while stream.readinto(raw):  # type: ignore[attr-defined]
            np.add.reduce(buffer)


def mapped(tensor: StoredTensor) -> None:
    """Map the file and add its values up: without a copy, which is as fast as it gets."""
    with np.errstate(all="ignore"):
        np.add.reduce(np.memmap(Path(str(tensor.file)), tensor.dtype, "r"))


def passed(threads: int) -> Callable[[StoredTensor], None]:
    """Return the pass by as many threads."""

    def work(tensor: StoredTensor) -> None:
        measure([(tensor, UnitView(tensor.shape[0], _UNITS, 1))], threads)

    return work


SIDES: dict[str, Callable[[StoredTensor], None]] = {
    "bare read": bare,
    "bare map": mapped,
    "one thread": passed(1),
    "two threads": passed(2),
}


def times(tensor: StoredTensor, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each side; the first run of each is not counted."""
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(runs + 1):
        for name, side in SIDES.items():
            start = time.perf_counter()
            side(tensor)
            if number:
                found[name].append(time.perf_counter() - start)
    return found


def ratio(above: list[float], below: list[float]) -> str:
    """Return the median of the ratios of neighbouring runs."""
    return f"{statistics.median(a / b for a, b in zip(above, below, strict=True)):.2f}"


def main() -> None:
    """Measure all types, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    by = "NumPy" if sums.add is sums.add_by_numpy else "C"
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start; ", end="")
    print(f"{options.megabytes} MB, {options.runs} runs, sums by {by}\n")
    head = ["type", *SIDES, "read / one", "map / one", "one / two"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for dtype in DTYPES:
        with tempfile.TemporaryDirectory(prefix="regaudit-reading-") as folder:
            tensor = stored(Path(folder) / "values", dtype, options.megabytes)
            found = times(tensor, options.runs)
        size = tensor.shape[0] * tensor.shape[1] * tensor.dtype.itemsize
        rates = [f"{size / statistics.median(found[name]) / 1e9:.2f} GB/s" for name in SIDES]
        one = found["one thread"]
        ratios = [
            ratio(found["bare read"], one),
            ratio(found["bare map"], one),
            ratio(one, found["two threads"]),
        ]
        print(f"| {' | '.join([dtype, *rates, *ratios])} |", flush=True)


if __name__ == "__main__":
    main()
