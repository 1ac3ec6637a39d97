"""The charts of a report: what lies on each axis, and what each mark means."""

from collections.abc import Iterable, Sequence
from math import inf

from msgspec import Struct

from regaudit.evidence.initializers import Initial
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.measures.moments import Moments
from regaudit.model import Layer, Status, Weight
from regaudit.pages.chart_geometry import (
    Column,
    Kind,
    Plot,
    Value,
    drawable,
    linear_scale,
    log_scale,
    plot,
)
from regaudit.report import escape, spelling
from regaudit.report.report import Report

BLUE, ORANGE, GREEN, RED, GREY = "#3f83cf", "#c2701c", "#2f8f5b", "#d6455d", "#7d8590"
"""Colours that stand out from a light and from a dark page, for those without styles as well."""

BARS = 30
"""Bars in a chart, the longest; the table has all weights."""

_L2 = Kind("L2", "circle", BLUE)
_L1 = Kind("L1", "triangle", ORANGE)
_IDLE_L2 = Kind("L2, not in force", "ring", BLUE)
_IDLE_L1 = Kind("L1, not in force", "open-triangle", ORANGE)
_OTHER = Kind("other", "square", GREEN, strip=True)
_NONE = Kind("none", "cross", RED, strip=True)

_GROWTH = Kind("size today against initial size", "circle", BLUE)
_UNKNOWN = Kind("not known", "cross", GREY, strip=True)

_ZEROS = Kind("exact zeros", "circle", BLUE)
_DEAD = Kind("dead units", "open-triangle", ORANGE)

Kernel = tuple[Layer, Weight]


class Bar(Struct, frozen=True):
    """One bar of a chart."""

    path: str
    value: str
    width: str
    """Percent of the whole."""

    @property
    def label(self) -> str:
        """The path, cut to fit a telephone."""
        return short(self.path, 38)


class Bars(Struct, frozen=True):
    """Bars, longest first."""

    bars: tuple[Bar, ...]
    more: int
    """Weights for whose bar there was no room."""


class Charts(Struct, frozen=True):
    """All charts of one report; None where there is nothing to draw."""

    shares: Bars
    ladder: Plot | None
    growth: Plot | None
    emptiness: Plot | None
    kernels: int


def charts(report: Report, weights: Sequence[Kernel]) -> Charts:
    """Return the charts of those weights of a report that are shown."""
    kernels = [
        pair for pair in weights if pair[1].role in KERNEL_ROLES and pair[1].shared_with is None
    ]
    return Charts(
        shares=bars((w.path, report.share(w)) for _, w in weights),
        ladder=_ladder(kernels),
        growth=_growth(report, kernels),
        emptiness=_emptiness(report, kernels),
        kernels=len(kernels),
    )


def bars(shares: Iterable[tuple[str, float | None]]) -> Bars:
    """Return bars for the positive ones among these shares of a whole."""
    positive = [(path, value) for path, value in shares if value is not None and drawable(value)]
    positive.sort(key=lambda pair: -pair[1])
    drawn = (
        Bar(path, spelling.percent(value), f"{100 * min(value, 1.0):.2f}")
        for path, value in positive[:BARS]
    )
    return Bars(tuple(drawn), max(len(positive) - BARS, 0))


def short(path: str, room: int) -> str:
    """Return a path cut in its middle: its ends say most."""
    path = escape.plain(path)
    head = room // 3 - 1
    return (
        path
        if len(path) <= room
        else f"{path[:head]}\N{HORIZONTAL ELLIPSIS}{path[head + 1 - room :]}"
    )


def _label(weight: Weight) -> str:
    """Name a kernel by its layer, as most layers have one."""
    return weight.path.removesuffix("/kernel")


def _ladder(kernels: Sequence[Kernel]) -> Plot | None:
    """Strengths along the depth: rungs that are missing show."""
    columns = [Column(w.path, _label(w), tuple(_strengths(w))) for _, w in kernels]
    rungs = [v.value for column in columns for v in column.values if not v.kind.strip]
    if not columns:
        return None
    return plot(columns, log_scale(rungs, spelling.number) if rungs else None)


def _strengths(weight: Weight) -> Iterable[Value]:
    regularizer = weight.regularizer
    if not weight.regularizer_known:
        return [Value(_OTHER, 0.0, "its regularizer is not known")]
    if regularizer is None:
        return [Value(_NONE, 0.0, "no regularizer")]
    text = f"{spelling.regularizer(regularizer)}, {spelling.status_of(weight)}"
    if regularizer.l1 is None or regularizer.l2 is None:
        return [Value(_OTHER, 0.0, text)]
    if not all(s == 0 or drawable(s) for s in (regularizer.l1, regularizer.l2)):
        return [Value(_OTHER, 0.0, text)]
    active = regularizer.status is Status.IN_FORCE
    found = []
    if regularizer.l2 > 0:
        found.append(Value(_L2 if active else _IDLE_L2, regularizer.l2, text))
    if regularizer.l1 > 0:
        found.append(Value(_L1 if active else _IDLE_L1, regularizer.l1, text))
    return found or [Value(_NONE, 0.0, text)]


def _growth(report: Report, kernels: Sequence[Kernel]) -> Plot | None:
    """Root mean squares today against those that the initializers gave, along the depth."""
    columns, ratios = [], []
    for layer, weight in kernels:
        ratio = growth(layer, weight, report.moments.get(weight.stored_path))
        value = Value(_UNKNOWN, 0.0, "initial size not known")
        if ratio is not None:
            value = Value(_GROWTH, ratio, f"{times(ratio)} its initial size")
            ratios.append(ratio)
        columns.append(Column(weight.path, _label(weight), (value,)))
    return plot(columns, log_scale(ratios, times, 1.0)) if ratios else None


def growth(layer: Layer, weight: Weight, measured: Moments | None) -> float | None:
    """Return the root mean square of a weight in units of what its initializer gives."""
    initial = Initial.of(layer, weight)
    if initial is None or measured is None or not measured.l2_norm or not weight.size:
        return None
    ratio = measured.l2_norm / (initial.norm(weight.size) or inf)
    return ratio if drawable(ratio) else None


def times(ratio: float | None) -> str:
    """Format a ratio, as a multiple."""
    return spelling.MISSING if ratio is None else f"{ratio:.3g}x"


def _emptiness(report: Report, kernels: Sequence[Kernel]) -> Plot | None:
    """Shares of exact zeros and of dead units along the depth; None where there are none."""
    columns, shares = [], []
    for _, weight in kernels:
        measured = report.moments.get(weight.stored_path)
        values = []
        if measured and measured.sparsity is not None:
            text = f"{spelling.percent(measured.sparsity)} exact zeros"
            values.append(Value(_ZEROS, measured.sparsity, text))
        if measured and measured.units and measured.dead_units is not None:
            share = measured.dead_units / measured.units
            text = f"{measured.dead_units:,} of {measured.units:,} units dead"
            values.append(Value(_DEAD, share, text))
        shares += [value.value for value in values]
        columns.append(Column(weight.path, _label(weight), tuple(values)))
    return plot(columns, linear_scale(shares, tick)) if any(shares) else None


def tick(share: float) -> str:
    """Format a share at the axis: two small ones must not look the same."""
    return f"{100 * share:.3g}%"
