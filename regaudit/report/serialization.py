"""Reports as JSON and back, whole: what a cache keeps, and worker processes and a cluster send."""

from regaudit.report.report import Report
from regaudit.report.typed_json import from_json, to_json


def report_to_json(report: Report) -> bytes:
    """Return a report as one line of JSON.

    Raises:
        TypeError: something in it is not part of a report.
    """
    return to_json(Report, report)


def report_from_json(text: bytes | str) -> Report:
    """Return the report that was written; equal to it in every field.

    Raises:
        ValueError: it is not such a text.
    """
    found: Report = from_json(Report, text)
    return found
