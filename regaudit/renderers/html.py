"""HTML, for people: one page that reads well without a network, a script or a style sheet."""

from collections.abc import Sequence
from typing import ClassVar

from regaudit.pages.fleet import faults_of, risk
from regaudit.pages.model_section import section
from regaudit.pages.template import fill
from regaudit.pages.trends import trends
from regaudit.renderers.interface import Renderer
from regaudit.report.escape import Escaped
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Html(Renderer):
    name: ClassVar[str] = "html"
    detailed: ClassVar[bool] = True

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        series = trends(reports)
        ranked = reports if series else sorted(reports, key=risk)  # a series is in its own order
        return fill(
            "page.html.j2",
            sections=[section(n, report, rules, view) for n, report in enumerate(ranked, 1)],
            trends=series,
            faults=faults_of(reports),
            rules=rules,
            view=view,
        )
