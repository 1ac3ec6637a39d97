"""How often each rule found something, the worst first."""

from collections.abc import Iterable
from typing import NamedTuple

from regaudit.report.report import Report
from regaudit.report.severity import Severity


class Statistic(NamedTuple):
    """What one rule found in all models."""

    code: str
    name: str
    severity: Severity
    """The worst of its findings."""
    models: int
    places: int


def statistics(reports: Iterable[Report]) -> list[Statistic]:
    """Count the findings of each rule: the most severe first, then the most frequent."""
    found: dict[str, Statistic] = {}
    for report in reports:
        for one in report.findings:
            before = found.get(one.code, Statistic(one.code, one.name, one.severity, 0, 0))
            found[one.code] = before._replace(
                severity=max(before.severity, one.severity),
                models=before.models + 1,
                places=before.places + len(one.items),
            )
    return sorted(found.values(), key=lambda one: (-one.severity, -one.places, one.code))
