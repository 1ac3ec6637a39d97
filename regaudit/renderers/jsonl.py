"""JSON lines, for streams: one report a line, each with its schema."""

from collections.abc import Sequence
from typing import ClassVar

from regaudit.renderers.interface import Renderer
from regaudit.report.document import document
from regaudit.report.escape import Escaped, json_text, page
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Jsonl(Renderer):
    name: ClassVar[str] = "jsonl"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        return page(_line(report, view) for report in reports)


def _line(report: Report, view: View) -> Escaped:
    content = document([report])
    (record,) = content.pop("reports")
    record["layers"] = view.records(record["layers"])
    return json_text({**content, **record}, separators=(",", ":"), allow_nan=False)
