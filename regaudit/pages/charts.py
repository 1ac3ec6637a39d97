"""The charts of a report: what lies on each axis, and what each mark means."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import inf, ldexp, log10
from sys import float_info

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

HISTOGRAMS = 200
"""Weights with a histogram, the largest."""

BINADES = 40
"""Powers of two across a histogram; smaller values are counted in the first."""

TALL = 40
"""Pixels of the highest bar of a histogram."""

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


class Histogram(Struct, frozen=True):
    """How the values of one weight are spread over the powers of two."""

    path: str
    outline: str
    """SVG path in a box `Histograms.bins` wide and `TALL` high."""
    text: str
    """The same in words."""


class Histograms(Struct, frozen=True):
    """Histograms on one pair of axes, in the order of the file."""

    each: tuple[Histogram, ...]
    bins: int
    """Powers of two across."""
    more: int
    """Smaller kernels, for which there was no room."""
    low: str
    high: str
    """Ends of the axis across, in units of the weights."""
    most: str
    """Count at the upper end of the axis."""


class Charts(Struct, frozen=True):
    """All charts of one report; None where there is nothing to draw."""

    shares: Bars
    ladder: Plot | None
    growth: Plot | None
    emptiness: Plot | None
    histograms: Histograms | None
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
        histograms=_histograms(report, kernels),
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
    return plot(columns, linear_scale(shares, spelling.percent)) if any(shares) else None


def _histograms(report: Report, kernels: Sequence[Kernel]) -> Histograms | None:
    counted = [
        (weight, measured.magnitudes, measured.zeros)
        for _, weight in kernels
        if (measured := report.moments.get(weight.stored_path)) and measured.magnitudes
    ]
    if not counted:
        return None
    largest = sorted(counted, key=lambda one: -one[0].size)[:HISTOGRAMS]
    shown = {id(weight) for weight, *_ in largest}
    top = max(e for _, magnitudes, _ in largest for e, _ in magnitudes) + 1
    start = max(top - BINADES, min(e for _, magnitudes, _ in largest for e, _ in magnitudes))
    bins = [
        (weight, _binned(magnitudes, start, top), zeros)
        for weight, magnitudes, zeros in counted
        if id(weight) in shown
    ]
    most = max(max(counts) for _, counts, _ in bins)
    return Histograms(
        each=tuple(
            Histogram(w.path, _outline(counts, most), _in_words(counts, start, zeros))
            for w, counts, zeros in bins
        ),
        bins=top - start,
        more=len(counted) - len(bins),
        low=spelling.number(_power(start), 2),
        high=spelling.number(_power(top), 2),
        most=f"{most:,}",
    )


def _binned(magnitudes: Iterable[tuple[int, int]], start: int, top: int) -> list[int]:
    counts = [0] * (top - start)
    for exponent, count in magnitudes:
        counts[max(exponent - start, 0)] += count
    return counts


def _power(exponent: int) -> float:
    """Return a power of two; the largest float64 for what lies beyond."""
    return ldexp(1.0, exponent) if exponent < float_info.max_exp else float_info.max


def _outline(counts: Sequence[int], most: int) -> str:
    """Return the tops of the bars as an SVG path, heights by the logarithm of the counts."""
    heights = [round(TALL * (1 - log10(1 + count) / log10(1 + most))) for count in counts]
    steps = (f"V{height}h{len(list(run))}" for height, run in groupby(heights))
    return f"M0 {TALL}{''.join(steps)}V{TALL}z"


def _in_words(counts: Sequence[int], start: int, zeros: int) -> str:
    mode = max(range(len(counts)), key=counts.__getitem__)
    low, high = (spelling.number(_power(start + mode + n), 2) for n in (0, 1))
    used = [n for n, count in enumerate(counts) if count]
    least, greatest = _power(start + used[0]), _power(start + used[-1] + 1)
    return (
        f"{spelling.number(least, 2)} to {spelling.number(greatest, 2)}, "
        f"most ({counts[mode]:,}) {low} to {high}; {spelling.count(zeros, 'zero')}"
    )
