"""What is inside each kernel of a model: its values, its units and its spectrum, on demand."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from regaudit.evidence.initial_density import initial_density
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.pages.charts import times
from regaudit.pages.norm_panel import norm_panel
from regaudit.pages.panel import Panel
from regaudit.pages.spectrum_panel import spectrum_panel
from regaudit.pages.value_panel import value_panel
from regaudit.pages.weight_rows import Row
from regaudit.report import spelling
from regaudit.report.report import Report

MOST, LEAST = 76, 28
"""Kernels that are looked into, in a small table and in a large one ..."""

PER_ROW = 0.15
"""... as a row of it takes this share of the room that a kernel takes, and a page should be sent
by mail."""

AMONG_MODELS = 12
"""Kernels of each model, at most, where a page has several."""


class Detail(Struct, frozen=True):
    """One kernel."""

    anchor: str
    row: str
    """Anchor of its row in the table."""
    path: str
    facts: str
    panels: tuple[Panel, ...]


class Details(Struct, frozen=True):
    """Those that are looked into, in the order of the table."""

    each: tuple[Detail, ...]
    more: int
    """Others that could be."""

    @property
    def anchors(self) -> dict[str, str]:
        """Anchor of each, by that of its row."""
        return {one.row: one.anchor for one in self.each}


def kernel_details(rows: Sequence[Row], report: Report, *, alone: bool = True) -> Details:
    """Look into the kernels of a model, those with findings first, then the largest.

    Args:
        rows: of the table of its weights.
        report: on it.
        alone: whether it has the page to itself.
    """
    found = [row for row in rows if is_shown(row)]
    most = max(round(MOST - PER_ROW * len(rows)), LEAST)
    if report.spectra:
        most = most * 2 // 3  # a third chart of each
    if not alone:
        most = min(most, AMONG_MODELS)
    chosen = {id(row) for row in sorted(found, key=_importance)[:most]}
    return Details(
        tuple(_detail(row, report) for row in found if id(row) in chosen),
        max(len(found) - most, 0),
    )


def is_shown(row: Row) -> bool:
    """Whether there is something to show."""
    measured = row.moments is not None and row.moments.histogram is not None
    return measured and row.weight.role in KERNEL_ROLES and row.weight.shared_with is None


def _importance(row: Row) -> tuple[int, int]:
    return -max((severity for severity, _ in row.faults), default=0), -row.weight.size


def _detail(row: Row, report: Report) -> Detail:
    spectrum = (report.spectra or {}).get(row.weight.stored_path)
    moments = row.moments
    panels = (
        value_panel([moments], initial_density(row.layer, row.weight)) if moments else None,
        norm_panel([moments]) if moments else None,
        spectrum_panel([spectrum]) if spectrum else None,
    )
    return Detail(
        f"{row.anchor}d", row.anchor, row.weight.path, ", ".join(_facts(row)), present(panels)
    )


def present(panels: Iterable[Panel | None]) -> tuple[Panel, ...]:
    """Return those that there are."""
    return tuple(panel for panel in panels if panel)


def _facts(row: Row) -> Iterable[str]:
    yield spelling.shape(row.weight.shape)
    if row.growth is not None:
        yield f"{times(row.growth)} initial size"
    if row.moments and row.moments.dead_units:
        yield f"{row.moments.dead_units:,} of {row.moments.units:,} units dead"
