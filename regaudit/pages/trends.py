"""How one model changed over several checkpoints of it."""

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from math import hypot, isfinite, log

from msgspec import Struct

from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.measures.moments import Moments
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
from regaudit.pages.charts import BLUE, GREEN, GREY, ORANGE, RED
from regaudit.report import spelling
from regaudit.report.report import Report
from regaudit.storage.container_names import short_name

LINES = 6
"""Kernels with a line of their own, those whose norm changed most."""

CELLS = 50_000
"""Norms in the table of all kernels; of more there is none."""

_NUMBER_AT_END = re.compile(r"\d+$")

_LOOKS = (
    ("circle", BLUE),
    ("open-triangle", ORANGE),
    ("square", GREEN),
    ("ring", RED),
    ("triangle", GREY),
    ("cross", BLUE),
)


class Checkpoint(Struct, frozen=True):
    """One state of a model, in what trends need of it: reports of a long run do not fit memory."""

    file: str
    penalty: float | None
    kernels: tuple[str, ...]
    """Their paths; empty where no values were read."""
    norms: tuple[float | None, ...]
    """L2 norm of each."""
    zeros: int
    values: int
    dead: int
    units: int

    @property
    def norm(self) -> float | None:
        """L2 norm of all kernels together."""
        return hypot(*(one or 0.0 for one in self.norms)) if self.norms else None

    @property
    def sparsity(self) -> float | None:
        """Share of exact zeros; None where no values were read."""
        return self.zeros / self.values if self.values else None


class Trends(Struct, frozen=True):
    """How a model changed, from its first state on the left to its last on the right."""

    penalty: Plot | None
    norms: Plot | None
    emptiness: Plot | None
    kernels: int
    files: tuple[str, ...]
    """What each state is called where there is little room."""
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Path of each kernel with its L2 norm in each state; empty where these are too many."""


def checkpoint(report: Report) -> Checkpoint | None:
    """Return what trends need of a report; None of one on a file that could not be audited."""
    if report.model is None:
        return None
    kernels = _measured_kernels(report)
    return Checkpoint(
        file=report.file,
        penalty=report.told_penalty,
        kernels=tuple(kernels),
        norms=tuple(one.l2_norm for one in kernels.values()),
        zeros=sum(one.zeros for one in kernels.values()),
        values=sum(one.size for one in kernels.values()),
        dead=sum(one.dead_units or 0 for one in kernels.values()),
        units=sum(one.units or 0 for one in kernels.values()),
    )


def trends(states: Sequence[Checkpoint]) -> Trends | None:
    """Return how a model changed; None unless all of several states have the same kernels."""
    if len(states) < 2 or not states[0].kernels:
        return None
    paths = states[0].kernels
    if any(set(one.kernels) != set(paths) for one in states):
        return None
    by_path = [dict(zip(one.kernels, one.norms, strict=True)) for one in states]
    norms = {path: [one[path] for one in by_path] for path in paths}
    penalties = [one.penalty for one in states]
    zeros = [one.sparsity for one in states]
    dead = [one.dead / one.units if one.units else None for one in states]
    short = differing([short_name(one.file) for one in states])
    places = list(zip([one.file for one in states], short, strict=True))
    few = len(paths) * len(states) <= CELLS
    return Trends(
        penalty=lines(places, {"total penalty": penalties}, spelling.number)
        if any(penalties)
        else None,
        norms=lines(places, _most_changed(norms), spelling.number, log_axis=True),
        emptiness=lines(places, {"exact zeros": zeros, "dead units": dead}, spelling.percent)
        if any(zeros) or any(dead)
        else None,
        kernels=len(paths),
        files=tuple(short),
        rows=tuple((path, tuple(map(spelling.number, each))) for path, each in norms.items())
        if few
        else (),
    )


def differing(names: Sequence[str]) -> list[str]:
    """Return of each name the part in which they differ; the names where too little is left.

    A number is never cut: of `epoch-08.keras` and `epoch-12.keras` these are `08` and `12`.
    """
    before = _shared(names)
    ends = [name[len(before) :][::-1] for name in names]
    after = _shared(ends)
    cut = [end[len(after) :][::-1] for end in ends]
    return cut if all(cut) else list(names)


def _shared(names: Sequence[str]) -> str:
    """Return how all names begin, up to a number in which they differ."""
    first, last = min(names), max(names)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return _NUMBER_AT_END.sub("", "".join(one for one, _ in same))


def _measured_kernels(report: Report) -> dict[str, Moments]:
    """Return what is known of the values of each kernel, shared ones once, by path."""
    return {
        weight.path: report.moments[weight.stored_path]
        for _, weight in (report.model.weights() if report.model else ())
        if weight.role in KERNEL_ROLES
        and weight.shared_with is None
        and weight.stored_path in report.moments
    }


def _most_changed(norms: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Return the kernels whose norm changed most, by ratio."""

    def change(path: str) -> float:
        known = [norm for norm in norms[path] if norm and norm > 0]
        return log(max(known)) - log(min(known)) if known else 0.0

    chosen = set(sorted(norms, key=lambda path: -change(path))[:LINES])
    return {path: each for path, each in norms.items() if path in chosen}


def lines(
    places: Sequence[tuple[str, str]],
    series: dict[str, list[float | None]],
    spell: Callable[[float], str],
    *,
    log_axis: bool = False,
) -> Plot | None:
    """Draw each series as a line; None where there is nothing to draw.

    Args:
        places: name of each point along the axis, and a shorter one.
        series: values at these places, by name.
        spell: how a value is written.
        log_axis: whether the axis is logarithmic, without zeros.
    """
    kinds = {name: Kind(name, *look) for name, look in zip(series, _LOOKS, strict=False)}
    columns = [
        Column(
            *place,
            tuple(
                Value(kinds[name], value, f"{name} {spell(value)}")
                for name, values in series.items()
                if (value := values[number]) is not None
                and (drawable(value) if log_axis else isfinite(value))
            ),
        )
        for number, place in enumerate(places)
    ]
    values = [value.value for column in columns for value in column.values]
    if not values:
        return None
    scale = log_scale(values, spell) if log_axis else linear_scale(values, spell)
    return plot(columns, scale, joined=True)
