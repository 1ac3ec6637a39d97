"""The spectra of all kernels of a model, within a time budget."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
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
from regaudit.processors import processors
from regaudit.tensors.tensor import Tensor

LARGE_SIDE = 1024
"""Smaller side from which a matrix is worth several threads of BLAS; below they cost more than
they save."""

LARGE_AT_ONCE = 2
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

    Small matrices are shared out among the processors. Large ones come two at once, which share
    the processors; one thread begins with the largest, or it would keep the other waiting at the
    end.

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
    for job, answer in _answers(sorted(jobs, key=lambda job: job.work)):
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


def _answers(jobs: list[_Job]) -> Iterator[tuple[_Job, Spectrum | str]]:
    """Yield the result of each job: figures, or why they are missing."""
    seconds = allowed().spectral_seconds
    deadline = monotonic() + seconds

    def watch() -> None:
        if monotonic() > deadline:
            raise _OutOfTimeError

    def answer(job: _Job) -> Spectrum | str:
        return _answer(job, watch, seconds)

    small = [job for job in jobs if min(job.shape) < LARGE_SIDE]
    large = [job for job in jobs if min(job.shape) >= LARGE_SIDE]
    all_threads = _threads()
    yield from _at_once(answer, small, all_threads, 1)
    at_once = min(LARGE_AT_ONCE, len(large), all_threads)
    if at_once > 1:
        large = large[-1:] + large[:-1]
    yield from _at_once(answer, large, at_once, all_threads // max(at_once, 1))


def _threads() -> int:
    """Return how many threads compute at once; `OMP_NUM_THREADS` says how many may at most.

    Dask sets it for its workers, and so do ours that share the processors.
    """
    most = os.environ.get("OMP_NUM_THREADS", "")
    return min(processors(), int(most)) if most.isdecimal() and int(most) else processors()


def _at_once(
    answer: Callable[[_Job], Spectrum | str], jobs: list[_Job], threads: int, blas: int
) -> list[tuple[_Job, Spectrum | str]]:
    """Do so many jobs at once, with so many threads of BLAS for each."""
    if not jobs:
        return []
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - who asks for none, waits not

    with _blas_of(blas), ThreadPoolExecutor(threads) as pool:
        return list(zip(jobs, pool.map(answer, jobs), strict=True))


def _blas_of(threads: int) -> AbstractContextManager[object]:
    """Have BLAS use so many threads, where the system tells which libraries are loaded."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - who asks for none, waits not

    limited: AbstractContextManager[object] = nullcontext()
    with suppress(OSError):
        limited = threadpool_limits(threads, "blas")
    return limited


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
