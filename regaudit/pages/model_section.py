"""One report arranged for a page: what is wrong first, then all its weights, block by block."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import hypot

from msgspec import Struct

from regaudit.measures.moments import Moments
from regaudit.model import Layer, Weight
from regaudit.pages.charts import Charts, charts, growth, times
from regaudit.pages.penalty_bar import PenaltyBar, penalty_bar
from regaudit.pages.strip import Strip, strip
from regaudit.report import escape, spectrum_table, spelling
from regaudit.report.folded_rows import ENOUGH, NORMALIZATION
from regaudit.report.proposal import UNTESTED, Suggestion
from regaudit.report.report import Finding, Report
from regaudit.report.severity import Severity
from regaudit.report.spectrum_table import spectrum_rows
from regaudit.report.view import View
from regaudit.rules.interface import About

MANY_LAYERS = 500
"""Weights of more layers than this are grouped by block."""

TOGETHER = 50
"""Layers in a block, if their names do not show blocks."""

_BLOCK = re.compile(
    r".*?(?:block|stage|layers?|group|cell|unit|module|stack)[_-]?\d+[a-z]?", re.IGNORECASE
)


class Row(Struct, frozen=True):
    """One weight as the table shows it."""

    anchor: str
    layer: Layer
    weight: Weight
    moments: Moments | None
    penalty: float | None
    if_applied: float | None
    """Penalty that custom code decides about."""
    share: float | None
    growth: float | None
    """Root mean square in units of what the initializer gives."""
    faults: tuple[tuple[Severity, str], ...]
    """Severity and code of what was found in this place."""

    @property
    def identity(self) -> tuple[str, ...]:
        """Class, role, shape, parameters and regularizer, as cells."""
        weight = self.weight
        return (
            escape.plain(self.layer.class_name),
            escape.plain(weight.role),
            spelling.shape(weight.shape),
            f"{weight.size:,}",
            spelling.regularizer_of(weight),
        )

    @property
    def numbers(self) -> tuple[str, ...]:
        """Penalty, share, norms and what follows, as cells."""
        untold = self.weight.regularizer or not self.weight.regularizer_known
        unknown = "unknown" if untold else spelling.MISSING
        known = self.weight.regularizer and self.penalty is not None
        paid = (spelling.number(self.penalty), spelling.percent(self.share))
        if self.penalty is None and self.if_applied is not None:
            known, paid = True, (f"{spelling.number(self.if_applied)} if applied", unknown)
        m = self.moments
        if m is None:
            return (*(paid if known else (unknown, unknown)), *(spelling.MISSING,) * 8)
        return (
            *(paid if known else (unknown, unknown)),
            spelling.number(m.l1_norm),
            spelling.number(m.l2_norm),
            times(self.growth),
            spelling.number(m.max_abs),
            spelling.percent(m.sparsity),
            spelling.percent(m.small_share),
            spelling.units(m.dead_units, m, " of "),
            spelling.units(m.effective_units, m, " of "),
        )

    @property
    def remarks(self) -> str:
        """What must be known to read the numbers."""
        regularizer = self.weight.regularizer
        found = [regularizer.why] if regularizer else []
        if self.weight.shared_with is not None:
            found.append(f"shared with {self.weight.shared_with}")
        if not self.weight.trainable_known:
            found.append("not known whether it is trainable")
        elif not self.weight.trainable and not (regularizer and regularizer.why):
            found.append("not trainable")
        if self.moments is None:
            found.append("not measured")
        elif self.moments.nonfinite:
            found.append(f"{spelling.count(self.moments.nonfinite, 'value')} not finite")
        return "; ".join(filter(None, found))


class Block(Struct, frozen=True):
    """Consecutive weights that belong together."""

    name: str
    """Empty where all weights are one block."""
    rows: tuple[Row, ...]

    @property
    def layers(self) -> int:
        """Layers with weights."""
        return len({row.layer.path for row in self.rows})

    @property
    def faults(self) -> int:
        """Places of findings in it."""
        return sum(len(row.faults) for row in self.rows)

    @property
    def parameters(self) -> int:
        """Values, shared ones once."""
        return sum(row.weight.size for row in self.rows if row.weight.shared_with is None)

    @property
    def regularized(self) -> str:
        """Count the weights with a regularizer: `3 regularized, 1 unknown`."""
        found = sum(row.weight.regularizer is not None for row in self.rows)
        unknown = sum(not row.weight.regularizer_known for row in self.rows)
        return f"{found} regularized" + (f", {unknown} unknown" if unknown else "")

    @property
    def penalty(self) -> float | None:
        """What its weights add to the loss, as far as is known from the file."""
        return _total(row.penalty for row in self.rows)

    @property
    def share(self) -> float | None:
        """The same as a share of the total."""
        return None if self.penalty is None else sum(row.share or 0.0 for row in self.rows)

    @property
    def l2_norm(self) -> float | None:
        """Of all its finite weights together."""
        norms = [row.moments.l2_norm or 0.0 for row in self.rows if row.moments]
        return hypot(*norms) if norms else None


class SuggestedChange(Struct, frozen=True):
    """A suggestion, with what there is today."""

    code: str
    """Of the worst rule that it is a cure for; empty where none spoke."""
    suggestion: Suggestion
    before: str
    penalty: float | None
    """What the weight adds to the loss today."""


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


def section(number: int, report: Report, rules: Sequence[About], view: View) -> Section:
    """Arrange a report, the `number`th on its page."""
    anchor = f"m{number}"
    abouts = {about.code: about for about in rules}
    others = {finding.code for finding in report.findings}
    others |= {rule.code for rule in report.not_run} | {one.code for one in report.suppressed}
    rows = tuple(_rows(anchor, report, view)) if view.tables else ()
    anchors = {row.weight.path: row.anchor for row in rows}
    changes = tuple(_changes(report))
    return Section(
        anchor=anchor,
        report=report,
        state=_state(report),
        findings=tuple((abouts.get(one.code), one) for one in report.findings),
        passed=tuple(about for about in rules if about.code not in others),
        changes=changes,
        start=report.proposal is not None and report.proposal.basis == UNTESTED,
        program="\n".join(_program(report, changes)),
        blocks=_blocks(report, rows, view),
        spectra=tuple(
            (anchors[row.weight.path], row)
            for row in spectrum_rows(report, view)
            if row.weight.path in anchors
        ),
        charts=charts(report, [(row.layer, row.weight) for row in rows]),
        strip=strip(rows, _nested(report)) if view.sort == "model" else None,
        penalty_bar=penalty_bar(report) if rows and view.layer == "*" else None,
    )


def _nested(report: Report) -> list[str]:
    """Return the paths of the models inside the model."""
    layers = report.model.layers if report.model else ()
    holders = {layer.path.rpartition("/")[0] for layer in layers}
    return [layer.path for layer in layers if layer.path in holders and not layer.weights]


def _total(numbers: Iterable[float | None]) -> float | None:
    """Add up the numbers that are known; None where there are only unknown ones."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _state(report: Report) -> str:
    if report.failure:
        return "failed"
    return str(Severity(report.worst)) if report.worst else "clean"


