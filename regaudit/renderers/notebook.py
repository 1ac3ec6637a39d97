"""A report as a piece of HTML for notebooks, and several of them, and a proposal."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from regaudit.pages.fragment import folded, piece, table, text
from regaudit.pages.pictures import model_pictures, small_strip
from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences, spelling
from regaudit.report.escape import Escaped
from regaudit.report.proposal import Proposal
from regaudit.report.report import Finding, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules.interface import About

SHOWN = 100
"""Weights and places shown; the rest is counted."""

DRAWN = 30
"""Models of which each has a picture."""

MARKS = {Severity.ERROR: "#b3261e", Severity.WARNING: "#8a5300", Severity.NOTE: "#3b5f8a"}
"""Backgrounds of white letters, each with a contrast above 4.5."""


class Notebook(Renderer):
    name: ClassVar[str] = "notebook"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        return escape.by_format("".join(f"{report_html(report, view)}\n" for report in reports))


def report_html(report: Report, view: View | None = None) -> str:
    """Return the verdict, pictures, the findings and the weights, the latter folded."""
    return piece("".join(_parts(report, view or View())))


def reports_html(reports: Sequence[Report]) -> str:
    """Return a row for each report, the worst first, and how all of it came out."""
    ranked = sorted(reports, key=lambda one: (one.failure is None, -one.worst))
    rows = [
        (
            report.file,
            small_strip(report) if number < DRAWN else spelling.MISSING,
            sentences.verdict(report),
            spelling.MISSING if report.model is None else f"{report.model.parameters:,}",
            spelling.number(report.told_penalty),
        )
        for number, report in enumerate(ranked[:SHOWN])
    ]
    left = len(ranked) - len(rows)
    more = f"<p>and {left:,} more</p>" if left else ""
    said = f"<p><b>{spelling.count(len(ranked), 'model')}</b>: {text(sentences.total(reports))}</p>"
    shown = table(("model", "along its depth", "found", "parameters", "penalty"), rows, left=3)
    return piece(f"{said}{shown}{more}")


def proposal_html(proposal: Proposal) -> str:
    """Return what is proposed, as sentences and a table of strengths."""
    said = "".join(f"<p>{text(line)}</p>" for line in advice.proposed(proposal))
    rows = [
        (
            ", ".join(change.weights),
            change.code,
            change.basis,
            change.confidence,
            spelling.number(change.before),
            spelling.number(change.after),
        )
        for change in proposal.changes[:SHOWN]
    ]
    left = len(proposal.changes) - len(rows)
    more = f"<p>and {left:,} more</p>" if left else ""
    head = ("weight", "suggested", "basis", "confidence", "penalty", "then")
    return piece(f"{said}{table(head, rows, left=4) if rows else ''}{more}")


def _parts(report: Report, view: View) -> Iterator[str]:
    yield f"<p><b>{text(report.file)}</b>: {text(sentences.verdict(report))}</p>"
    if led := sentences.redirected(report):
        yield f"<p>{text(led)}</p>"
    if report.model is not None:
        facts = (
            f"{spelling.kind(report.model)}, {spelling.parameters(report.model)}",
            f"penalty: {sentences.total_penalty(report)}",
            f"{sentences.summary(report)} {sentences.coverage(report)}.",
        )
        yield f"<p>{'<br>'.join(map(text, facts))}</p>"
        yield model_pictures(report, view)
    said: dict[tuple[str, str], str] = {}
    for finding in report.findings:
        yield from _finding(finding, said)
    if report.findings:
        yield from (f"<p>{text(line)}</p>" for line in advice.proposed(report.proposal))
    if report.model is not None:
        yield from _weights(report, view)


def _finding(finding: Finding, said: dict[tuple[str, str], str]) -> Iterator[str]:
    color, level = MARKS[finding.severity], str(finding.severity)
    badge = f'<span style="background:{color};color:#fff;padding:0 .4em">{level}</span>'
    places = []
    for item in finding.items[:SHOWN]:
        code = item.suggestion.code if item.suggestion else ""
        code += "" if advice.tested(item) or not code else " (untested start of a sweep)"
        cure = f"<br><code>{text(code)}</code>" if code else ""
        if first := advice.elsewhere(item, finding.code, said):
            cure = f"<br>the change beside {text(first)} is for this, too"
        where = text(item.path or "(model)")
        places.append(f"<li><code>{where}</code>: {text(item.message)}{cure}</li>")
    left = len(finding.items) - len(places)
    more = f"<li>and {left:,} more</li>" if left else ""
    name = f"<b>{text(finding.code)}</b> {text(finding.name)}"
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
    yield folded(spelling.count(len(weights), "weight"), f"{table(head, rows, left=4)}{more}")
