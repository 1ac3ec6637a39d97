"""JSON, for programs: everything, at full precision."""

import json
from collections.abc import Sequence
from typing import ClassVar

from regaudit.finding import Report
from regaudit.record import document
from regaudit.renderer import Renderer, View
from regaudit.rule import About


class Json(Renderer):
    name: ClassVar[str] = "json"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> str:
        content = document(reports)
        if view.layer != "*":
            for report in content["reports"]:
                report["layers"] = [
                    layer
                    for layer in report["layers"]
                    if view.shows(layer["path"], *(weight["path"] for weight in layer["weights"]))
                ]
        return json.dumps(content, allow_nan=False) + "\n"
