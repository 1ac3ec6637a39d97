"""Whole process against whole process: `regaudit inspect`, and loading the model with Keras."""

import argparse
import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

from benchmarks import models
from benchmarks.processes import SAMPLES_MEMORY, ProcessFailedError, Run, alternate, worst

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
"""Of both sides: no graphics card, and TensorFlow keeps quiet."""

TOLERANCE = 1e-6
"""Relative difference at which two sums are no longer the same answer."""


class DifferentAnswersError(Exception):
    """Two sides that measured the same file do not agree on what is in it."""


class Totals(Struct, frozen=True):
    """An answer: what one side found in all weights of a model together."""

    weights: int
    l1: float
    l2_squared: float
    max_abs: float
    zeros: int

    @classmethod
    def of(cls, weights: Sequence[Mapping[str, Any]]) -> "Totals":
        """Add up weights that each have `l1_norm`, `l2_norm`, `max_abs` and `zeros`."""
        return cls(
            weights=len(weights),
            l1=math.fsum(weight["l1_norm"] for weight in weights),
            l2_squared=math.fsum(weight["l2_norm"] ** 2 for weight in weights),
            max_abs=max((weight["max_abs"] for weight in weights), default=0.0),
            zeros=sum(weight["zeros"] for weight in weights),
        )

    def agrees(self, other: "Totals") -> bool:
        return (
            (self.weights, self.zeros) == (other.weights, other.zeros)
            and self.weights > 0
            and math.isclose(self.l1, other.l1, rel_tol=TOLERANCE)
            and math.isclose(self.l2_squared, other.l2_squared, rel_tol=TOLERANCE)
            and math.isclose(self.max_abs, other.max_abs, rel_tol=TOLERANCE)
        )


def of_regaudit(output: str) -> Totals:
    """Return the answer in a document of the schema "regaudit/1" about one model.

    Raises:
        DifferentAnswersError: part of the file was not measured.
    """
    (report,) = json.loads(output)["reports"]
    if report["failure"] or report["coverage"]["skipped"]:
        unread = report["failure"] or report["coverage"]["skipped"]
        raise DifferentAnswersError(f"regaudit could not measure all of the file: {unread}")
    weights = [weight for layer in report["layers"] for weight in layer["weights"]]
    return Totals.of([weight for weight in weights if weight["shared_with"] is None])


def of_keras(output: str) -> Totals:
    """Return the answer printed by `load_and_measure`."""
    return Totals.of(json.loads(output))


def agreed(ours: Sequence[Run], theirs: Sequence[Run]) -> Totals:
    """Return the answer that every run of both sides gave.

    Raises:
        DifferentAnswersError: they did not all give the same one.
    """
    answers = [of_regaudit(run.output) for run in ours] + [of_keras(run.output) for run in theirs]
    first = answers[0]
    for answer in answers:
        if not answer.agrees(first):
            raise DifferentAnswersError(f"the two sides disagree:\n  {first}\n  {answer}")
    return first


def rows(
    name: str,
    ours: Sequence[Run],
    theirs: Sequence[Run],
    called: tuple[str, str] = ("regaudit inspect", "load_model + norms"),
) -> list[list[str]]:
    """Return the three lines of the table about one model: each side, and theirs / ours."""
    more = [their / our for their, our in zip(peaks(theirs), peaks(ours), strict=True)]
    return [
        [name, called[0], *figures(ours)],
        [name, called[1], *figures(theirs)],
        [
            name,
            "**ratio**",
            ratio([run.seconds for run in theirs], [run.seconds for run in ours]),
            ratio([run.cpu_seconds for run in theirs], [run.cpu_seconds for run in ours]),
            *("not sampled" if math.isnan(times) else f"{times:.1f}" for times in more),
        ],
    ]


