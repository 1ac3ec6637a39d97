"""The axis of losses in the charts of a sweep."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import TypeGuard

from regaudit.pages.chart_geometry import MARGIN, Line, Mark, Scale, Tick, log_scale
from regaudit.report import spelling

FAR = 20
"""Times the lowest loss at which the highest is too far away for a linear axis."""


def shows(loss: float | None) -> TypeGuard[float]:
    """Whether a chart can show a loss."""
    return loss is not None and abs(loss) < 1e300


def loss_scale(values: Sequence[float]) -> Scale:
    """Return an axis that begins near the lowest loss; a logarithmic one if some are far away."""
    low, high = min(values), max(values)
    if low > 1e-300 and high / low > FAR:
        scale = log_scale(values, spelling.number)
        least = scale.ticks[0][0]
        return Scale(lambda value: scale.place(max(value, least)), scale.ticks)
    span = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-300)
    power = 10.0 ** floor(log10(span / 4))
    step = next(n * power for n in (1, 2, 2.5, 5, 10) if n * power >= span / 4.001)
    first = floor(low / step)
    last = max(ceil(high / step), first + 1)
    bottom, top = first * step, last * step
    return Scale(
        lambda value: (value - bottom) / (top - bottom),
        tuple((n * step, spelling.number(n * step)) for n in range(first, last + 1)),
    )


def down(loss: float, scale: Scale, tall: int) -> float:
    """Return how far down a loss lies, in pixels; one beyond the axis lies at its end."""
    return MARGIN + (tall - MARGIN) * (1 - min(max(scale.place(loss), 0.0), 1.0))


def rows(scale: Scale, tall: int) -> list[Tick]:
    """Return the labels of the axis."""
    return [Tick(f"{down(value, scale, tall):.1f}", text) for value, text in scale.ticks]


def joined(marks: Sequence[Mark], *, dashed: bool = False) -> list[Line]:
    """Return lines from each mark to the next."""
    return [
        Line(one.x, one.y, other.x, other.y, one.color, dashed) for one, other in pairwise(marks)
    ]
