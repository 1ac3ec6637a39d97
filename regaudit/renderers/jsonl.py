"""JSON lines, for streams: one report a line, each with its schema."""

import json
from collections.abc import Sequence
from typing import ClassVar

from regaudit.renderers.interface import Renderer
from regaudit.report.document import document
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Jsonl(Renderer):
    name: ClassVar[str] = "jsonl"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> str:
        return "".join(_line(report, view) for report in reports)


def _line(report: Report, view: View) -> str:
    content = document([report])
    (record,) = content.pop("reports")
    record["layers"] = view.records(record["layers"])
    return json.dumps({**content, **record}, separators=(",", ":"), allow_nan=False) + "\n"
