"""The histogram of a kernel's values, and what its initializer drew them from."""

from collections.abc import Sequence
from math import ldexp, sqrt

from msgspec import Struct

from regaudit.evidence.initial_density import Density
from regaudit.measures.histogram import Histogram
from regaudit.measures.moments import Moments
from regaudit.pages.chart_geometry import Tick, drawable
from regaudit.pages.charts import BLUE, ORANGE
from regaudit.pages.panel import (
    DASHED,
    INK,
    Panel,
    Shape,
    across,
    count_axis,
    line,
    round_ticks,
    steps,
)
from regaudit.report import spelling

TITLE = "Values"

WIDER = 3.0
"""How many times as wide as the values the axis may be to show where they came from."""

HIGHER = 1.5
"""The same of its height."""

FEWEST = 8
"""Bins, however few values there are; otherwise two for each root of their number."""

_POINTS = 24
"""Of half a curve."""

_FAR = 9_999.0
"""Bins."""

_MARGIN = 2
"""Bins left free at the ends."""


class _Axis(Struct, frozen=True):
    """Bins across."""

    first: int
    bins: int
    width: float

    def place(self, value: float) -> float:
        """Where a value is, in bins from the left end; what is far off is a little less so."""
        return min(max(value / self.width, -_FAR), _FAR) - self.first


def value_panel(sides: Sequence[Moments], drawn: Density | str) -> Panel | None:
    """Return the histogram of a weight, or of it before and after.

    Args:
        sides: one, or the old and the new one.
        drawn: from what its initializer drew the values, or why that is not shown.
    """
    counted = [(one, one.histogram) for one in sides if one.histogram is not None]
    if not counted or len(counted) < len(sides):
        return None
    remarks = _remarks([one for one, _ in counted], drawn)
    if not any(found.counts for _, found in counted):
        return Panel(TITLE, "", " ".join(("It has no value but zero.", *remarks)))
    exponent = max(_readable(one, found) for one, found in counted if found.counts)
    found = [(one.coarser(exponent), one) for _, one in counted]
    if not all(drawable(one.width) for one, _ in found if one.counts):
        return Panel(TITLE, "", "Its values are too large or too small for an axis.")
    density = drawn if isinstance(drawn, Density) else None
    axis = _axis([one for one, _ in found], density)
    most = max(max(one.counts, default=0) for one, _ in found)
    values = counted[-1][0].size
    peak = density.at(density.center) * axis.width * values if density else 0.0
    top, rows = count_axis(min(max(most, peak), HIGHER * most))
    shapes = [
        _shape(one, axis, top, old=len(found) == 2 and number == 0)
        for number, (one, _) in enumerate(found)
    ]
    shapes.sort(key=lambda shape: shape.line)
    if density:
        shapes.append(Shape(_curve(density, axis, values / top), INK, line=True, dashes=DASHED))
        if peak > top:
            remarks = (*remarks, "The axis ends below the top of that line.")
    low, high = axis.first * axis.width, (axis.first + axis.bins) * axis.width
    ticks = [
        Tick(across(axis.place(value) / axis.bins), spelling.number(value, 3), "middle")
        for value in round_ticks(low, high)
    ]
    return Panel(
        TITLE,
        _in_words(found[-1][0]),
        " ".join((_lead(sides), *remarks)),
        tuple(shapes),
        axis.bins,
        rows,
        tuple(ticks),
        across(axis.place(0.0) / axis.bins) if low <= 0 <= high else "",
    )


def _readable(one: Moments, found: Histogram) -> int:
    """Return the exponent of bins that are few enough for so few values."""
    exponent = found.exponent
    while len(found.coarser(exponent).counts) > max(FEWEST, 2 * sqrt(one.size)):
        exponent += 1
    return exponent


def _axis(found: Sequence[Histogram], density: Density | None) -> _Axis:
    shown = [one for one in found if one.counts]
    width = ldexp(1.0, max(one.exponent for one in shown))
    first = min(one.first for one in shown)
    last = max(one.first + len(one.counts) for one in shown)
    if density:
        room = round((last - first) * (WIDER - 1) / 2)
        ends = (density.center - density.reach) / width, (density.center + density.reach) / width
        left, right = (round(min(max(end, -_FAR), _FAR)) for end in ends)
        first, last = max(min(first, left), first - room), min(max(last, right), last + room)
    return _Axis(first - _MARGIN, last - first + 2 * _MARGIN, width)


def _shape(found: Histogram, axis: _Axis, top: float, *, old: bool) -> Shape:
    heights = [0.0] * axis.bins
    begin = found.first - axis.first
    heights[begin : begin + len(found.counts)] = [count / top for count in found.counts]
    return Shape(steps(heights), ORANGE if old else BLUE, line=old)


def _curve(density: Density, axis: _Axis, scale: float) -> str:
    """Return how many values the initializer drew in each bin, as a line."""

    def place(value: float) -> tuple[float, float]:
        height = min(density.at(value) * axis.width * scale, 2.0)
        return axis.place(value), height

    left, right = density.center - density.reach, density.center + density.reach
    if density.shape == "uniform":
        inner = (place(density.center)[1],) * 2
        ends = (axis.place(left), axis.place(right))
        return line([(ends[0], 0), (ends[0], inner[0]), (ends[1], inner[1]), (ends[1], 0)])
    step = density.reach / _POINTS
    points = [place(density.center + step * n) for n in range(-_POINTS, _POINTS + 1)]
    return line([(axis.place(left), 0.0), *points, (axis.place(right), 0.0)])


def _lead(sides: Sequence[Moments]) -> str:
    if len(sides) == 2:
        return "Bars: in the new file; line: in the old one."
    return f"Bars: its {spelling.count(sides[0].size, 'value')} today."


def _remarks(sides: Sequence[Moments], drawn: Density | str) -> tuple[str, ...]:
    found = []
    new = sides[-1]
    if new.zeros:
        found.append(f"{spelling.count(new.zeros, 'exact zero')} left out.")
    if new.nonfinite:
        found.append(f"{new.nonfinite:,} not finite.")
    beyond = new.histogram.below + new.histogram.above if new.histogram else 0
    if beyond:
        found.append(f"{spelling.count(beyond, 'value')} beyond the axis.")
    if isinstance(drawn, Density):
        found.append(f"Dashed: as {drawn.initializer} drew them.")
    else:
        found.append(drawn)
    return tuple(found)


def _in_words(found: Histogram) -> str:
    if not found.counts:
        return ""
    mode = max(range(len(found.counts)), key=found.counts.__getitem__)
    low, high = (found.first + mode) * found.width, (found.first + mode + 1) * found.width
    ends = found.first * found.width, (found.first + len(found.counts)) * found.width
    of, to = (spelling.number(end, 3) for end in ends)
    return (
        f"{of} to {to}, most ({found.counts[mode]:,}) between {spelling.number(low, 3)} and "
        f"{spelling.number(high, 3)}"
    )
