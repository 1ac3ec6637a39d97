"""Whether arrays are what a model takes and its loss compares with: each fault in one line."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regaudit.live.data_file import DataError
from regaudit.sweeping.arrays import as_array, is_dense, is_number
from regaudit.sweeping.ends import End, Ends
from regaudit.tensors.tensor import Array

SPARSE = {"sparsecategoricalcrossentropy"}
ONE_HOT = {"categoricalcrossentropy", "categoricalfocalcrossentropy"}
BINARY = {"binarycrossentropy", "bce", "binaryfocalcrossentropy"}
NUMBERS = {
    *("meansquarederror", "mse", "meanabsoluteerror", "mae", "huber", "huberloss", "logcosh"),
    *("meanabsolutepercentageerror", "mape", "meansquaredlogarithmicerror", "msle", "poisson"),
    *("kldivergence", "kld", "kullbackleiblerdivergence", "cosinesimilarity", "hinge"),
    *("squaredhinge", "categoricalhinge"),
}
"""Losses whose targets are known, by their names without case and underscores. Of others, as those
of the user, it is only asked that the targets are finite numbers."""

LEAST = 2
"""Samples of which an error can be told."""

_ROUNDING = 1e-6
"""Of shares that are made in float32."""


def check_inputs(named: Sequence[tuple[str, Any]], inputs: Ends, where: str) -> None:
    """Hold the inputs of one batch, or of all samples, against what the model takes.

    Args:
        named: arrays of shape (samples, ...), by name, in the order of the inputs.
        inputs: of the model.
        where: the beginning of a message.

    Raises:
        DataError: they are no finite numbers, or of another number or shape.
    """
    if inputs.ends and len(named) != len(inputs.ends):
        have = f"x has {_counted(len(named), 'array')}"
        raise DataError(f"{where}: {have}, the model {_counted(len(inputs.ends), 'input')}")
    for number, (name, given) in enumerate(named):
        if not is_dense(given):
            continue  # only the model can read it
        array = as_array(given, name, where)
        end = inputs.ends[number] if inputs.ends else None
        if not (end and end.dtype == "string"):
            check_finite(name, array, where)
        if end and not fits(array.shape, end.shape):
            raise DataError(
                f"{where}: {name} does not fit the model: expected {_spelled(end.shape)}, "
                f"got {array.shape}{_unbatched(array, end)}"
            )


def check_truths(truths: Sequence[Array], outputs: Ends, losses: Sequence[Any], where: str) -> None:
    """Hold the targets of one batch, or of all samples, against the outputs and their losses.

    Args:
        truths: arrays of shape (samples, ...), in the order of the outputs.
        outputs: of the model.
        losses: as `compile` takes them, or as a file has them; None for none.
        where: the beginning of a message.

    Raises:
        DataError: they are no finite numbers, of another number or shape, or out of range.
    """
    if len(truths) != len(outputs.ends):
        have = f"y has {_counted(len(truths), 'array')}"
        raise DataError(f"{where}: {have}, the model {_counted(len(outputs.ends), 'output')}")
    for array, end, loss in zip(truths, outputs.ends, losses, strict=True):
        _check_truth("y" if len(truths) == 1 else end.names[0], array, end, loss, where)


def check_weights(weights: Array | None, where: str) -> None:
    """Look at the weights of samples, shape (samples,).

    Raises:
        DataError: they are no finite numbers, or negative.
    """
    if weights is None:
        return
    check_finite("sample_weight", weights, where)
    count = int((weights < 0).sum())
    if count:
        raise DataError(f"{where}: sample_weight has {_counted(count, 'negative value')}")


def _check_truth(name: str, array: Array, end: End, loss: Any, where: str) -> None:
    check_finite(name, array, where)
    kind = name_of_loss(loss)
    if end.shape is not None and len(end.shape) > 1 and kind in SPARSE:
        _check_labels(name, array, end.shape, loss, where)
        return
    known = kind in NUMBERS | BINARY | ONE_HOT
    same = kind in ONE_HOT and len(array.shape) != len(end.shape or array.shape)
    if known and (same or not fits(array.shape, end.shape)):
        way = ""
        if kind in ONE_HOT:
            way = ": one-hot encode it (keras.utils.to_categorical), or use a sparse loss"
        shapes = f"has the shape {array.shape}, the model puts out {_spelled(end.shape)}"
        raise DataError(f"{where}: {name} {shapes}{way}")
    if kind in BINARY | ONE_HOT and (array.min() < 0 or array.max() > 1 + _ROUNDING):
        least, most = _number(array.min()), _number(array.max())
        way = "give values from 0 to 1, or use another loss"
        raise DataError(f"{where}: {name} goes from {least} to {most}, its loss is {kind}: {way}")


def check_amount(samples: int, weight: float, where: str, *, validating: bool) -> None:
    """Look at how many samples there are in all, and what they weigh together.

    Raises:
        DataError: there are none, or one to validate on, or they weigh nothing.
    """
    if not samples:
        raise DataError(f"{where}: there are no samples")
    if not weight:
        raise DataError(f"{where}: all weights of samples are zero")
    if samples < LEAST and validating:
        way = f"no error can be told from it; give at least {LEAST}, better 200"
        raise DataError(f"{where} has one sample: {way}")


def check_finite(name: str, array: Array, where: str) -> None:
    """Look for what is no finite number.

    Raises:
        DataError: there is something, with its count.
    """
    if not is_number(array.dtype):
        kind = "text" if array.dtype.hasobject else f"values of type {array.dtype}"
        raise DataError(f"{where}: {name} has {kind}: the model takes numbers")
    if array.dtype.kind in "biu" or np.isfinite(array).all():
        return
    missing = int(np.isnan(array).sum())
    endless = int(np.isinf(array).sum())
    found = [_counted(missing, "value") + " that is NaN"] if missing else []
    found += [_counted(endless, "infinite value")] if endless else []
    text = " and ".join(found).replace("values that is", "values that are")
    raise DataError(f"{where}: {name} has {text}: remove or replace them")


def fits(shape: Sequence[int], expected: Sequence[int | None] | None) -> bool:
    """Whether Keras takes a shape for another: any number of samples, a last axis of 1 or none."""
    if expected is None:
        return True
    ours, theirs = list(shape[1:]), list(expected[1:])
    if len(ours) == len(theirs) + 1 and ours[-1] == 1:
        ours.pop()
    elif len(ours) + 1 == len(theirs) and theirs[-1] == 1:
        theirs.pop()
    return (
        len(shape) > 0
        and len(ours) == len(theirs)
        and all(want in {None, size} for size, want in zip(ours, theirs, strict=True))
    )


def name_of_loss(loss: Any) -> str:
    """Return the name of a loss without case and underscores; empty if Keras has no such."""
    if isinstance(loss, Mapping):  # as a file has it
        config = loss.get("config")
        given = [loss.get("class_name"), config]
        given += [config.get("fn"), config.get("name")] if isinstance(config, Mapping) else []
    else:
        given = [loss, getattr(loss, "__name__", None)]
        given += [getattr(getattr(loss, "fn", None), "__name__", None)]
        given += [base.__name__ for base in type(loss).__mro__]
    known = SPARSE | ONE_HOT | BINARY | NUMBERS
    names = [name.lower().replace("_", "") for name in given if isinstance(name, str)]
    return next((name for name in names if name in known), "")


def losses_of(loss: Any, outputs: Ends) -> list[Any]:
    """Return the loss of each output, of what `compile` takes for all of them."""
    count = len(outputs.ends)
    if isinstance(loss, Mapping) and "class_name" not in loss:
        return [
            next((loss[name] for name in end.names if name in loss), None) for end in outputs.ends
        ]
    if isinstance(loss, list | tuple):
        return [*loss, *[None] * count][:count]
    return [loss] * count


def _check_labels(
    name: str, array: Array, shape: Sequence[int | None], loss: Any, where: str
) -> None:
    """Look at labels of classes: whole numbers, one for each place of an output."""
    if not fits(array.shape, shape[:-1]):
        way = ""
        if fits(array.shape, shape) and array.shape[-1] != 1:
            way = f": use {name}.argmax(-1), or a loss that is not sparse"
        wanted = f"the loss takes labels of shape {_spelled(shape[:-1])}"
        raise DataError(f"{where}: {name} has the shape {array.shape}, {wanted}{way}")
    ignored = _ignored(loss)
    labels = array if ignored is None else array[array != ignored]
    if not labels.size:
        return
    if labels.dtype.kind not in "biu" and (labels != np.floor(labels)).any():
        other = _number(labels[labels != np.floor(labels)].flat[0])
        raise DataError(f"{where}: labels of {name} must be whole numbers, one is {other}")
    least, most, units = int(labels.min()), int(labels.max()), shape[-1]
    last = f"labels go from 0 to {units - 1}" if units else "labels go from 0 up"
    if least < 0:
        raise DataError(f"{where}: labels of {name} start at {least}: {last}")
    if units and most >= units:
        way = ", so subtract 1" if least >= 1 and most == units else ""
        what = f"labels of {name} reach {most}, the output has {_counted(units, 'unit')}"
        raise DataError(f"{where}: {what}: {last}{way}")


def _ignored(loss: Any) -> Any:
    """Return the label that a loss leaves out; None if it takes all."""
    if isinstance(loss, Mapping):
        config = loss.get("config")
        return config.get("ignore_class") if isinstance(config, Mapping) else None
    found = getattr(loss, "ignore_class", None)
    return (
        found
        if found is not None
        else (getattr(loss, "_fn_kwargs", None) or {}).get("ignore_class")
    )


def _unbatched(array: Array, end: End) -> str:
    """Say it if that would be one sample."""
    shape = (1, *array.shape)
    alone = len(shape) == len(end.shape or ()) and fits(shape, end.shape)
    return ": it comes one by one: batch it" if alone else ""


def _spelled(shape: Sequence[int | None] | None) -> str:
    return str(tuple(shape)) if shape is not None else "any shape"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _number(value: Any) -> str:
    return f"{float(value):.6g}"
