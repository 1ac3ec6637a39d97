"""Many files, audited in worker processes at once: one loop gives out files and takes answers.

Nothing here grows with the number of files: a thread waits for what each worker says, and this one
alone looks at the clock.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TypeVar

from regaudit.report.report import Report
from regaudit.running.ordered import AHEAD
from regaudit.running.workers import Arrival, Worker, Workers
from regaudit.running.written import Written

_TICK = 0.5
"""Seconds between two looks at the clock."""

_Kind = TypeVar("_Kind", Report, Written)


def audit_apart(files: Iterable[str], workers: Workers) -> Iterator[Report]:
    """Audit files in worker processes, which end with the run.

    Yields:
        A report for each file, in the order given.
    """
    with workers:
        yield from _in_order(files, workers, Report)


def write_apart(files: Iterable[str], workers: Workers) -> Iterator[Written | Report]:
    """Do the same, and have the workers write what their order says; a report means a failure."""
    with workers:
        yield from _in_order(files, workers, Written)


def _in_order(
    files: Iterable[str], workers: Workers, kind: type[_Kind]
) -> Iterator[_Kind | Report]:
    arrivals: SimpleQueue[Arrival] = SimpleQueue()
    waiting = iter(files)
    busy: dict[Worker, int] = {}
    done: dict[int, _Kind | Report] = {}
    given = handed = 0
    left = True
    looked = monotonic()
    while left or handed < given:
        while left and len(busy) < workers.jobs and given < handed + AHEAD:
            file = next(waiting, None)
            if file is None:
                left = False
                break
            begun = workers.begin(file, None, arrivals)
            if isinstance(begun, Report):
                done[given] = begun
            else:
                busy[begun] = given
            given += 1
        while handed in done:
            yield done.pop(handed)
            handed += 1
        if not busy:
            continue
        with suppress(Empty):
            worker, message = arrivals.get(timeout=_TICK)
            if worker in busy and (answer := worker.hear(message, kind)) is not None:
                done[busy.pop(worker)] = answer
                workers.put_back(worker)
        if monotonic() - looked > _TICK:
            looked = monotonic()
            for worker in busy:
                worker.patience()
