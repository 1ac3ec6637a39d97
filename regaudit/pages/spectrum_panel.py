"""The singular values of a kernel by rank, and the power law that was fitted to their tail."""

from collections.abc import Sequence
from math import log10, sqrt

from regaudit.measures.spectrum import Spectrum
from regaudit.pages.chart_geometry import Tick, drawable
from regaudit.pages.charts import BLUE, ORANGE
from regaudit.pages.panel import DASHED, DOTTED, INK, Panel, Shape, across, labels, line
from regaudit.report import spelling

TITLE = "Singular values"

WIDE = 100
"""Units across."""


def spectrum_panel(sides: Sequence[Spectrum]) -> Panel | None:
    """Return the spectrum of a weight, or before and after; None where there is none to draw."""
    known = [one for one in sides if one.singular_values and drawable(one.spectral_norm)]
    if len(known) < len(sides) or not known or max(one.ranks[-1] for one in known) < 2:
        return None
    values = [value for one in known for value in one.singular_values if drawable(value)]
    low, high = min(values), max(values)
    last = max(one.ranks[-1] for one in known)

    def place(rank: float, value: float) -> tuple[float, float]:
        share = log10(max(value, low) / low) / log10(high / low) if high > low else 1.0
        return WIDE * log10(rank) / log10(last), share

    shapes = [
        Shape(
            line([place(*pair) for pair in zip(one.ranks, one.singular_values, strict=True)]),
            BLUE if one is known[-1] else ORANGE,
            line=True,
            dashes="" if one is known[-1] else DOTTED,
        )
        for one in known
    ]
    new = known[-1]
    fit = _fit(new)
    if fit:
        shapes.append(Shape(line([place(*end) for end in fit]), INK, line=True, dashes=DASHED))
    powers = [10**power for power in range(len(str(last)))]
    ticks = [*powers, last] if last > 3 * powers[-1] or last < 10 else [*powers[:-1], last]
    return Panel(
        TITLE,
        f"{len(new.singular_values)} of {new.ranks[-1]:,} from {spelling.number(new.spectral_norm)}"
        f" down to {spelling.number(new.singular_values[-1])}",
        _caption(known, fitted=bool(fit)),
        tuple(shapes),
        WIDE,
        labels([spelling.number(value, 3) for value in (low, sqrt(low) * sqrt(high), high)]),
        tuple(
            Tick(
                across(log10(rank) / log10(last)),
                f"{rank:,}",
                "end" if rank == last else "start" if rank == 1 else "middle",
            )
            for rank in dict.fromkeys(ticks)
        ),
    )


def _fit(one: Spectrum) -> list[tuple[float, float]]:
    """Return both ends of the fitted tail, as rank and singular value.

    Of n squared values that follow a density of x**-alpha from the smallest on, the kth largest is
    (k / n)**(-1 / (alpha - 1)) times the smallest.
    """
    if one.alpha is None or not one.alpha_tail or one.alpha_tail not in one.ranks:
        return []
    smallest = one.singular_values[one.ranks.index(one.alpha_tail)]
    largest = smallest * one.alpha_tail ** (1 / (2 * (one.alpha - 1)))
    return [(1, largest), (one.alpha_tail, smallest)] if drawable(largest) else []


def _caption(sides: Sequence[Spectrum], *, fitted: bool) -> str:
    new = sides[-1]
    found = f"{spelling.count(new.ranks[-1], 'singular value')}."
    if lost := min(new.shape) - new.ranks[-1]:
        found = f"{found[:-1]}, and {lost:,} that are zero but for rounding."
    if len(sides) == 2:
        found += " Solid: in the new file; dotted: in the old one."
    if fitted and new.alpha is not None:
        found += (
            f" Dashed: the power law fitted to the {new.alpha_tail:,} largest, "
            f"alpha {spelling.number(new.alpha, 3)}."
        )
    elif new.alpha is None:
        found += " No power law is fitted to fewer than 50."
    return found