def figures(runs: Sequence[Run]) -> list[str]:
    """Return one side's columns: wall, CPU, peak USS, peak RSS."""
    return [
        f"{median(run.seconds for run in runs):.2f} s",
        f"{median(run.cpu_seconds for run in runs):.2f} s",
        *map(megabytes, peaks(runs)),
    ]


def peaks(runs: Sequence[Run]) -> tuple[float, float]:
    """Return the largest private and resident memory of some runs, in bytes."""
    private = worst([run.peak_private for run in runs])
    return private, worst([run.peak_resident for run in runs])


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Return the ratio of the medians, and the range over the pairs of neighbouring runs."""
    pairs = [their / our for their, our in zip(theirs, ours, strict=True)]
    return f"**{median(theirs) / median(ours):.1f}** ({min(pairs):.1f} to {max(pairs):.1f})"


def megabytes(size: float) -> str:
    """Return a number of bytes in words; a NaN is a number that could not be had."""
    return "not sampled" if math.isnan(size) else f"{size / 1e6:,.0f} MB"


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of the measurements."""
    head = ["model", "process", "wall, median", "CPU, median", "peak USS", "peak RSS"]
    ruler = ["---", "---", "---:", "---:", "---:", "---:"]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ruler, *lines])


def conditions(runs: int, loaded: str) -> str:
    """Return what a reader must know to judge the figures."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("keras", "numpy", "h5py"))
    how = "sampled" if SAMPLES_MEMORY else "not sampled: only Linux tells"
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
        f"load {os.getloadavg()[0]:.1f} at the start; "
        f"Python {platform.python_version()}, {versions}.\n"
        f"Whole processes in turn, {runs} runs of each after two that are not counted, files in "
        f"the page cache, code compiled; `{loaded}`.\n"
        f"Ratios are of medians, in brackets the range over pairs of neighbouring runs. Peaks are "
        f"the largest of all runs.\nUSS is memory no other process shares ({how}; a peak between "
        f"two samples is missed); RSS is the kernel's ru_maxrss, shared pages included."
    )


def arguments() -> argparse.Namespace:
    """Return what the command line asks for; exit with 2 if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inspect", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each side (5)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "regaudit-benchmarks",
        help="folder of the models; what is missing is built (%(default)s)",
    )
    parser.add_argument(
        "--without-compiling",
        action="store_true",
        help="load with compile=False: less work for Keras, but the optimizer is not read",
    )
    parser.add_argument("--models", nargs="+", choices=models.NAMES, default=models.NAMES)
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if not hasattr(os, "wait4"):
        parser.error("this system has no wait4: processes cannot be measured here")
    return options


def main() -> None:
    """Run the benchmark; exit with 1 when a side fails or the answers differ."""
    options = arguments()
    cache = options.cache.resolve()
    loading = ["--without-compiling"] if options.without_compiling else []
    loaded = "load_model(file, compile=False)" if loading else "load_model(file)"
    environment = {
        **ENVIRONMENT,
        # The uncounted runs compile to byte-code, as installing does, but not into this folder.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
    }
    files = {name: models.stored(name, cache) for name in options.models}
    print(conditions(options.runs, loaded), flush=True)

    lines: list[list[str]] = []
    notes: list[str] = []
    for name, file in files.items():
        sides = {
            "ours": [sys.executable, "-m", "regaudit", "inspect", str(file), "--format", "json"],
            "theirs": [sys.executable, "-m", "benchmarks.load_and_measure", str(file), *loading],
        }
        try:
            measured = alternate(sides, environment, options.runs)
            answer = agreed(**measured)
        except (DifferentAnswersError, ProcessFailedError) as error:
            sys.exit(f"{name}: {error}")
        lines += rows(name, measured["ours"], measured["theirs"])
        notes.append(
            f"{name}, {megabytes(file.stat().st_size)}: in every run both sides found "
            f"{answer.weights} weights and a sum of squares of {answer.l2_squared:.6f}."
        )
    print("", table(lines), "", *notes, sep="\n")


if __name__ == "__main__":
    main()
