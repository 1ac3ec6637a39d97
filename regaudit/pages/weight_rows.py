"""The rows of the table of weights: what each weight is, what it adds to the loss, its numbers."""

from collections.abc import Iterator

from msgspec import Struct

from regaudit.measures.moments import Moments
from regaudit.model import Layer, Weight
from regaudit.pages.charts import growth, times
from regaudit.report import escape, spelling
from regaudit.report.report import Report
from regaudit.report.severity import Severity
from regaudit.report.view import View


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


def weight_rows(anchor: str, report: Report, view: View) -> Iterator[Row]:
    """Yield the weights to show, in the order asked for, of the report with this anchor."""
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
