"""Throughput on many small models: a process for each, one run with workers, one run on Dask.

    python -m benchmarks.many --files 1000 --singles 20

A process for each file is timed on so many files only; all else on all files. Every side must
report on every file it was given.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.processes import Run, run

MODEL = Path(__file__).parents[1] / "fixtures" / "models" / "tutorial-l2.keras"
"""Two dense layers of 107 kB; `everything.keras` beside it has 40 weights of as many bytes."""

SIDES = {
    "jobs 1": ("--jobs", "1"),
    "jobs 2": ("--jobs", "2"),
    "Dask local, 2 workers": ("--dask", "local", "--jobs", "2"),
}


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--singles", type=int, default=20, help="files with a process for each")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", type=Path, default=MODEL, help="of which copies are audited")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{number:05}{given.model.suffix}" for number in range(given.files)]
        for file in files:
            shutil.copy(given.model, file)
        rates: dict[str, list[float]] = {name: [] for name in ("a process each", *SIDES)}
        peaks = dict.fromkeys(rates, 0)
        for _ in range(given.runs):  # in turn: whatever else the machine does falls on all alike
            singles = [_audit([file]) for file in files[: given.singles]]
            seconds = sum(one.seconds for one in singles)
            rates["a process each"].append(len(singles) / seconds)
            peaks["a process each"] = max(one.peak_resident for one in singles)
            for name, options in SIDES.items():
                whole = _audit([folder, *options], given.files)
                rates[name].append(given.files / whole.seconds)
                peaks[name] = max(peaks[name], whole.peak_resident)
    size = given.model.stat().st_size
    print(f"{given.files:,} files of {size / 1000:,.0f} kB, {os.cpu_count()} processors, ", end="")
    print(f"median of {given.runs}\n")
    print(_table(rates, peaks))


def _audit(arguments: Sequence[str], files: int = 1) -> Run:
    """Audit models in a process of its own.

    Raises:
        AssertionError: it did not report on each.
    """
    command = [sys.executable, "-m", "regaudit", "inspect", "--isolated", "--format", "jsonl"]
    done = run([*command, *arguments], {}, sample=False)
    reports = [json.loads(line) for line in done.output.splitlines()]
    if len({report["file"] for report in reports if not report["failure"]}) != files:
        raise AssertionError(f"{' '.join(arguments)}: {len(reports)} reports on {files} files")
    return done


def _table(rates: dict[str, list[float]], peaks: dict[str, int]) -> str:
    first = median(rates["a process each"])
    lines = [
        "| | files/s | ratio | peak RSS of one process |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, values in rates.items():
        ratio = median(values) / first
        memory = peaks[name] / 1e6
        lines.append(f"| {name} | {median(values):,.1f} | {ratio:.1f} | {memory:,.0f} MB |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
