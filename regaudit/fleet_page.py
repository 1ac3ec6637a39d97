"""The fleet as an HTML page."""

from collections.abc import Iterable

from regaudit.fleet import CHARTS, fleet
from regaudit.page import fill
from regaudit.report.report import Report


def fleet_page(reports: Iterable[Report]) -> str:
    """Return one self-contained HTML page on all models."""
    return fill("fleet.html.j2", fleet=fleet(reports), most=CHARTS)
