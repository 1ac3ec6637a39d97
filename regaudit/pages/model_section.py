"""One report arranged for a page: what is wrong first, then all its weights, block by block."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from regaudit.pages.charts import Charts, charts
from regaudit.pages.kernel_details import Details, kernel_details
from regaudit.pages.penalty_bar import PenaltyBar, penalty_bar
from regaudit.pages.strip import Strip, strip
from regaudit.pages.suggested_changes import SuggestedChange, program, suggested_changes
from regaudit.pages.weight_blocks import Block, weight_blocks
from regaudit.pages.weight_rows import Row, weight_rows
from regaudit.report import spectrum_table
from regaudit.report.proposal import UNTESTED
from regaudit.report.report import Finding, Report
from regaudit.report.severity import Severity
from regaudit.report.spectrum_table import spectrum_rows
from regaudit.report.view import View
from regaudit.rules.interface import About


class Section(Struct, frozen=True):
    """One report, arranged for the page."""

    anchor: str
    report: Report
    state: str
    """`failed`, the worst severity, or `clean`."""
    findings: tuple[tuple[About | None, Finding], ...]
    passed: tuple[About, ...]
    """Rules that ran in full and found nothing."""
    changes: tuple[SuggestedChange, ...]
    start: bool
    """Whether they are the untested start of a sweep."""
    program: str
    """All suggestions as arguments of Keras layers."""
    blocks: tuple[Block, ...]
    spectra: tuple[tuple[str, spectrum_table.Row], ...]
    """Kernels that have one, each with its anchor in the table of weights."""
    charts: Charts
    details: Details
    strip: Strip | None
    """The model along its depth; None where no weights are shown."""
    penalty_bar: PenaltyBar | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """All weights that are shown."""
        return tuple(row for block in self.blocks for row in block.rows)

    @property
    def anchors(self) -> Mapping[str, str]:
        """Where in the table each weight is, by path."""
        return {row.weight.path: row.anchor for row in self.rows}


def section(
    number: int, report: Report, rules: Sequence[About], view: View, *, alone: bool = True
) -> Section:
    """Arrange a report, the `number`th on its page, which is of this model alone or not."""
    anchor = f"m{number}"
    abouts = {about.code: about for about in rules}
    others = {finding.code for finding in report.findings}
    others |= {rule.code for rule in report.not_run} | {one.code for one in report.suppressed}
    rows = tuple(weight_rows(anchor, report, view)) if view.tables else ()
    anchors = {row.weight.path: row.anchor for row in rows}
    changes = tuple(suggested_changes(report))
    return Section(
        anchor=anchor,
        report=report,
        state=_state(report),
        findings=tuple((abouts.get(one.code), one) for one in report.findings),
        passed=tuple(about for about in rules if about.code not in others),
        changes=changes,
        start=report.proposal is not None and report.proposal.basis == UNTESTED,
        program="\n".join(program(report, changes)),
        blocks=weight_blocks(report, rows, view),
        spectra=tuple(
            (anchors[row.weight.path], row)
            for row in spectrum_rows(report, view)
            if row.weight.path in anchors
        ),
        details=kernel_details(rows, report, alone=alone),
        charts=charts(report, [(row.layer, row.weight) for row in rows]),
        strip=strip(rows, nested(report)) if view.sort == "model" else None,
        penalty_bar=penalty_bar(report) if rows and view.layer == "*" else None,
    )


def nested(report: Report) -> list[str]:
    """Return the paths of the models inside the model of a report."""
    layers = report.model.layers if report.model else ()
    holders = {layer.path.rpartition("/")[0] for layer in layers}
    return [layer.path for layer in layers if layer.path in holders and not layer.weights]


def _state(report: Report) -> str:
    if report.failure:
        return "failed"
    return str(Severity(report.worst)) if report.worst else "clean"
