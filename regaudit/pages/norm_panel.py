"""The norms of a kernel's units, the largest first, dead ones set apart."""

from collections.abc import Sequence

from regaudit.measures.moments import Moments
from regaudit.measures.unit_norms import ranks
from regaudit.pages.chart_geometry import LEFT, RIGHT, Tick, drawable, linear_scale
from regaudit.pages.charts import BLUE, ORANGE
from regaudit.pages.panel import Panel, Shape, across, labels, line, steps
from regaudit.report import spelling

TITLE = "Norms of its units"


def norm_panel(sides: Sequence[Moments]) -> Panel | None:
    """Return the norms of a weight's units, or before and after; None where there are none."""
    known = [one for one in sides if one.unit_norms and one.units]
    if len(known) < len(sides) or not any(drawable(one.unit_norms[0]) for one in known):
        return None
    new = known[-1]
    units = max(one.units or 0 for one in known)
    top = max(max(one.unit_norms) for one in known)
    scale = linear_scale([top], lambda value: spelling.number(value, 3))
    wide = len(new.unit_norms)
    shapes = [Shape(steps([scale.place(norm) for norm in new.unit_norms]), BLUE)]
    if len(known) == 2:
        old = known[0]
        places = [
            (wide * (rank + 0.5) / units, scale.place(norm))
            for rank, norm in zip(ranks(old.units or 0), old.unit_norms, strict=True)
        ]
        shapes.append(Shape(line(places), ORANGE, line=True))
    living = (new.units or 0) - (new.dead_units or 0)
    hatched = None
    if new.dead_units:
        left = LEFT + (RIGHT - LEFT) * living / units
        hatched = (f"{left:.4g}", f"{(RIGHT - LEFT) * new.dead_units / units:.4g}")
    return Panel(
        TITLE,
        _in_words(new),
        _caption(known),
        tuple(shapes),
        wide,
        labels([text for _, text in scale.ticks]),
        (Tick(across(0), "largest"), Tick(across(1), "smallest" if units > 1 else "", "end")),
        hatched=hatched,
    )


def _caption(sides: Sequence[Moments]) -> str:
    new = sides[-1]
    dead = f"{new.dead_units:,}" if new.dead_units else "none"
    found = f"{spelling.count(new.units or 0, 'unit')}, {dead} dead."
    return f"{found} Area: in the new file; line: in the old one." if len(sides) == 2 else found


def _in_words(one: Moments) -> str:
    norms = one.unit_norms
    told = (norms[0], norms[len(norms) // 2], norms[-1])
    largest, middle, smallest = (spelling.number(norm, 3) for norm in told)
    return (
        f"largest {largest}, middle {middle}, smallest {smallest}; "
        f"{one.dead_units or 0:,} of {one.units or 0:,} dead"
    )
