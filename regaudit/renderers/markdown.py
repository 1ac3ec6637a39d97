"""Markdown, for pull requests and model cards."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from regaudit.model import Model, Weight
from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences, spectrum_table, spelling
from regaudit.report.escape import Escaped
from regaudit.report.report import Finding, Report
from regaudit.report.spectrum_table import spectrum_rows
from regaudit.report.tables import pipe_table
from regaudit.report.view import View
from regaudit.rules.interface import About

_text = escape.markdown

HEADERS = (
    *("weight", "shape", "regularizer", "status"),
    *("penalty", "L1", "L2", "sparsity", "\\<0.001", "dead", "effective"),
)


class Markdown(Renderer):
    name: ClassVar[str] = "markdown"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        blocks = [block for report in reports for block in _report(report, view)]
        lines = [line for block in blocks for line in (*block, "")]
        return escape.page(lines[:-1])


def _report(report: Report, view: View) -> Iterator[Sequence[str]]:
    """Yield the lines of each paragraph, list and table."""
    yield [f"## {_text(report.file)}"]
    yield [f"**{_text(sentences.verdict(report))}**"]
    if unjudged := sentences.unjudged(report):
        yield [f"{_text(unjudged)}."]
    if report.model is not None:
        yield _facts(report, report.model)
    said: dict[tuple[str, str], str] = {}
    for finding in report.findings:
        name = f"{finding.code} {finding.name}"
        yield [f"### {str(finding.severity).capitalize()}: {_text(name)}"]
        yield list(_items(finding, said, view))
    if report.findings and (proposed := list(advice.proposed(report.proposal))):
        yield ["### Proposal"]
        yield from ([_text(line)] for line in proposed)
    if view.tables and report.model is not None:
        yield _table(report, view)
        yield from _spectra(report, view)
    yield from _others(report, view)


def _facts(report: Report, model: Model) -> Sequence[str]:
    return (
        f"- model: {_text(spelling.kind(model))}, {spelling.parameters(model)}",
        f"- optimizer: {_text(spelling.optimizer(model))}",
        f"- penalty: {sentences.total_penalty(report)}",
        f"- coverage: {sentences.coverage(report)}",
    )


def _items(finding: Finding, said: dict[tuple[str, str], str], view: View) -> Iterator[str]:
    shown = finding.items if view.verbose else finding.items[:10]
    for item in shown:
        milder = "" if item.severity is finding.severity else f" ({item.severity})"
        yield f"- {_text(item.path or '(model)')}{milder}: {_text(item.message)}"
        if first := advice.elsewhere(item, finding.code, said):
            yield f"  - the change beside {first} is for this, too"
        elif item.suggestion:
            code = escape.markdown_code(item.suggestion.code)
            start = "" if advice.tested(item) else "untested start of a sweep, "
            yield f"  - {start}{code}: {_text(item.suggestion.reason)}"
    if len(finding.items) > len(shown):
        yield f"- and {len(finding.items) - len(shown):,} more"


def _table(report: Report, view: View) -> list[str]:
    rows = []
    for _, weight in view.weights(report):
        moments = report.moments.get(weight.stored_path)
        rows.append(
            (
                _text(weight.path),
                spelling.shape(weight.shape),
                _text(spelling.regularizer_of(weight)),
                spelling.status_of(weight),
                _penalty(report, weight) if weight.regularizer else spelling.MISSING,
                spelling.number(moments.l1_norm if moments else None),
                spelling.number(moments.l2_norm if moments else None),
                spelling.percent(moments.sparsity if moments else None),
                spelling.percent(moments.small_share if moments else None),
                spelling.units(moments.dead_units if moments else None, moments),
                spelling.units(moments.effective_units if moments else None, moments),
            )
        )
    align = ["left"] * 4 + ["right"] * 7
    return pipe_table(rows, HEADERS, align)


def _penalty(report: Report, weight: Weight) -> str:
    penalty = report.penalties.get(weight.stored_path)
    return spelling.paid(penalty, report.penalty_if_applied(weight))


def _spectra(report: Report, view: View) -> Iterator[Sequence[str]]:
    """A table of the spectra, if there are any."""
    rows = [(_text(row.weight.path), *row.cells) for row in spectrum_rows(report, view)]
    if rows:
        yield [spectrum_table.CAPTION]
        titles = ("weight", *spectrum_table.HEADERS)
        align = ["left"] * 2 + ["right"] * (len(titles) - 2)
        yield pipe_table(rows, titles, align)


def _others(report: Report, view: View) -> Iterator[Sequence[str]]:
    """Regularizers that are on no weight, and what was not examined, and rules that did not run."""
    lines = []
    for layer in report.model.layers if report.model else ():
        others = dict(layer.unplaced)
        if layer.activity_regularizer:
            others["activity_regularizer"] = layer.activity_regularizer
        for key, regularizer in others.items() if view.shows(layer.path) else ():
            spelled = _text(spelling.regularizer(regularizer))
            lines.append(f"- {_text(layer.path)}: {_text(key)} {spelled}, {regularizer.status}")
    lines += [f"- {_text(skip.path)}: {_text(skip.reason)}" for skip in report.skipped]
    lines += [f"- {_text(sentences.suppressed(one))}" for one in report.suppressed]
    lines += [f"- {_text(one)}" for one in sentences.not_run_together(report.not_run)]
    if used := sentences.plugins([report]):
        lines.append(f"- with plug-ins: {_text(used)}")
    if lines:
        yield ["### Remarks"]
        yield lines
