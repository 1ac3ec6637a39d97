"""A look at the validation set after each epoch of training; the best weights are kept."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf, isfinite
from typing import Any

import numpy as np

from regaudit.report.document import finite
from regaudit.sweeping.outcome import Epoch
from regaudit.sweeping.task import Task
from regaudit.tensors.tensor import Array

Tell = Callable[[int, int, float], None]
"""Called after an epoch with its number, how many there will be, and the validation loss."""

Score = Callable[[Any], tuple[float, float]]
"""Returns the validation loss of a model, and what is chosen by: lower is better."""


class Watch:
    """Looks at the validation set after each epoch, and keeps the best weights."""

    def __init__(self, score: Score, model: Any, task: Task, before: int, tell: Tell) -> None:
        self._score, self._model, self._task, self._tell = score, model, task, tell
        self._before = before
        found = task.so_far.score if task.so_far else None
        self._lowest = inf if found is None else found
        self.curve: list[Epoch] = []
        self.state: list[Array] | None = None
        self.best_epoch = 0
        self.diverged = False

    def callback(self, keras: Any) -> Any:
        return keras.callbacks.LambdaCallback(on_epoch_end=self._look)

    def _look(self, epoch: int, logs: Any) -> None:
        number = self._before + epoch + 1
        val, score = self._score(self._model)
        train = float((logs or {}).get("loss", np.nan)) - _penalty(self._model)
        if not (isfinite(train) and isfinite(val) and isfinite(score)):
            self.diverged = self._model.stop_training = True
            self.curve.append(Epoch(number, finite(train), finite(val)))
            return
        self.curve.append(Epoch(number, train, val))
        if score < self._lowest:
            self._lowest, self.best_epoch = score, number
            self.state = _state(self._model)
        self._tell(number, self._before + self._task.epochs, val)


def _variables(model: Any) -> Iterator[Any]:
    """Yield the weights of a model and the variables of its optimizer."""
    yield from model.weights
    found = getattr(model.optimizer, "variables", ())
    yield from found() if callable(found) else found


def _state(model: Any) -> list[Array]:
    return [
        np.array(variable.numpy() if hasattr(variable, "numpy") else variable)
        for variable in _variables(model)
    ]


def set_state(model: Any, state: list[Array]) -> None:
    """Put weights and the variables of the optimizer back, as `Watch.state` has them."""
    for variable, value in zip(_variables(model), state, strict=True):
        variable.assign(value)


def _penalty(model: Any) -> float:
    """Return what regularizers of weights add to the loss."""
    with suppress(Exception):
        if hasattr(model, "_get_regularization_losses"):
            return float(sum(float(one) for one in model._get_regularization_losses()))  # noqa: SLF001
        return float(sum(float(one) for one in model.losses))
    return 0.0
