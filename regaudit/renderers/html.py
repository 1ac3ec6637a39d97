"""HTML, for people: one page that reads well without a network, a script or a style sheet."""

from collections.abc import Sequence
from typing import ClassVar

from regaudit.pages.models_page import models_page
from regaudit.renderers.interface import Renderer
from regaudit.report.escape import Escaped
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Html(Renderer):
    name: ClassVar[str] = "html"
    detailed: ClassVar[bool] = True

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        return models_page(reports, rules, view)
