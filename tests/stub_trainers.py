"""Stands in for Keras in tests of a sweep: losses by a formula, files of a few bytes.

As a program, `stub_trainers.py MODEL JOURNAL OUT SECONDS`, it sweeps and writes what it found.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from regaudit.auditing.audit_file import audit_file
from regaudit.sweeping.journal import opened
from regaudit.sweeping.outcome import Epoch
from regaudit.sweeping.plan import Plan, Wanted
from regaudit.sweeping.processes import Told
from regaudit.sweeping.sweep import run
from regaudit.sweeping.task import BEST, LAST, LOSSES, Opened, Opening, Task, Trained
from regaudit.sweeping.write import write

SAMPLES = 400
EPOCHS = 40
"""That the model was trained for."""


class StubTrainers:
    """The validation loss has its valley at one factor, and falls with the epochs.

    Args:
        valley: the best factor.
        depth: by how much it is better than the model as it is; the loss of that is 1.
        seconds: that each step takes.
        diverging: what names of tasks begin with whose loss is not finite.
        steps: that the optimizer has done.
        plain: how good it is to train on without a penalty, from 0 to 1.
    """

    def __init__(
        self,
        *,
        valley: float = 4.0,
        depth: float = 0.5,
        seconds: float = 0.0,
        diverging: str = "",
        steps: int = EPOCHS * 10,
        plain: float = 0.0,
    ) -> None:
        self.valley, self.depth, self.seconds = valley, depth, seconds
        self.diverging, self.steps, self.plain = diverging, steps, plain
        self.trained: list[str] = []
        """Names of tasks, in order."""
        self.spent = 0
        """Epochs."""

    def open(self, opening: Opening) -> Opened:
        _losses(opening.out, 1.0)
        as_it_is = Trained(
            0,
            0,
            score=1.0,
            val_loss=1.0,
            tempered=0.9,
            temperature=2.0,
            accuracy=0.8,
            train_loss=0.2,
        )
        return Opened(
            keras="3.0.0",
            backend="none",
            loss="sparse_categorical_crossentropy",
            measure="accuracy",
            train_samples=320,
            val_samples=SAMPLES,
            steps=self.steps,
            data=f"{opening.data} {opening.val_data}",
            as_it_is=as_it_is,
            no_soup="",
            activity=dict.fromkeys(opening.activity, 2.0),
        )

    def do(self, tasks: Sequence[Task], done: Callable[[Task, Trained], None], told: Told) -> None:
        for task in tasks:
            self.trained.append(task.name)
            self.spent += task.epochs
            trained = self._trained(task)
            for ending in (LAST, BEST):
                file = Path(task.out + ending)
                file.write_bytes(b"half")
                time.sleep(self.seconds)
                file.write_bytes(f"{task.name} {trained.val_loss}".encode())
            _losses(task.out, trained.val_loss or 0.0)
            time.sleep(self.seconds)
            told(task, 1, 1, 0.5)
            done(task, trained)

    def export(self, source: str, out: str) -> None:
        Path(out).write_bytes(Path(source).read_bytes())

    def close(self) -> None:
        pass

    def _trained(self, task: Task) -> Trained:
        if task.soup:
            return Trained(0, 0, score=2.0, val_loss=2.0, members=(0,))
        if task.before:  # what it goes on from is there
            assert Path(task.start).read_bytes().startswith(task.name.split(".")[0].encode())
            assert Path(task.before + BEST).exists()
        epochs = task.epochs + (task.so_far.epochs if task.so_far else 0)
        if self.diverging and task.name.startswith(self.diverging):
            return Trained(epochs, 0, diverged=True, curve=(Epoch(1, None, None),))
        loss = 1.0 - self.depth * self._good(task.name) * epochs / (epochs + 1)
        return Trained(
            epochs,
            epochs,
            score=loss,
            val_loss=loss,
            tempered=loss,
            temperature=1.0,
            accuracy=0.9,
            train_loss=loss / 2,
            curve=(Epoch(epochs, loss / 2, loss),),
        )

    def _good(self, name: str) -> float:
        _, _, factor = name.rpartition(".")[0].rpartition(".")[0].partition("-x")
        if not factor:
            return self.plain
        return float(1.0 / (1.0 + abs(np.log(float(factor) / self.valley))))


def _losses(out: str, mean: float) -> None:
    """Write losses with a mean, of which all but that is the same for all candidates."""
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLES)
    np.save(out + LOSSES, mean + noise - noise.mean())


def main(model: str, journal: str, out: str, seconds: str) -> None:
    """Sweep a model, and write what was found beside `out`."""
    file, target = Path(model), Path(out)
    trainers = StubTrainers(seconds=float(seconds))
    opening = Opening(str(file), "train.npz", "val.npz", None)
    with opened(Path(journal)) as done:
        plan = Plan(file, audit_file(file), opening, Wanted(repeats=2))
        found, chosen = run(plan, trainers, done)
        write(trainers, chosen, target)
        target.with_suffix(".json").write_bytes(msgspec.json.encode(found))
        done.remove()


if __name__ == "__main__":
    main(*sys.argv[1:])
