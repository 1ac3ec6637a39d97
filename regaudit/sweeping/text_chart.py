"""A chart in text: losses across, strengths down, so that it fits any terminal."""

from collections.abc import Callable
from math import log10

from regaudit.report.escape import plain
from regaudit.report.spelling import number
from regaudit.sweeping.columns import drawn, known
from regaudit.sweeping.outcome import Candidate, Sweep

LEAST = 3
"""Fewest points of a chart."""

FAR = 20
"""Times the lowest loss at which the highest is too far away for a linear axis."""

WIDEST = 60
"""Most columns of the axis."""

NAMES, NUMBERS = 24, 9
"""Columns of names at most, and of losses."""


def chart(sweep: Sweep, width: int) -> list[str]:
    """Return what the marks mean, and then a line for each candidate, by kind and strength.

    The rungs of a kind are powers of the same factor: equal steps down are a logarithmic axis.

    Returns:
        None of them where fewer than `LEAST` losses are finite.
    """
    shown = [one for one in drawn(sweep) if one.diverged or _drawable(one)]
    finite = [one for one in shown if _drawable(one)]
    if len(finite) < LEAST:
        return []
    names = [_cut(plain(one.name)) for one in shown]
    label = max(map(len, names))
    room = min(max(width - label - NUMBERS - 4, 16), WIDEST)
    place = _axis([end for one in finite for end in _span(one)], room)
    today = next((_middle(one) for one in finite if one.role == "as it is"), None)
    lines = ["Validation loss by strength: o, * chosen, --- its error, | of the saved model"]
    for name, one in zip(names, shown, strict=True):
        dots = [" "] * room
        if today is not None:
            dots[place(today)] = "|"
        if _drawable(one):
            low, high = map(place, _span(one))
            dots[low : high + 1] = "-" * (high + 1 - low)
            dots[place(_middle(one))] = "*" if one.name == sweep.chosen else "o"
        loss = number(known(one.val_loss)) if _drawable(one) else "diverged"
        lines.append(f"{name:<{label}}  {loss:>{NUMBERS}}  {''.join(dots)}".rstrip())
    return lines


def _drawable(one: Candidate) -> bool:
    loss = known(one.val_loss)
    return not one.diverged and loss is not None and abs(loss) < 1e300


def _middle(one: Candidate) -> float:
    return one.val_loss or 0.0


def _span(one: Candidate) -> tuple[float, float]:
    """Return the loss less and plus its standard error."""
    error = min(known(one.val_error) or 0.0, 1e300)
    return _middle(one) - error, _middle(one) + error


def _axis(values: list[float], room: int) -> Callable[[float], int]:
    """Return where a value lies, from 0 to `room` - 1; by its logarithm if some are far away."""
    low, high = min(values), max(values)
    if low > 0 and high / low > FAR:
        return lambda value: round((room - 1) * log10(value / low) / log10(high / low))
    return lambda value: round((room - 1) * (value - low) / ((high - low) or 1.0))


def _cut(name: str) -> str:
    return name if len(name) <= NAMES else f"{name[: NAMES - 3]}..."
