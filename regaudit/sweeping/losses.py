"""The loss of every sample, without penalties, and what a temperature or the accuracy say."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from regaudit.live.confidence import confidence
from regaudit.live.data_file import DataError
from regaudit.sweeping.data_checks import losses_of
from regaudit.sweeping.ends import outputs_of
from regaudit.sweeping.outcome import Measure
from regaudit.tensors.tensor import Array


class Judged(Struct, frozen=True):
    """What a model's outputs are worth."""

    losses: Array
    """Of each sample, times its weight; shape (samples,). Their mean is the loss."""
    tempered: float | None
    temperature: float | None
    accuracy: float | None
    """Share of right predictions, or R2."""
    measure: Measure
    """Which of the two: `accuracy`, `R2`, or empty."""


class Losses:
    """The loss that a model was compiled with, taken sample by sample."""

    def __init__(self, keras: Any, model: Any) -> None:
        """Find the loss of each output.

        Raises:
            DataError: the model has no loss that compares its outputs with targets.
        """
        self._outputs = outputs_of(model)
        self.numpy: Callable[[Any], Array] = (
            keras.ops.convert_to_numpy if hasattr(keras, "ops") else np.asarray
        )
        specs = losses_of(model.loss, self._outputs) or [model.loss]
        weights = losses_of(_loss_weights(model), self._outputs) or [None]
        if all(spec is None for spec in specs):
            raise DataError(
                "the model has no loss that compares its outputs with targets: give --loss, or "
                "sweep in Python"
            )
        self._parts = [None if spec is None else keras.losses.get(spec) for spec in specs]
        self._weights = [1.0 if weight is None else float(weight) for weight in weights]
        self.name = " + ".join(_name(spec) for spec in specs if spec is not None)
        self.plain = specs[0] if len(specs) == 1 else None

    def typed(self, truths: Sequence[Array], outputs: Sequence[Any]) -> list[Array]:
        """Return targets in the rank and the type of outputs, as Keras's losses take them."""
        return [
            truth if part is None else _typed(truth, output, part)
            for truth, output, part in zip(truths, outputs, self._parts, strict=True)
        ]

    def of_outputs(self, outputs: Sequence[Any], truths: Sequence[Any]) -> list[Any]:
        """Return what Keras makes of each output that has a loss; compiled by some backends."""
        return [
            getattr(part, "call", part)(truth, output)
            for part, output, truth in zip(self._parts, outputs, truths, strict=True)
            if part is not None
        ]

    def of_samples(self, found: Sequence[Any]) -> Array:
        """Return the loss of each sample of a batch, shape (samples,), from `of_outputs`."""
        parts = [part for part in self._parts if part is not None]
        weights = [
            weight
            for part, weight in zip(self._parts, self._weights, strict=True)
            if part is not None
        ]
        total: Any = 0.0
        for part, weight, one in zip(parts, weights, found, strict=True):
            values = np.asarray(self.numpy(one), np.float64)
            if values.ndim == 0:
                raise DataError(
                    f"the loss {_name(part)} returns one number for a batch: a sweep needs one for "
                    "every sample"
                )
            total = total + weight * values.reshape(len(values), -1).mean(1)
        return np.asarray(total)

    def judge(self, losses: Array, outputs: Sequence[Array], truths: Sequence[Array]) -> Judged:
        """Say what outputs are worth, given the loss of each sample."""
        nothing = Judged(losses, None, None, None, "")
        if self.plain is None or len(outputs) != 1 or not np.isfinite(outputs[0]).all():
            return nothing
        values, truth, name = outputs[0].astype(np.float64), truths[0], _name(self.plain)
        if getattr(self._parts[0], "from_logits", False) or _from_logits(self._parts[0]):
            values = _probabilities(values)
        found = confidence(values, truth, name)
        tempered = found.loss_after if found else None
        temperature = found.temperature if found else None
        if found and found.accuracy is not None:
            return Judged(losses, tempered, temperature, found.accuracy, "accuracy")
        spread = float(np.var(truth)) if truth.dtype.kind in "fiu" else 0.0
        if values.size == truth.size and spread and name.replace("_", "").lower() in REGRESSIONS:
            error = float(np.mean((values.ravel() - truth.astype(np.float64).ravel()) ** 2))
            return Judged(losses, tempered, temperature, 1 - error / spread, "R2")
        return nothing

    def flat(self, outputs: Any) -> list[Any]:
        """Return a model's outputs in the order of its losses."""
        return [output for _, output in self._outputs.flat(outputs)]


REGRESSIONS = {
    *("mse", "meansquarederror", "mae", "meanabsoluteerror", "huber", "logcosh"),
    *("meansquaredlogarithmicerror", "msle", "mape", "meanabsolutepercentageerror"),
}
"""Losses of numbers, for which R2 says how good they are."""


def _loss_weights(model: Any) -> Any:
    """`loss_weights` of `compile`, which Keras keeps under names of its own."""
    for holder in (
        model,
        getattr(model, "_compile_loss", None),
        getattr(model, "compiled_loss", None),
    ):
        for name in ("loss_weights", "_user_loss_weights", "_loss_weights"):
            found = getattr(holder, name, None)
            if found is not None:
                return found
    return None


def _name(loss: Any) -> str:
    """Return the name of a loss as Keras writes it: a class's own in place of its instance's."""
    if isinstance(loss, str):
        return loss
    function = getattr(loss, "fn", None)
    if function is not None and type(loss).__name__ == "LossFunctionWrapper":
        return str(getattr(function, "__name__", "loss"))
    return str(getattr(loss, "__name__", type(loss).__name__))


def _from_logits(loss: Any) -> bool:
    arguments = getattr(loss, "_fn_kwargs", None) or {}
    return bool(arguments.get("from_logits"))


def _probabilities(logits: Array) -> Array:
    if logits.shape[-1] == 1:
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))
    powers: Array = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _typed(truth: Array, output: Any, loss: Any) -> Array:
    """Return targets in the rank and the type of the output, as Keras's classes of losses do.

    Labels of a sparse loss stay whole numbers.
    """
    if "sparse" in _name(loss).lower():
        return truth
    shape = tuple(output.shape)
    if truth.ndim + 1 == len(shape) and shape[-1] == 1:
        truth = truth[..., None]
    dtype = str(getattr(output.dtype, "name", output.dtype)).rpartition(".")[2]
    return truth.astype(dtype) if dtype in {"float16", "float32", "float64"} else truth
