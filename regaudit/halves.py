"""Work shared with a copy of this process: threads of Python wait for each other at every step."""

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, TypeVar

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class _Allowed:
    """Whether this process is one that may be copied."""

    here: bool = False


def allow_copies() -> None:
    """Say that this process is our own, and has no threads but those of `measure`."""
    _Allowed.here = hasattr(os, "fork")


def may_copy() -> bool:
    """Whether `in_halves` may be used here."""
    return _Allowed.here


def in_halves(
    work: Callable[[_Job], _Result], jobs: Sequence[_Job], costs: Sequence[int]
) -> list[_Result]:
    """Do some jobs here and some in a forked copy of this process, for about as long.

    Only where `may_copy`: a copy of a process with threads has their locks, without their owners.

    Args:
        work: what a job needs; it must not read from what is open already, as both would.
        jobs: any.
        costs: how long each takes, in any unit.

    Returns:
        The results, in the order of the jobs. What the copy fails to do is done here.
    """
    ours, others = _halves(costs)
    readable, writable = os.pipe()
    copy = os.fork()
    if not copy:
        os.close(readable)
        _answer(os.fdopen(writable, "wb"), work, [jobs[index] for index in others])
    os.close(writable)
    try:
        with os.fdopen(readable, "rb") as pipe:
            done = {index: work(jobs[index]) for index in ours}
            answer = pipe.read()
    except BaseException:
        os.kill(copy, signal.SIGKILL)
        raise
    finally:
        os.waitpid(copy, 0)
    with suppress(EOFError, pickle.UnpicklingError):
        done |= dict(zip(others, pickle.loads(answer), strict=True))  # noqa: S301 - of our own copy
    return [done[index] if index in done else work(job) for index, job in enumerate(jobs)]


def _halves(costs: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the indices of jobs in two lists that cost about the same, the largest first."""
    halves: tuple[list[int], list[int]] = ([], [])
    sums = [0, 0]
    for index in sorted(range(len(costs)), key=lambda index: -costs[index]):
        smaller = sums.index(min(sums))
        halves[smaller].append(index)
        sums[smaller] += costs[index]
    return halves


def _answer(pipe: IO[bytes], work: Callable[[_Job], _Result], jobs: Sequence[_Job]) -> None:
    """Be the copy: do the jobs, send the results, and end without a trace."""
    try:
        pipe.write(pickle.dumps([work(job) for job in jobs]))
        pipe.close()
    finally:
        os._exit(0)  # whatever happened: who waits does what is missing
