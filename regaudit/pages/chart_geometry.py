"""Geometry of charts: values to places on a page.

Across, places are percent, so that text keeps its size at any width; down, they are pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from statistics import median

from msgspec import Struct

LEFT, RIGHT = 15.0, 98.0
"""Percent across at which marks begin and end; tick labels stand to their left."""

HEIGHT = 168
"""Pixels of the part with an axis."""

STRIP = 24
"""Pixels of a strip for what has no value."""

MARGIN = 12
"""Pixels above the axis."""

COLUMNS = 100
"""Columns side by side; more than that share ..."""

SHARED = 60
"""... this many places at most."""

NARROW, LETTER = 280, 7.0
"""Pixels of a chart on a telephone, and of a letter below it."""

NAMES, LETTERS = 12, 14
"""Names below a chart at most, and the letters of one that are shown."""


class Kind(Struct, frozen=True):
    """What marks of one sort mean, and how they look: the shape says as much as the colour."""

    name: str
    shape: str
    """`circle`, `ring`, `triangle`, `open-triangle`, `square`, `open-square`, `diamond`,
    `open-diamond` or `cross`; `halo` around another, `dash` and `bar` for a line."""
    color: str
    strip: bool = False
    """Whether it stands for the lack of a value, in a strip of its own below the axis."""


class Value(Struct, frozen=True):
    """One value to show."""

    kind: Kind
    value: float
    """Ignored in a strip."""
    text: str


class Column(Struct, frozen=True):
    """One place along the chart: a weight, or a checkpoint."""

    name: str
    label: str
    """Shorter, for the axis."""
    values: tuple[Value, ...]


class Mark(Struct, frozen=True):
    """A value in its place."""

    x: str
    y: str
    shape: str
    color: str
    title: str
    low: str = ""
    """With `high`, the ends of a line through all the values that share the place."""
    high: str = ""


class Line(Struct, frozen=True):
    """A line from one mark to the next of its kind."""

    x1: str
    y1: str
    x2: str
    y2: str
    color: str
    dashed: bool = False


class Tick(Struct, frozen=True):
    """A labelled place on an axis."""

    at: str
    text: str
    anchor: str = "start"
    strong: bool = False
    """Whether it is the one to compare with."""


class Plot(Struct, frozen=True):
    """A chart ready to draw."""

    height: int
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    rows: tuple[Tick, ...]
    """Down: of the axis, and of the strips."""
    columns: tuple[Tick, ...]
    """Across: names of the first, of the last and of some in between."""
    kinds: tuple[Kind, ...]
    """Those that occur."""
    together: int
    """How many columns share a place."""


class Scale(Struct, frozen=True):
    """Where a value lies on the axis: 0 at its lower end, 1 at its upper end."""

    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]
    strong: float | None = None
    """The tick to compare with."""


def drawable(value: float) -> bool:
    """Whether a logarithmic axis can show a value: anything may be in a file."""
    return 1e-300 < value < 1e300


def log_scale(
    values: Sequence[float], spell: Callable[[float], str], strong: float | None = None
) -> Scale:
    """Return a logarithmic axis for positive values, ticks at powers of ten or between."""
    inside = [*values, *([strong] if strong else [])]
    low, high = log10(min(inside)), log10(max(inside))
    steps = (1, 2, 5) if high - low < 2 else (1,)
    powers = [step * 10.0**power for power in range(floor(low), ceil(high) + 1) for step in steps]
    below = max((p for p in powers if p <= min(inside) * 1.0001), default=powers[0])
    above = min((p for p in powers if p >= max(inside) / 1.0001), default=powers[-1])
    if below == above:
        below, above = below / 10, above * 10
        powers = [below, below * 10, above]
    ticks = [power for power in powers if below <= power <= above]
    while len(ticks) > 8:
        ticks = ticks[::2]
    bottom, span = log10(below), log10(above) - log10(below)
    return Scale(
        lambda value: (log10(value) - bottom) / span,
        tuple((tick, spell(tick)) for tick in ticks),
        strong,
    )


def linear_scale(values: Sequence[float], spell: Callable[[float], str]) -> Scale:
    """Return an axis from zero to a round number above all values."""
    top = max(*values, 0.0) if values else 1.0
    top = min(max(top, 1e-299), 1e299) if top else 1.0
    power = 10.0 ** floor(log10(top))
    top = next(step * power for step in (1, 2, 3, 4, 6, 8, 10) if step * power >= top * 0.9999)
    ticks = (0.0, top / 2, top)
    return Scale(
        lambda value: min(max(value / top, 0.0), 1.0), tuple((tick, spell(tick)) for tick in ticks)
    )


def plot(columns: Sequence[Column], scale: Scale | None, *, joined: bool = False) -> Plot:
    """Place values on a chart.

    Args:
        columns: from left to right. More than `COLUMNS` share places: a mark at their median, a
            line from their least to their largest value.
        scale: of the axis; None where there are strips alone.
        joined: whether lines join the marks of a kind.
    """
    kinds = tuple(dict.fromkeys(value.kind for column in columns for value in column.values))
    axis = HEIGHT if scale else 0
    strips = {kind: n for n, kind in enumerate(kind for kind in kinds if kind.strip)}

    def down(value: Value) -> float:
        if value.kind in strips or scale is None:
            return MARGIN + axis + STRIP * (strips.get(value.kind, 0) + 0.5)
        return MARGIN + (axis - MARGIN) * (1 - scale.place(value.value))

    together = 1 if len(columns) <= COLUMNS else -(-len(columns) // SHARED)
    groups = [columns[at : at + together] for at in range(0, len(columns), together)]
    across = [_across(n, len(groups)) for n in range(len(groups))]
    marks = {
        kind: [
            mark
            for x, group in zip(across, groups, strict=True)
            if (mark := _mark(x, group, kind, down))
        ]
        for kind in kinds
    }
    lines = [
        Line(one.x, one.y, other.x, other.y, kind.color)
        for kind in kinds
        if joined
        for one, other in zip(marks[kind], marks[kind][1:], strict=False)
    ]
    return Plot(
        height=MARGIN + axis + STRIP * len(strips) + MARGIN,
        marks=tuple(mark for kind in kinds for mark in marks[kind]),
        lines=tuple(lines),
        rows=tuple(_rows(scale, strips, axis)),
        columns=_names(groups),
        kinds=kinds,
        together=together,
    )


def _across(number: int, count: int) -> float:
    return LEFT + (RIGHT - LEFT) * ((number + 0.5) / count)


def _mark(
    x: float, group: Sequence[Column], kind: Kind, down: Callable[[Value], float]
) -> Mark | None:
    found = [(column, value) for column in group for value in column.values if value.kind == kind]
    if not found:
        return None
    ranked = sorted(found, key=lambda pair: pair[1].value)
    places = [down(value) for _, value in ranked]
    middle = median(places)
    column, value = ranked[0]
    title = f"{column.name}: {value.text}"
    if len(group) > 1:
        spread = f"{value.text} to {ranked[-1][1].text}" if value.text != ranked[-1][1].text else ""
        title = (
            f"{group[0].name} to {group[-1].name}: {spread or value.text} "
            f"in {len(found)} of {len(group)}"
        )
    spans = len(found) > 1 and max(places) - min(places) > 1
    return Mark(
        x=f"{x:.1f}",
        y=f"{middle:.1f}",
        shape=kind.shape,
        color=kind.color,
        title=title,
        low=f"{max(places):.1f}" if spans else "",
        high=f"{min(places):.1f}" if spans else "",
    )


def _rows(scale: Scale | None, strips: Mapping[Kind, int], axis: int) -> list[Tick]:
    rows = []
    if scale:
        for value, text in scale.ticks:
            y = MARGIN + (axis - MARGIN) * (1 - scale.place(value))
            rows.append(Tick(f"{y:.1f}", text, strong=value == scale.strong))
    for kind, number in strips.items():
        rows.append(Tick(f"{MARGIN + axis + STRIP * (number + 0.5):.1f}", kind.name))
    return rows


def _names(groups: Sequence[Sequence[Column]]) -> tuple[Tick, ...]:
    """Return the names of the first place and the last, and of every second or third between them.

    As many are returned as have room on a telephone.
    """
    last = len(groups) - 1
    for step in range(-(-len(groups) // NAMES) or 1, last):
        ticks = [_name(groups, n) for n in (*range(0, last - step // 2, step), last)]
        ends = map(_ends, ticks)
        if all(one[1] + LETTER / 2 < other[0] for one, other in pairwise(ends)):
            return tuple(ticks)
    return tuple(_name(groups, n) for n in sorted({0, last} if groups else ()))


def _name(groups: Sequence[Sequence[Column]], n: int) -> Tick:
    """Return the name of a place: below its middle, unless it would leave the chart there."""
    name = groups[n][-1 if n and n == len(groups) - 1 else 0].label
    at = f"{_across(n, len(groups)):.2f}"
    left, right = _ends(Tick(at, name, "middle"))
    anchor = "start" if left < 0 else "end" if right > NARROW else "middle"
    return Tick(at, name, anchor)


def _ends(tick: Tick) -> tuple[float, float]:
    """Return where a name begins and ends on a telephone, in pixels."""
    at = float(tick.at) / 100 * NARROW
    wide = min(len(tick.text), LETTERS) * LETTER
    before = {"start": 0.0, "middle": wide / 2, "end": wide}[tick.anchor]
    return at - before, at - before + wide
