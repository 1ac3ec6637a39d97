"""JSON, for programs: everything, at full precision."""

from collections.abc import Sequence
from typing import ClassVar

from regaudit.renderers.interface import Renderer
from regaudit.report.document import document
from regaudit.report.escape import Escaped, json_text, page
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Json(Renderer):
    name: ClassVar[str] = "json"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        content = document(reports)
        for report in content["reports"]:
            report["layers"] = view.records(report["layers"])
        return page([json_text(content, allow_nan=False)])
