"""Trains in this process, where Keras is loaded already: for models and data in memory."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from regaudit.sweeping.processes import Told
from regaudit.sweeping.task import Opened, Opening, Task, Trained
from regaudit.sweeping.trainer import Trainer


class InProcess:
    """Does one task after the other.

    Args:
        keras: the package.
        data: training and validation set as objects, in place of what the opening names.
    """

    def __init__(self, keras: Any, data: tuple[Any, Any | None] | None = None) -> None:
        """Open nothing yet."""
        self._keras, self._data = keras, data
        self._trainer: Trainer | None = None

    def open(self, opening: Opening) -> Opened:
        """Open the model and the data, and run the model as it is."""
        self._trainer = Trainer(self._keras, opening, self._data)
        return self._trainer.open()

    def do(self, tasks: Sequence[Task], done: Callable[[Task, Trained], None], told: Told) -> None:
        """Do tasks, in order."""
        for task in tasks:
            done(task, self._opened().do(task, partial(told, task)))

    def export(self, source: str, out: str) -> None:
        """Save what a task made in the format that a name ends with."""
        self._opened().export(source, out)

    def close(self) -> None:
        """Forget the model and the data."""
        self._trainer = None

    def _opened(self) -> Trainer:
        if self._trainer is None:
            raise AssertionError
        return self._trainer
