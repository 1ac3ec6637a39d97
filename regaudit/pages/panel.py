"""A small chart with two axes, for what is inside one kernel.

Places across are percent, or units of a box that stretches; places down are pixels.
"""

from collections.abc import Sequence
from math import ceil, floor, log10

from msgspec import Struct

from regaudit.pages.chart_geometry import LEFT, RIGHT, Tick

TOP, TALL = 8, 100
"""Pixels above the axis, and along it; a box is as high."""

INK = "currentColor"

DASHED, DOTTED = "5 3", "1.5 2.5"

HEIGHT = TOP + TALL + 18
"""Pixels of all of it."""


class Shape(Struct, frozen=True):
    """What is drawn in the box: an area, or a line."""

    outline: str
    """SVG path."""
    color: str
    line: bool = False
    dashes: str = ""
    """SVG's pattern of a line; empty for a solid one."""


class Panel(Struct, frozen=True):
    """One chart ready to draw."""

    title: str
    text: str
    """What it shows, in words."""
    caption: str
    shapes: tuple[Shape, ...] = ()
    """None where there is nothing to draw."""
    wide: int = 1
    """Units across the box."""
    rows: tuple[Tick, ...] = ()
    columns: tuple[Tick, ...] = ()
    zero: str = ""
    """Where across zero is, in percent, if it is within the axis."""
    hatched: tuple[str, str] | None = None
    """Left end and width, in percent, of what is set apart."""


def across(share: float) -> str:
    """Return a place in percent, for a share of the axis."""
    return f"{LEFT + (RIGHT - LEFT) * share:.3g}"


def labels(texts: Sequence[str]) -> tuple[Tick, ...]:
    """Return the labels of the lowest line of the axis, of the middle one, and of the highest."""
    places = (TOP + TALL, TOP + TALL // 2, TOP)
    return tuple(
        Tick(str(place + 4), text) for place, text in zip(places, texts, strict=True) if text
    )


def steps(heights: Sequence[float]) -> str:
    """Return the area under steps one unit wide; heights are shares of the axis."""
    parts, before, run = ["M0 100"], None, 0
    for height in (*heights, None):
        place = None if height is None else round(TALL * (1 - max(0.0, min(height, 1.0))))
        if place != before:
            if run:
                parts.append(f"h{run}")
            if place is not None:
                parts.append(f"V{place}")
            before, run = place, 0
        run += 1
    return "".join((*parts, "V100z"))


def line(places: Sequence[tuple[float, float]]) -> str:
    """Return a line through places: units across, shares of the axis up."""
    found = [f"{x:.1f} {TALL * (1 - share):.0f}".replace(".0 ", " ") for x, share in places]
    return "M" + " ".join(dict.fromkeys(found))


def count_axis(most: float) -> tuple[float, tuple[Tick, ...]]:
    """Return the upper end of an axis of counts that begins at zero, and its labels."""
    power = 10.0 ** floor(log10(max(most, 1)))
    top = next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= most * 0.9999)
    return top, labels(["0", in_short(top / 2) if top > 1 else "", in_short(top)])


def in_short(count: float) -> str:
    """Format a count as an axis has room for: 5,000, 10k, 2.5M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= max(size, 1e4):
            return f"{count / size:.3g}{unit}"
    return f"{count:,g}"


def round_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, five at most, zero among them if it is there."""
    power = 10.0 ** floor(log10((high - low) / 2))
    for step in (power * size for size in (0.2, 0.25, 0.5, 1, 2, 5, 10)):
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last - first < 5:
            return [number * step for number in range(first, last + 1)]
    return [low, high]
