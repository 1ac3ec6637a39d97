"""Several models are rendered at once; this guards it, and finds the one that cannot be.

The process that has the reports forks: the child does the rest, within limits. If it is killed,
the parent still has the reports. It tries each of them alone, puts a failure in the place of those
that are killed as well, and forks once more.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from regaudit.report.report import Failure, Report
from regaudit.running.guard import Killed, attempt, fork, hold, is_unheld
from regaudit.running.process_limits import death
from regaudit.storage.location import is_url
from regaudit.storage.size import size_of

if TYPE_CHECKING:
    from regaudit.limits import Limits

_FEWER = 20
"""So many models together add to the limits what one has alone: most take far less."""


def go_on_guarded(
    reports: list[Report], limits: "Limits", render: Callable[[Sequence[Report]], object]
) -> list[Report]:
    """Return, in a guarded process, those reports that can be rendered, and failures of the others.

    Args:
        reports: of the whole run.
        limits: of one file.
        render: what is to be done with some reports.
    """
    if not is_unheld():
        return reports
    if killed := _fork(reports, limits):
        reports = [_or_failure(report, limits, render) for report in reports]
        if killed := _fork(reports, limits):
            return [Report(killed.file, failure=Failure(*death(killed.signal, limits)))]
    return reports


def _fork(reports: Sequence[Report], limits: "Limits") -> Killed | None:
    """Return None in a child that is held; in the parent, if it was killed, what happened."""
    count, size = len(reports), sum(map(_size, reports))
    killed = fork()
    if killed is None:
        hold(f"{count:,} models", limits.for_files(count // _FEWER + 1, size))
    return killed


def _or_failure(
    report: Report, limits: "Limits", render: Callable[[Sequence[Report]], object]
) -> Report:
    """Return a report, or that it cannot be rendered."""
    one = limits.for_files(1, _size(report))
    killed = attempt(lambda: render([report]), one)
    if killed is None:
        return report
    return Report(report.file, size=report.size, failure=Failure(*death(killed.signal, limits)))


def _size(report: Report) -> int:
    return 0 if is_url(report.file) else size_of(report.file)
