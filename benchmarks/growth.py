"""How time and memory of `regaudit inspect` grow with the bytes and with the layers of a model.

    python -m benchmarks.growth

The models are made here, of random numbers, and deleted again; the largest takes as much disk as it
is long. Whole processes, after one run that is not counted; files that fit are in the page cache.
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks.chains import Chain, make
from benchmarks.processes import Run, run

BYTES = (10, 100, 300, 1_000, 3_000, 10_000)
"""Sizes of models of ten layers, in MB."""

LAYERS = (10, 100, 300, 1_000, 3_000, 10_000)
"""Numbers of layers of 16 units."""

_CLEAR = 0.1
"""Processor time above a start that tells anything: a start varies by some of it."""


class Point(Struct, frozen=True):
    """One model, and what it took."""

    amount: int
    """Megabytes or layers."""
    seconds: float
    """Median, whole process."""
    cpu_seconds: float
    """The same of all threads: small models are measured by one, large ones by two."""
    private: float
    """Peak of private memory in bytes; NaN where it is not sampled."""


def measured(chain: Chain, amount: int, runs: int) -> Point:
    """Make a model, audit it, and delete it."""
    with tempfile.TemporaryDirectory(prefix="regaudit-growth-") as folder:
        file = Path(folder) / f"model.{chain.format}"
        make(chain, file, values=True)
        command = [sys.executable, "-m", "regaudit", "inspect", str(file), "--format", "json"]
        sampled = run(command, {})
        timed: list[Run] = [run(command, {}, sample=False) for _ in range(runs)]
    return Point(
        amount,
        statistics.median(one.seconds for one in timed),
        statistics.median(one.cpu_seconds for one in timed),
        math.nan if sampled.peak_private is None else sampled.peak_private,
    )


def of_bytes(megabytes: int) -> Chain:
    """Return ten layers of as many bytes together."""
    return Chain((round(math.sqrt(megabytes * 1e6 / 4 / 10)),) * 11, "h5")


def of_layers(layers: int) -> Chain:
    """Return as many small layers."""
    return Chain((16,) * (layers + 1))


def slope(points: Sequence[Point], start: float) -> float:
    """Return the exponent of growth: of a line through log(time above the start), log(amount).

    NaN where fewer than two points are clear.
    """
    clear = [point for point in points if point.cpu_seconds - start > _CLEAR]
    if len(clear) < 2:
        return math.nan
    found = statistics.linear_regression(
        [math.log(point.amount) for point in clear],
        [math.log(point.cpu_seconds - start) for point in clear],
    )
    return found.slope


def table(what: str, points: Sequence[Point], start: float) -> str:
    """Return a Markdown table and the slope below it."""
    head = [what, "wall", "CPU", "CPU above a start", "peak USS"]
    lines = [f"| {' | '.join(head)} |", "| ---: | ---: | ---: | ---: | ---: |"]
    for point in points:
        above = point.cpu_seconds - start
        memory = "not sampled" if math.isnan(point.private) else f"{point.private / 1e6:,.0f} MB"
        times = f"{point.seconds:.2f} s | {point.cpu_seconds:.2f} s | {above:.2f} s"
        lines.append(f"| {point.amount:,} | {times} | {memory} |")
    exponent = slope(points, start)
    if not math.isnan(exponent):
        grows = f"processor time grows with the power {exponent:.2f} of it"
        lines += ["", f"{what}: {grows}, where it is {_CLEAR} s above a start."]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure both, and print two tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (5)")
    parser.add_argument("--bytes", type=int, nargs="*", default=BYTES, metavar="MB")
    parser.add_argument("--layers", type=int, nargs="*", default=LAYERS, metavar="N")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start\n", flush=True)
    start = measured(of_layers(1), 1, 2 * options.runs).cpu_seconds
    for what, amounts, chain in (
        ("MB", options.bytes, of_bytes),
        ("layers", options.layers, of_layers),
    ):
        points = [measured(chain(amount), amount, options.runs) for amount in amounts]
        print(table(what, points, start), flush=True)


if __name__ == "__main__":
    main()
