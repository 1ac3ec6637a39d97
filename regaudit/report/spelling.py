"""How numbers, regularizers and the parts of a model are written, the same in every renderer."""

from collections.abc import Iterator, Sequence
from math import isclose

from regaudit.measures.moments import Moments
from regaudit.model import Model, Optimizer, Part, Regularizer, Status, Weight
from regaudit.report.escape import plain

MISSING = "-"
"""Shown in place of a missing number."""

UNKNOWN = "?"
"""Shown in place of what the file does not tell."""

HUGE = 1e12
"""Numbers from here on are written with an exponent."""


def strength(value: float) -> str:
    """Format a strength by the shortest number within 1e-6: 0.001 for 0.0010000000474974513."""
    for digits in range(1, 17):
        text = f"{value:.{digits}g}"
        if isclose(float(text), value, rel_tol=1e-6):
            return f"{float(text):.0f}" if "e+" in text and abs(value) < HUGE else text
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


def penalty(value: Regularizer) -> str:
    """Name a penalty by what it does: L1 for an L1L2 without L2; Keras 2 stores no other class."""
    if value.class_name != "L1L2" or (value.l1 and value.l2):
        return plain(value.class_name)
    return "L1" if value.l1 else "L2"


def regularizer_of(weight: Weight) -> str:
    """Format the regularizer of a weight; `?` where the file does not tell it."""
    return regularizer(weight.regularizer) if weight.regularizer_known else UNKNOWN


def status_of(weight: Weight) -> str:
    """Name the status of a weight's regularizer; `by name` where custom code decides."""
    if weight.regularizer is None:
        return MISSING
    placed = weight.placed_by and weight.regularizer.status is Status.UNKNOWN
    return f"by {weight.placed_by}" if placed else str(weight.regularizer.status)


def paid(value: float | None, if_applied: float | None) -> str:
    """Format a penalty: `0.0392?` for one that is added only if custom code does so."""
    if value is None and if_applied is not None:
        return f"{number(if_applied)}{UNKNOWN}"
    return number(value)


def number(value: float | None, digits: int = 4) -> str:
    """Format a measured number with a few significant digits: 0.07, 11,930 or 2e-05."""
    if value is None:
        return MISSING
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e+" in text and abs(value) < HUGE else text


def percent(value: float | None) -> str:
    """Format a share."""
    if value is None:
        return MISSING
    if value in {0.0, 1.0}:
        return f"{value:.0%}"
    if abs(value) >= 0.001:
        return f"{value:.1%}"
    return "<0.1%" if value > 0 else ">-0.1%"


def count(value: int, noun: str, nouns: str = "") -> str:
    """Format a count: `1 layer`, `1,204 layers`."""
    return f"{value:,} {noun if value == 1 else nouns or noun + 's'}"


def units(some: int | None, moments: Moments | None, between: str = "/") -> str:
    """Format some of the units of a weight: `40/512`."""
    if some is None or moments is None or moments.units is None:
        return MISSING
    return f"{some:,}{between}{moments.units:,}"


def parameters(model: Model) -> str:
    """Format the size of a model: `7,114 parameters (640 trainable)`."""
    if model.parameters and model.unknown_parameters == model.parameters:
        return f"{count(model.parameters, 'parameter')} (not known which are trainable)"
    unknown = f", {model.unknown_parameters:,} unknown" if model.unknown_parameters else ""
    trainable = f"{model.trainable_parameters:,} trainable{unknown}"
    if not model.counted:
        least = f"at least {count(model.parameters, 'parameter')} ({trainable})"
        return least if model.parameters else "not known how many parameters"
    return f"{count(model.parameters, 'parameter')} ({trainable})"


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


def optimizer(model: Model | None) -> str:
    """Describe the optimizer: `Adam, learning rate 0.001, no weight decay, 20 steps`."""
    if model is None or model.optimizer is None:
        return _no_optimizer(model)
    found = model.optimizer
    text = ", ".join(_optimizer(found))
    if model.parts:
        listed = [
            f"{_where(part)} by {', '.join(_optimizer(part.optimizer))}" for part in model.parts
        ]
        text = f"{plain(found.class_name)}: {'; '.join(listed)}"
    return text if model.optimizer_known else f"{text}; the model has others, too"


def _no_optimizer(model: Model | None) -> str:
    """Say why there is no optimizer to describe."""
    if model is None or (not model.optimizer_known and not model.compiled):
        return "unknown: the file does not tell"
    if model.loads_with:
        return f"lost in saving: a load goes on with {plain(model.loads_with)}"
    if not model.optimizer_known:
        return "unknown: the file has only its state"
    if model.compiled:
        return "none: the model was compiled without one"
    own = ", or in a way of its own" if model.compiled is None else ""
    return f"not in the file: the model was not compiled{own}"


def _optimizer(value: Optimizer) -> Iterator[str]:
    """Yield what is to be said of one optimizer."""
    rate, decay = value.learning_rate, value.weight_decay
    yield " inside ".join(map(plain, (value.class_name, *reversed(value.around))))
    if rate is not None:
        yield f"learning rate {rate:g}"
    else:
        yield "a learning rate schedule" if value.scheduled else "learning rate unknown"
    if decay:
        yield f"weight decay {decay:g}"
    else:
        yield "no weight decay" if value.decay_known else "weight decay unknown"
    if value.iterations is not None:
        yield count(value.iterations, "step")


def _where(part: Part) -> str:
    """Say which weights one of several optimizers trains."""
    first, *others = part.patterns or ("the rest",)
    return plain(first) + (f" and {len(others):,} more" if others else "")
