"""A report as a piece of HTML for notebooks: no script, no style sheet, nothing of the page's own.

Colours are the page's; only marks of severity have their own, legible on light and on dark.
"""

import html
from collections.abc import Iterator, Sequence
from typing import ClassVar

from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences, spelling
from regaudit.report.escape import Escaped
from regaudit.report.report import Finding, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules.interface import About

SHOWN = 100
"""Weights and places shown; the rest is counted."""

MARKS = {Severity.ERROR: "#b3261e", Severity.WARNING: "#8a5300", Severity.NOTE: "#3b5f8a"}
"""Backgrounds of white letters, each with a contrast above 4.5."""

_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"


class Notebook(Renderer):
    name: ClassVar[str] = "notebook"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        return escape.by_format("".join(f"{report_html(report, view)}\n" for report in reports))


def report_html(report: Report, view: View | None = None) -> str:
    """Return the verdict, the findings and the weights, the latter folded."""
    return f'<div style="overflow-x:auto">{"".join(_parts(report, view or View()))}</div>'


def _parts(report: Report, view: View) -> Iterator[str]:
    yield f"<p><b>{_text(report.file)}</b>: {_text(sentences.verdict(report))}</p>"
    if led := sentences.redirected(report):
        yield f"<p>{_text(led)}</p>"
    if report.model is not None:
        facts = (
            f"{spelling.kind(report.model)}, {spelling.parameters(report.model)}",
            f"penalty: {sentences.total_penalty(report)}",
            f"{sentences.summary(report)} {sentences.coverage(report)}.",
        )
        yield f"<p>{'<br>'.join(map(_text, facts))}</p>"
    said: dict[tuple[str, str], str] = {}
    for finding in report.findings:
        yield from _finding(finding, said)
    if report.findings:
        yield from (f"<p>{_text(line)}</p>" for line in advice.proposed(report.proposal))
    if report.model is not None:
        yield from _weights(report, view)


def _finding(finding: Finding, said: dict[tuple[str, str], str]) -> Iterator[str]:
    color, level = MARKS[finding.severity], str(finding.severity)
    badge = f'<span style="background:{color};color:#fff;padding:0 .4em">{level}</span>'
    places = []
    for item in finding.items[:SHOWN]:
        code = item.suggestion.code if item.suggestion else ""
        code += "" if advice.tested(item) or not code else " (untested start of a sweep)"
        cure = f"<br><code>{_text(code)}</code>" if code else ""
        if first := advice.elsewhere(item, finding.code, said):
            cure = f"<br>the change beside {_text(first)} is for this, too"
        where = _text(item.path or "(model)")
        places.append(f"<li><code>{where}</code>: {_text(item.message)}{cure}</li>")
    left = len(finding.items) - len(places)
    more = f"<li>and {left:,} more</li>" if left else ""
    name = f"<b>{_text(finding.code)}</b> {_text(finding.name)}"
    yield f"<div>{badge} {name}<ul>{''.join(places)}{more}</ul></div>"


def _weights(report: Report, view: View) -> Iterator[str]:
    weights = [weight for _, weight in view.weights(report)]
    rows = []
    for weight in weights[:SHOWN]:
        moments = report.moments.get(weight.stored_path)
        penalty = report.penalties.get(weight.stored_path)
        rows.append(
            (
                weight.path,
                spelling.shape(weight.shape),
                spelling.regularizer_of(weight),
                spelling.status_of(weight),
                spelling.paid(penalty, report.penalty_if_applied(weight)),
                spelling.number(moments.l2_norm if moments else None),
                spelling.percent(moments.sparsity if moments else None),
                spelling.percent(moments.small_share if moments else None),
                spelling.units(moments.dead_units if moments else None, moments),
                spelling.units(moments.effective_units if moments else None, moments),
            )
        )
    head = (
        *("weight", "shape", "regularizer", "status"),
        *("penalty", "L2 norm", "sparsity", "<0.001", "dead", "effective"),
    )
    left = len(weights) - len(rows)
    more = f"<p>and {left:,} more</p>" if left else ""
    table = f"<table>{_row(head, 'th')}{''.join(_row(row, 'td') for row in rows)}</table>{more}"
    yield f"<details><summary>{spelling.count(len(weights), 'weight')}</summary>{table}</details>"


def _row(cells: Sequence[str], tag: str) -> str:
    aligned = ["left"] * 4 + ["right"] * 6
    return "<tr>{}</tr>".format(
        "".join(
            f'<{tag} style="text-align:{align};{_LINE}">{_text(cell)}</{tag}>'
            for cell, align in zip(cells, aligned, strict=True)
        )
    )


def _text(text: str) -> str:
    return html.escape(escape.plain(text))
