"""Markdown, for pull requests and model cards."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from tabulate import tabulate

from regaudit.model import Model
from regaudit.renderers.interface import Renderer
from regaudit.report import sentences, spectrum_table, spelling
from regaudit.report.report import Finding, Report
from regaudit.report.spectrum_table import spectrum_rows
from regaudit.report.view import View
from regaudit.rules.interface import About

_text = spelling.markdown

HEADERS = ("weight", "shape", "regularizer", "status", "penalty", "L1", "L2", "sparsity", "dead")


class Markdown(Renderer):
    name: ClassVar[str] = "markdown"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> str:
        return "\n\n".join("\n\n".join(_report(report, view)) for report in reports) + "\n"


def _report(report: Report, view: View) -> Iterator[str]:
    yield f"## {_text(report.file)}"
    yield f"**{_text(sentences.verdict(report))}**"
    if report.model is not None:
        yield _facts(report, report.model)
    for finding in report.findings:
        yield f"### {str(finding.severity).capitalize()}: {finding.code} {finding.name}"
        yield "\n".join(_items(finding, view))
    if view.tables and report.model is not None:
        yield _table(report, view)
        yield from _spectra(report, view)
    yield from _others(report)


def _facts(report: Report, model: Model) -> str:
    return "\n".join(
        (
            f"- model: {_text(spelling.kind(model))}, {spelling.parameters(model)}",
            f"- optimizer: {_text(spelling.optimizer(model.optimizer))}",
            f"- penalty: {sentences.total_penalty(report)}",
            f"- coverage: {sentences.coverage(report)}",
        )
    )


def _items(finding: Finding, view: View) -> Iterator[str]:
    shown = finding.items if view.verbose else finding.items[:10]
    for item in shown:
        milder = "" if item.severity is finding.severity else f" ({item.severity})"
        yield f"- {_text(item.path or '(model)')}{milder}: {_text(item.message)}"
        if item.suggestion:
            yield f"  - `{item.suggestion.code}`: {_text(item.suggestion.reason)}"
    if len(finding.items) > len(shown):
        yield f"- and {len(finding.items) - len(shown):,} more"


def _table(report: Report, view: View) -> str:
    rows = []
    for _, weight in view.weights(report):
        moments = report.moments.get(weight.stored_path)
        regularizer = weight.regularizer
        dead = f"{moments.dead_units}/{moments.units}" if moments and moments.units else "-"
        rows.append(
            (
                _text(weight.path),
                spelling.shape(weight.shape),
                _text(spelling.regularizer(regularizer)),
                str(regularizer.status) if regularizer else spelling.MISSING,
                spelling.number(report.penalties.get(weight.stored_path)) if regularizer else "-",
                spelling.number(moments.l1_norm if moments else None),
                spelling.number(moments.l2_norm if moments else None),
                spelling.percent(moments.sparsity if moments else None),
                dead,
            )
        )
    align = ["left"] * 4 + ["right"] * 5
    # tabulate 0.9 cannot align columns without rows
    aligned = align if rows else None
    return tabulate(rows, HEADERS, tablefmt="pipe", disable_numparse=True, colalign=aligned)


def _spectra(report: Report, view: View) -> Iterator[str]:
    """A table of the spectra, if there are any."""
    rows = [(_text(row.weight.path), *row.cells) for row in spectrum_rows(report, view)]
    if rows:
        yield spectrum_table.CAPTION
        titles = ("weight", *spectrum_table.HEADERS)
        align = ["left"] * 2 + ["right"] * (len(titles) - 2)
        yield tabulate(rows, titles, tablefmt="pipe", disable_numparse=True, colalign=align)


def _others(report: Report) -> Iterator[str]:
    """Regularizers that are on no weight, and what was not examined, and rules that did not run."""
    lines = []
    for layer in report.model.layers if report.model else ():
        others = dict(layer.unplaced)
        if layer.activity_regularizer:
            others["activity_regularizer"] = layer.activity_regularizer
        for key, regularizer in others.items():
            spelled = _text(spelling.regularizer(regularizer))
            lines.append(f"- {_text(layer.path)}: {_text(key)} {spelled}, {regularizer.status}")
    lines += [f"- {_text(skip.path)}: {_text(skip.reason)}" for skip in report.skipped]
    lines += [f"- {_text(sentences.suppressed(one))}" for one in report.suppressed]
    lines += [f"- {_text(sentences.not_run(rule))}" for rule in report.not_run]
    if lines:
        yield "### Remarks"
        yield "\n".join(lines)
