"""A look at the validation set after each epoch of training; the best weights are kept."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf, isfinite
from typing import Any

import numpy as np

from regaudit.report.document import finite
from regaudit.sweeping.outcome import Epoch
from regaudit.sweeping.state import values_of
from regaudit.sweeping.task import Task
from regaudit.tensors.tensor import Array

Tell = Callable[[int, int, float], None]
"""Called after an epoch with its number, how many there will be, and the validation loss."""

Score = Callable[[Any], tuple[float, float]]
"""Returns the validation loss of a model, and what is chosen by: lower is better."""


Kept = Callable[[], Iterable[Any]]
"""Returns the variables whose values are kept with the best weights."""


class Watch:
    """Looks at the validation set after each epoch, and keeps the best weights."""

    def __init__(self, score: Score, model: Any, kept: Kept, task: Task, tell: Tell) -> None:
        self._score, self._model, self._kept, self._task = score, model, kept, task
        self._before, self._tell = task.so_far.epochs if task.so_far else 0, tell
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
            self.state = values_of(self._kept())
        self._tell(number, self._before + self._task.epochs, val)


def _penalty(model: Any) -> float:
    """Return what regularizers of weights add to the loss."""
    with suppress(Exception):
        if hasattr(model, "_get_regularization_losses"):
            return float(sum(float(one) for one in model._get_regularization_losses()))  # noqa: SLF001
        return float(sum(float(one) for one in model.losses))
    return 0.0
