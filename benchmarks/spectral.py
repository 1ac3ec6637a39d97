"""Whole process against whole process: `inspect --spectral`, `numpy.linalg.svd`, WeightWatcher."""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks import models
from benchmarks.inspect import ENVIRONMENT, conditions, rows, table
from benchmarks.processes import ProcessFailedError, alternate

NAMES = (models.DENSE, "ResNet50", "VGG16")
"""What there is; the last takes minutes."""

TOLERANCE = 1e-4
"""Relative difference at which two stable ranks are no longer the same."""

CONVOLUTION_SCALE = math.sqrt(2)
"""WeightWatcher divides a convolution's kernel by this (`conv2d_norm`); a rank has no scale."""


class Agreement(Struct, frozen=True):
    """The largest relative differences on layers that both see as the same matrix."""

    layers: int
    stable_rank: float
    spectral_norm: float
    alpha: float


class DifferentAnswersError(Exception):
    """The two sides do not agree on a matrix that both have measured."""


def pairs(ours: str, theirs: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield what both sides say of each layer that both see as the same matrix.

    Those are dense layers and convolutions of one pixel. WeightWatcher makes a matrix for each
    pixel of other convolutions and pools their spectra.
    """
    (report,) = json.loads(ours)["reports"]
    if report["failure"] or report["coverage"]["skipped"]:
        raise DifferentAnswersError(f"regaudit left something out: {report['coverage']['skipped']}")
    found = {
        layer["path"]: weight["spectrum"]
        for layer in report["layers"]
        for weight in layer["weights"]
        if weight["spectrum"]
    }
    for layer in json.loads(theirs.splitlines()[-1]):
        if layer["rf"] == 1 and layer["longname"] in found:
            yield found[layer["longname"]], layer


def agreement(ours: str, theirs: str) -> Agreement:
    """Hold two outputs about one model against each other.

    Raises:
        DifferentAnswersError: a stable rank is not the same, or there is nothing to compare.
    """
    ranks, norms, alphas = [0.0], [0.0], [0.0]
    for our, their in pairs(ours, theirs):
        scale = CONVOLUTION_SCALE if "conv" in their["layer_type"].lower() else 1.0
        ranks.append(abs(our["stable_rank"] / their["stable_rank"] - 1))
        norms.append(abs(our["spectral_norm"] / their["sv_max"] / scale - 1))
        if our["alpha"] is not None:
            alphas.append(abs(our["alpha"] / their["alpha"] - 1))
    found = Agreement(len(ranks) - 1, max(ranks), max(norms), max(alphas))
    if not found.layers or found.stable_rank > TOLERANCE:
        raise DifferentAnswersError(f"the two sides disagree: {found}")
    return found


def norms_agree(ours: str, numpy: str) -> float:
    """Return the largest relative difference of the spectral norms of all kernels.

    Raises:
        DifferentAnswersError: it is more than NumPy's rounding of 32 bits.
    """
    (report,) = json.loads(ours)["reports"]
    found = sorted(
        weight["spectrum"]["spectral_norm"]
        for layer in report["layers"]
        for weight in layer["weights"]
        if weight["spectrum"]
    )
    expected = json.loads(numpy)
    worst = max(
        (abs(one / other - 1) for one, other in zip(found, expected, strict=True)), default=math.inf
    )
    if worst > TOLERANCE:
        raise DifferentAnswersError(f"spectral norms differ from NumPy's by {worst}")
    return worst


def environment_of(cache: Path) -> Path:
    """Return the Python of an environment with WeightWatcher, made if the cache has none."""
    folder = cache / f"weightwatcher-keras-{version('keras')}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "complete"
    if not done.exists():
        packages = ["weightwatcher", f"keras=={version('keras')}", "tensorflow-cpu"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        done.touch()
    return python


def arguments() -> argparse.Namespace:
    """Return what the command line asks for; exit with 2 if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spectral", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each side (3)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "regaudit-benchmarks",
        help="folder of models and of the environment; what is missing is made (%(default)s)",
    )
    parser.add_argument(
        "--weightwatcher",
        type=Path,
        metavar="PYTHON",
        help="a Python that has weightwatcher, keras and tensorflow; one is made without this",
    )
    parser.add_argument("--models", nargs="+", choices=NAMES, default=NAMES[:2])
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
    python = options.weightwatcher or environment_of(cache)
    environment = {
        **ENVIRONMENT,
        "MPLBACKEND": "agg",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
    }
    asked = "import importlib.metadata as m; print(m.version('weightwatcher'))"
    weightwatcher = subprocess.run(
        [python, "-c", asked], check=True, capture_output=True, text=True
    ).stdout.strip()
    print(conditions(options.runs, "load_model(file, compile=False)"), flush=True)
    print(f"WeightWatcher {weightwatcher}: `analyze()` with its defaults.", flush=True)
    lines: list[list[str]] = []
    notes: list[str] = []
    for name in options.models:
        file = str(models.stored(name, cache))
        ours = [sys.executable, "-m", "regaudit", "inspect", file, "--spectral", "--format", "json"]
        theirs = [str(python), "-m", "benchmarks.weightwatcher_analyze", file]
        numpy = [sys.executable, "-m", "benchmarks.numpy_svd", file]
        ours += ["--limit", "spectral_seconds=3600"]
        sides = {"ours": ours, "numpy": numpy, "theirs": theirs}
        try:
            measured = alternate(sides, environment, options.runs)
            found = agreement(measured["ours"][-1].output, measured["theirs"][-1].output)
            norms = norms_agree(measured["ours"][-1].output, measured["numpy"][-1].output)
        except (DifferentAnswersError, ProcessFailedError) as error:
            sys.exit(f"{name}: {error}")
        called = "regaudit inspect --spectral"
        for side, label in (
            ("theirs", "load_model + WeightWatcher"),
            ("numpy", "numpy.linalg.svd"),
        ):
            lines += rows(name, measured["ours"], measured[side], (called, label))
        notes.append(
            f"{name}: on {found.layers} layers that both see as the same matrix the stable rank "
            f"differs by {found.stable_rank:.1e} at most, the spectral norm by "
            f"{found.spectral_norm:.1e}, alpha by {found.alpha:.1e}, all relative; spectral "
            f"norms of all kernels differ from NumPy's by {norms:.1e}."
        )
    print("", table(lines), "", *notes, sep="\n")


if __name__ == "__main__":
    main()
