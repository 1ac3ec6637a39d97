"""JSON, for programs: everything, at full precision."""

import json
from collections.abc import Sequence
from typing import ClassVar

from regaudit.renderers.interface import Renderer
from regaudit.report.document import document
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Json(Renderer):
    name: ClassVar[str] = "json"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> str:
        content = document(reports)
        for report in content["reports"]:
            report["layers"] = view.records(report["layers"])
        return json.dumps(content, allow_nan=False) + "\n"
