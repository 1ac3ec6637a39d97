"""How numbers, regularizers and the parts of a model are written, the same in every renderer."""

from collections.abc import Sequence
from math import isclose

from regaudit.model import Model, Optimizer, Regularizer
from regaudit.report.escape import plain

MISSING = "-"
"""Shown in place of a missing number."""


def strength(value: float) -> str:
    """Format a strength by the shortest number within 1e-6: 0.001 for 0.0010000000474974513."""
    for digits in range(1, 17):
        text = f"{value:.{digits}g}"
        if isclose(float(text), value, rel_tol=1e-6):
            return text
    return repr(value)


def regularizer(value: Regularizer | None) -> str:
    """Format a regularizer by what it does: `l2(0.01)`, also for `L1L2(0, 0.01)`."""
    if value is None:
        return MISSING
    factor = value.config.get("factor")
    if value.class_name == "OrthogonalRegularizer" and isinstance(factor, float):
        return f"orthogonal({strength(factor)}, {plain(str(value.config.get('mode')))})"
    if value.l1 is None or value.l2 is None:
        return plain(value.class_name or "?")
    if value.l1 and value.l2:
        return f"l1_l2({strength(value.l1)}, {strength(value.l2)})"
    if value.l1 or value.class_name == "L1":
        return f"l1({strength(value.l1)})"
    return f"l2({strength(value.l2)})"


def number(value: float | None, digits: int = 4) -> str:
    """Format a measured number with a few significant digits."""
    return MISSING if value is None else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """Format a share."""
    if value is None:
        return MISSING
    if value in {0.0, 1.0}:
        return f"{value:.0%}"
    return f"{value:.1%}" if value >= 0.001 else "<0.1%"


def count(value: int, noun: str, nouns: str = "") -> str:
    """Format a count: `1 layer`, `1,204 layers`."""
    return f"{value:,} {noun if value == 1 else nouns or noun + 's'}"


def parameters(model: Model) -> str:
    """Format the size of a model: `7,114 parameters (640 trainable)`."""
    return f"{count(model.parameters, 'parameter')} ({model.trainable_parameters:,} trainable)"


def file_size(size: int | None) -> str:
    """Format a number of bytes."""
    if size is None:
        return MISSING
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} B" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return MISSING


def shape(dimensions: Sequence[int]) -> str:
    """Format a shape: `3x3x64`; a scalar is `()`."""
    return "x".join(str(dimension) for dimension in dimensions) or "()"


def kind(model: Model) -> str:
    """Name the class of a model, and the model: `Sequential "classifier"`."""
    named = f'"{model.name}"' if model.name else ""
    return plain(" ".join(filter(None, (model.class_name, named)))) or "weights only"


def optimizer(value: Optimizer | None) -> str:
    """Describe the optimizer: `Adam, learning rate 0.001, no weight decay, 20 steps`."""
    if value is None:
        return "not in the file: the model was not compiled"
    rate = value.learning_rate
    decay = value.weight_decay
    parts = [
        plain(value.class_name),
        f"learning rate {rate:g}" if rate is not None else "a learning rate schedule",
        f"weight decay {decay:g}" if decay else "no weight decay",
    ]
    if value.iterations is not None:
        parts.append(count(value.iterations, "step"))
    return ", ".join(parts)
