"""The spectra of all kernels of a model, within a time budget."""

import os
from collections.abc import Callable, Mapping
from math import isfinite
from time import monotonic
from typing import NamedTuple

import numpy as np

from regaudit.errors import UnreadableModelError
from regaudit.limits import allowed
from regaudit.measures.matrix import Matrix, matrix_of, shape_of
from regaudit.measures.moments import Moments
from regaudit.measures.singular_values import GRAM_SIDE, spectrum
from regaudit.measures.spectrum import Spectrum
from regaudit.model import Model, Skip, Weight
from regaudit.tensors.tensor import Tensor

THREADS = 2
"""At most. Each holds a Gram matrix: `limits.SPECTRAL_BYTES` has room for two of the largest."""


class Spectra(NamedTuple):
    """What came out."""

    found: Mapping[str, Spectrum]
    """By `Weight.stored_path`."""
    skipped: tuple[Skip, ...]
    """Kernels whose spectrum was not taken, or only in part."""


class _Job(NamedTuple):
    weight: Weight
    matrix: Matrix
    shape: tuple[int, int]
    """Rows and units."""

    @property
    def work(self) -> int:
        """Floating-point operations, roughly."""
        side = min(self.shape)
        return self.weight.size * side + 4 * side**3


class _OutOfTimeError(Exception):
    """The budget of the model is spent."""


def spectra(model: Model, moments: Mapping[str, Moments], tensors: Mapping[str, Tensor]) -> Spectra:
    """Take the spectra of all weights that are matrices to their layers, the cheapest first.

    Of two threads one begins with the most expensive, or it would keep the other waiting at
    the end.

    It ends `spectral_seconds` after its start, but for the eigenvalues of one matrix a thread,
    which nothing can interrupt: seconds where the smaller side is some thousands.

    Args:
        model: whose weights they are.
        moments: of the weights, by stored path; those without are left out.
        tensors: the values, by stored path.
    """
    found: dict[str, Spectrum] = {}
    reasons: dict[str, str] = {}
    jobs = []
    for _, weight in model.weights():
        measured = moments.get(weight.stored_path)
        if weight.units is None or len(weight.shape) < 2 or measured is None:
            continue
        shape = shape_of(weight.shape, weight.units)
        if measured.max_abs is None or not measured.size:
            reasons[weight.path] = f"no spectrum: {_fault(measured)}"
        elif measured.max_abs == 0.0:
            found[weight.stored_path] = Spectrum(shape, 0.0, 0.0)
        else:
            matrix = matrix_of(tensors[weight.stored_path], weight.units, measured.max_abs)
            jobs.append(_Job(weight, matrix, shape))
    jobs.sort(key=lambda job: job.work)
    threads = min(THREADS, os.cpu_count() or 1)
    if threads > 1:
        jobs = jobs[-1:] + jobs[:-1]
    for job, answer in zip(jobs, _answers(jobs, threads), strict=True):
        if isinstance(answer, str):
            reasons[job.weight.path] = answer
            continue
        found[job.weight.stored_path] = answer
        side = min(job.shape)
        if side > GRAM_SIDE:
            reasons[job.weight.path] = (
                "only the norm and the stable rank of its spectrum: its smaller side, "
                f"{side:,}, is over {GRAM_SIDE:,}"
            )
    order = (weight.path for _, weight in model.weights())
    return Spectra(found, tuple(Skip(path, reasons[path]) for path in order if path in reasons))


def _answers(jobs: list[_Job], threads: int) -> list[Spectrum | str]:
    """Return the result of each job: figures, or why they are missing."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - who asks for none, waits not

    seconds = allowed().spectral_seconds
    deadline = monotonic() + seconds

    def watch() -> None:
        if monotonic() > deadline:
            raise _OutOfTimeError

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda job: _answer(job, watch, seconds), jobs))


def _answer(job: _Job, watch: Callable[[], None], seconds: int) -> Spectrum | str:
    try:
        watch()
        found = spectrum(job.matrix, job.shape, watch)
    except _OutOfTimeError:
        return f"no spectrum: it takes over {seconds} s; --limit spectral_seconds=N allows more"
    except (UnreadableModelError, np.linalg.LinAlgError) as error:
        return f"no spectrum: {error}"
    if not isfinite(found.spectral_norm):  # of values near the largest that there are
        return "no spectrum: its norm is larger than any number"
    return found


def _fault(moments: Moments) -> str:
    if not moments.size:
        return "it is empty"
    verb = "is" if moments.nonfinite == 1 else "are"
    return f"{moments.nonfinite:,} of its values {verb} not finite"
