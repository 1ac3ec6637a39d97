"""How much of a loss is confidence: one temperature on the outputs of a model, by its data.

A temperature T divides the logits: the predicted class stays, how sure the model is of it changes.
Of a regression the predictions are shrunk towards the mean of the targets by one factor instead.

Source: Guo et al. (2017), On Calibration of Modern Neural Networks.
"""

from collections.abc import Callable
from math import exp, log

import numpy as np
from msgspec import Struct

from regaudit.tensors.tensor import Array

WIDEST = 100.0
"""Temperatures from 1 / 100 to 100 are looked at."""

LEAST = 1e-7
"""Probabilities are clipped to it, as Keras does."""

STEPS = 60


class Confidence(Struct, frozen=True):
    """What one temperature makes of a loss."""

    temperature: float
    """That with the lowest loss; of a regression, the factor of the deviations from the mean."""
    loss: float
    """Of the outputs as they are."""
    loss_after: float
    accuracy: float | None
    """Share of right predictions; None for a regression."""

    @property
    def sentence(self) -> str:
        """Say what it would do to the validation loss."""
        change = f"validation loss from {self.loss:.3g} to {self.loss_after:.3g}"
        if self.accuracy is None:
            return (
                f"shrinking the predictions towards their mean by {self.temperature:.3g} alone "
                f"takes the {change}, without any training"
            )
        return (
            f"a temperature of {self.temperature:.3g} on the saved model alone takes the {change}, "
            "with the same predictions: that part is overconfidence, the rest is error"
        )


def confidence(outputs: Array, truth: Array, loss: object) -> Confidence | None:
    """Find the temperature with the lowest loss; None for losses that have none.

    Args:
        outputs: predictions, (samples, classes) or (samples, 1); probabilities for a
            classification, as losses named by a string take them.
        truth: the targets of as many samples.
        loss: the name of the model's loss, as the file has it.
    """
    name = loss.lower().replace("_", "") if isinstance(loss, str) else ""
    values, target = outputs.astype(np.float64), truth
    if not len(values) or len(values) != len(target) or not np.isfinite(values).all():
        return None
    if name in {"mse", "meansquarederror"} and values.size == target.size:
        return _shrunk(values.ravel(), target.astype(np.float64).ravel())
    if name in {"binarycrossentropy", "bce"} and values.size == target.size == len(values):
        p = np.clip(values.ravel(), LEAST, 1 - LEAST)
        logits = np.stack([np.zeros(len(p)), np.log(p / (1 - p))], axis=1)
        return _tempered(logits, (target.ravel() > 0.5).astype(np.int64))
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    logits = np.log(np.clip(values, LEAST, 1.0))
    if name == "categoricalcrossentropy" and target.shape == values.shape:
        return _tempered(logits, target.argmax(axis=1))
    if name == "sparsecategoricalcrossentropy" and target.size == len(values):
        labels = target.ravel().astype(np.int64)
        if labels.min() >= 0 and labels.max() < values.shape[1]:
            return _tempered(logits, labels)
    return None


def _tempered(logits: Array, labels: Array) -> Confidence:
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        top = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        return float((total - scaled[rows, labels]).mean())

    best = _least(loss, 1 / WIDEST, WIDEST)
    right = float((logits.argmax(axis=1) == labels).mean())
    return Confidence(best, loss(1.0), loss(best), right)


def _shrunk(predicted: Array, target: Array) -> Confidence:
    mean = float(target.mean())
    apart, wanted = predicted - mean, target - mean
    square = float((apart * apart).sum())
    factor = max(float((apart * wanted).sum()) / square, 0.0) if square else 1.0

    def loss(by: float) -> float:
        return float(((by * apart - wanted) ** 2).mean())

    return Confidence(factor, loss(1.0), loss(factor), None)


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one valley is lowest, on a logarithmic scale."""
    left, right = log(low), log(high)
    golden = (5**0.5 - 1) / 2
    for _ in range(STEPS):
        width = golden * (right - left)
        if function(exp(right - width)) <= function(exp(left + width)):
            right = left + width
        else:
            left = right - width
    return exp((left + right) / 2)
