"""How one model changed over several checkpoints of it."""

from collections.abc import Callable, Sequence
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
from regaudit.report import sentences, spelling
from regaudit.report.report import Report
from regaudit.storage.container_names import short_name

LINES = 6
"""Kernels with a line of their own, those whose norm changed most."""

_LOOKS = (
    ("circle", BLUE),
    ("open-triangle", ORANGE),
    ("square", GREEN),
    ("ring", RED),
    ("triangle", GREY),
    ("cross", BLUE),
)


class TrendPoint(Struct, frozen=True):
    """One file of the series, in numbers."""

    file: str
    findings: str
    penalty: str
    norm: str
    sparsity: str
    dead: str


class Trends(Struct, frozen=True):
    """A series of checkpoints, in the order given."""

    checkpoints: tuple[TrendPoint, ...]
    unread: int
    """Files that could not be audited."""
    penalty: Plot | None
    norms: Plot | None
    emptiness: Plot | None
    kernels: int
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Path of each kernel with its L2 norm in each checkpoint."""


def trends(reports: Sequence[Report]) -> Trends | None:
    """Return how a model changed; None unless all files that were read have the same kernels."""
    read = [report for report in reports if report.model is not None]
    kernels = [measured_kernels(report) for report in read]
    if len(read) < 2 or not kernels[0] or any(set(k) != set(kernels[0]) for k in kernels):
        return None
    norms = {path: [one[path].l2_norm for one in kernels] for path in kernels[0]}
    penalties = [report.told_penalty for report in read]
    zeros = [sum(m.zeros for m in one.values()) / _size(one) for one in kernels]
    dead = [sum(m.dead_units or 0 for m in one.values()) for one in kernels]
    units = sum(m.units or 0 for m in kernels[0].values()) or 1
    places = [(report.file, short_name(report.file)) for report in read]
    return Trends(
        unread=len(reports) - len(read),
        checkpoints=tuple(map(checkpoint, read)),
        penalty=lines(places, {"total penalty": penalties}, spelling.number)
        if any(penalties)
        else None,
        norms=lines(places, _most_changed(norms), spelling.number, log_axis=True),
        emptiness=lines(
            places,
            {"exact zeros": zeros, "dead units": [n / units for n in dead]},
            spelling.percent,
        )
        if any(zeros) or any(dead)
        else None,
        kernels=len(norms),
        rows=tuple(
            (path, tuple(spelling.number(norm) for norm in each)) for path, each in norms.items()
        ),
    )


def checkpoint(report: Report) -> TrendPoint:
    """Return one file of a series, in numbers."""
    kernels = measured_kernels(report)
    dead = sum(m.dead_units or 0 for m in kernels.values())
    units = sum(m.units or 0 for m in kernels.values()) or 1
    return TrendPoint(
        file=report.file,
        findings=sentences.verdict(report),
        penalty=spelling.number(report.told_penalty),
        norm=spelling.number(norm_of(kernels)),
        sparsity=spelling.percent(sum(m.zeros for m in kernels.values()) / _size(kernels)),
        dead=f"{dead:,} of {units:,}",
    )


def measured_kernels(report: Report) -> dict[str, Moments]:
    """Return what is known of the values of each kernel, shared ones once, by path."""
    return {
        weight.path: report.moments[weight.stored_path]
        for _, weight in (report.model.weights() if report.model else ())
        if weight.role in KERNEL_ROLES
        and weight.shared_with is None
        and weight.stored_path in report.moments
    }


def _size(kernels: dict[str, Moments]) -> int:
    return sum(one.size for one in kernels.values()) or 1


def norm_of(kernels: dict[str, Moments]) -> float:
    """Return the L2 norm of all kernels together."""
    return hypot(*(one.l2_norm or 0.0 for one in kernels.values()))


def _most_changed(norms: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Return the kernels whose norm changed most, by ratio."""

    def change(path: str) -> float:
        known = [norm for norm in norms[path] if norm and norm > 0]
        return log(max(known)) - log(min(known)) if known else 0.0

    chosen = set(sorted(norms, key=lambda path: -change(path))[:LINES])
    return {path: each for path, each in norms.items() if path in chosen}


def lines(
    places: Sequence[tuple[str, str]],
    series: dict[str, list[float]] | dict[str, list[float | None]],
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
