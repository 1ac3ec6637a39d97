"""The charts of a comparison: where along the depth strengths, norms and zeros moved."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from regaudit.changes.compare import Changes, Shift, WeightChange
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Regularizer
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
from regaudit.pages.charts import BLUE, GREY, ORANGE, RED, tick, times
from regaudit.report import spelling
from regaudit.report.view import View

_L2 = (Kind("L2, old", "ring", BLUE), Kind("L2, new", "circle", BLUE))
_L1 = (Kind("L1, old", "open-triangle", ORANGE), Kind("L1, new", "triangle", ORANGE))
_NONE = (
    Kind("none, old", "cross", GREY, strip=True),
    Kind("none, new", "cross", RED, strip=True),
)
_ZEROS = (Kind("exact zeros, old", "ring", BLUE), Kind("exact zeros, new", "circle", BLUE))
_DEAD = (
    Kind("dead units, old", "open-triangle", ORANGE),
    Kind("dead units, new", "triangle", ORANGE),
)
_RATIO = Kind("new L2 norm against the old", "circle", BLUE)
NORMS = (
    "L2 norm of each kernel in units of its old norm, from the model's first kernel on the left to "
    "its last on the right. On the dashed line nothing changed."
)
"""What the chart of norms shows."""

_ALONE = Kind("not in both", "cross", GREY, strip=True)


class ChangesCharts(Struct, frozen=True):
    """The charts of a comparison; None where nothing of the kind moved."""

    strengths: Plot | None
    norms: Plot | None
    emptiness: Plot | None


def changes_charts(changes: Changes, view: View) -> ChangesCharts:
    """Return the charts of the kernels that are shown, in the order of the new model."""
    kernels = [
        one
        for one in changes.weights
        if (weight := one.new or one.old)
        and weight.role in KERNEL_ROLES
        and weight.shared_with is None
        and view.shows(one.path, one.path.rpartition("/")[0])
    ]
    return ChangesCharts(
        strengths=_strengths(kernels) if changes.regularizers else None,
        norms=_norms(kernels),
        emptiness=_emptiness(kernels),
    )


def _column(change: WeightChange, values: Sequence[Value]) -> Column:
    return Column(change.path, change.path.removesuffix("/kernel"), tuple(values))


def _strengths(kernels: Sequence[WeightChange]) -> Plot | None:
    columns = [_column(one, list(_strength_values(one))) for one in kernels]
    rungs = [v.value for column in columns for v in column.values if not v.kind.strip]
    if not columns:
        return None
    return plot(columns, log_scale(rungs, spelling.number) if rungs else None)


def _strength_values(change: WeightChange) -> Iterator[Value]:
    for side, weight in enumerate((change.old, change.new)):
        if weight is not None:
            yield from _of_side(weight.regularizer, side)


def _of_side(regularizer: Regularizer | None, side: int) -> Iterator[Value]:
    when = ("old", "new")[side]
    text = f"{spelling.regularizer(regularizer) if regularizer else 'no regularizer'} ({when})"
    l2, l1 = (regularizer.l2, regularizer.l1) if regularizer else (None, None)
    drawn = False
    for kinds, strength in ((_L2, l2), (_L1, l1)):
        if strength is not None and drawable(strength):
            drawn = True
            yield Value(kinds[side], strength, text)
    if not drawn:
        yield Value(_NONE[side], 0.0, text)


def _norms(kernels: Sequence[WeightChange]) -> Plot | None:
    columns, ratios = [], []
    for one in kernels:
        shift = one.numbers["l2_norm"]
        value = Value(_ALONE, 0.0, "no norm in one of the two files")
        if shift.old and shift.new and drawable(ratio := shift.new / shift.old):
            ratios.append(ratio)
            value = Value(_RATIO, ratio, f"{times(ratio)} its old norm")
        columns.append(_column(one, [value]))
    if all(ratio == 1 for ratio in ratios):
        return None
    return plot(columns, log_scale(ratios, times, 1.0))


def _emptiness(kernels: Sequence[WeightChange]) -> Plot | None:
    columns = [_column(one, list(_empty_values(one))) for one in kernels]
    shares = [value.value for column in columns for value in column.values]
    moved = any(_moved(one.numbers[name]) for one in kernels for name in ("sparsity", "dead_units"))
    return plot(columns, linear_scale(shares, tick)) if moved else None


def _moved(shift: Shift) -> bool:
    return (shift.old or 0.0) != (shift.new or 0.0)


def _empty_values(change: WeightChange) -> Iterator[Value]:
    for side, weight in enumerate((change.old, change.new)):
        when = ("old", "new")[side]
        zeros = change.numbers["sparsity"][side]
        if zeros is not None:
            yield Value(_ZEROS[side], zeros, f"{spelling.percent(zeros)} exact zeros ({when})")
        dead = change.numbers["dead_units"][side]
        if dead is not None and weight and weight.units and weight.units.units:
            share = dead / weight.units.units
            yield Value(_DEAD[side], share, f"{dead:,.0f} units dead ({when})")