def _rows(anchor: str, report: Report, view: View) -> Iterator[Row]:
    faults: dict[str, list[tuple[Severity, str]]] = {}
    for finding in report.findings:
        for item in finding.items:
            faults.setdefault(item.path, []).append((item.severity, finding.code))
    for number, (layer, weight) in enumerate(view.weights(report), 1):
        penalty = report.penalties.get(weight.stored_path)
        share = report.share(weight)
        moments = report.moments.get(weight.stored_path)
        yield Row(
            anchor=f"{anchor}w{number}",
            layer=layer,
            weight=weight,
            moments=moments,
            penalty=penalty,
            if_applied=report.penalty_if_applied(weight),
            share=share,
            growth=growth(layer, weight, moments),
            faults=tuple(faults.get(weight.path, ())),
        )


def _changes(report: Report) -> Iterator[SuggestedChange]:
    """Yield what the proposal changes, then what findings ask for that is none of strength."""
    weights = {w.path: w for _, w in report.model.weights()} if report.model else {}
    items = [(finding.code, item) for finding in report.findings for item in finding.items]
    proposed = report.proposal.changes if report.proposal else ()
    for change in proposed:
        code = next((code for code, item in items if item.path in change.weights), "")
        for path in change.weights:
            yield _change(code, change.suggestion(path), weights.get(path), report)
    for code, item in items:
        if item.suggestion and (item.suggestion.basis is None or not proposed):
            yield _change(code, item.suggestion, weights.get(item.suggestion.weight), report)


def _change(
    code: str, suggestion: Suggestion, weight: Weight | None, report: Report
) -> SuggestedChange:
    return SuggestedChange(
        code=code,
        suggestion=suggestion,
        before=spelling.regularizer(weight.regularizer) if weight else spelling.MISSING,
        penalty=report.penalties.get(weight.stored_path) if weight else None,
    )


def _program(report: Report, changes: Sequence[SuggestedChange]) -> Iterator[str]:
    """Yield the lines of the suggestions as a program, a layer at a time.

    Of two suggestions for one weight it takes the first, which is of the worse finding.
    """
    classes = {layer.path: layer for layer in (report.model.layers if report.model else ())}
    first = {change.suggestion.weight: change.suggestion for change in reversed(changes)}
    wanted: dict[str, list[str]] = {}
    for change in changes:
        suggestion = change.suggestion
        if first[suggestion.weight] is suggestion and suggestion.edits:
            wanted.setdefault(suggestion.edits[0].layer, []).append(suggestion.code)
    for path, arguments in wanted.items():
        layer = classes.get(path)
        name = escape.python(layer.name if layer else path)
        given = ", ".join(escape.plain(argument) for argument in dict.fromkeys(arguments))
        class_name = escape.python_class(layer.python_class if layer else None)
        yield f"{class_name}(..., name={name}, {given})"


def _blocks(report: Report, rows: tuple[Row, ...], view: View) -> tuple[Block, ...]:
    """Group the rows of a large model, in the order of the file."""
    if not rows:
        return ()
    layers = list(dict.fromkeys(row.layer.path for row in rows))
    if view.sort != "model":
        return (Block("", rows),)
    if len(report.model.layers if report.model else ()) <= MANY_LAYERS:
        return _with_folds(rows)
    names = [_block_name(path) for path in layers]
    runs = [(name, len(list(run))) for name, run in groupby(names)]
    if not all(names) or len(runs) * 3 > len(layers):
        names = [
            f"layers {at // TOGETHER * TOGETHER + 1:,} to "
            f"{min((at // TOGETHER + 1) * TOGETHER, len(layers)):,}"
            for at in range(len(layers))
        ]
    block_of = dict(zip(layers, names, strict=True))
    grouped = groupby(rows, key=lambda row: block_of[row.layer.path])
    return tuple(Block(name, tuple(run)) for name, run in grouped)


def _with_folds(rows: tuple[Row, ...]) -> tuple[Block, ...]:
    """Put what few people look at below the others: normalization, and layers that are frozen."""
    if len(rows) <= ENOUGH:
        return (Block("", rows),)
    folds: dict[str, list[Row]] = {"": [], "normalization": [], "frozen layers": []}
    for row in rows:
        weight = row.weight
        calm = not row.faults and weight.bare
        frozen = calm and weight.trainable_known and not row.layer.trainable
        normal = calm and weight.role in NORMALIZATION
        folds["normalization" if normal else "frozen layers" if frozen else ""].append(row)
    if not folds[""]:
        return (Block("", rows),)
    return tuple(Block(name, tuple(some)) for name, some in folds.items() if some)


def _block_name(path: str) -> str:
    """Return the outermost numbered part of a path, or the model that a layer is nested in."""
    found = _BLOCK.match(path)
    return found[0] if found else path.rpartition("/")[0]
