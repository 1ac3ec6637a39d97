"""What is a sweep worth, and what does it cost? Against a grid search and cheaper ways.

    python -m benchmarks.sweep --json FILE --only development      choose by these
    python -m benchmarks.sweep --json FILE --only held-out         read once, after the choice
    python -m benchmarks.sweep --tables FILE                       the tables of such a file

Tasks, saved models, grid and measures are those of `benchmarks.advice`. Here the share is that of
the gain of the *grid, best epoch of each*. Trainings are the epochs beyond those of the saved model
over the epochs of its training. Seconds are processor time of one thread; each arm that trains
starts TensorFlow once. What is judged on the test set costs nothing. Both ends of the grid come
from one run, which looks at the validation set: they cost the same seconds. All arms but the sweeps
go through the training set five times in one epoch of Keras, which is cheap; so the sweeps are also
held against a grid in Keras's own epochs, as users do it, each with a look at the validation set.
"""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct, to_builtins

import regaudit
from benchmarks.advice import (
    GRID,
    MEASURES,
    Begun,
    Runs,
    Score,
    begin,
    benchmark,
    best_of,
    fit,
    gain,
    grid,
    interval,
    judge,
    loaded_keras,
    per_task,
    share,
    trained,
)
from benchmarks.advice_tasks import Task
from regaudit.errors import RegauditError
from regaudit.report.proposal import Purpose
from regaudit.sweeping import journal
from regaudit.sweeping.in_process import InProcess
from regaudit.sweeping.outcome import Sweep
from regaudit.sweeping.plan import BATCH, Plan, Wanted
from regaudit.sweeping.sweep import AS_IT_IS, run
from regaudit.sweeping.task import Opening

BEST_GRID = "grid, best epoch of each"
SWEEPS = {
    "sweep": Wanted(batch_size=BATCH),
    "sweep, the ladder alone": Wanted(batch_size=BATCH, budget=1.0),
    "sweep from new weights": Wanted(batch_size=BATCH, from_scratch=True),
}
WORSE = {"loss": math.log(1.1), "tempered": math.log(1.1), "right": 0.1}
"""What counts as worse by over 10 %; of accuracy or R2, 10 points."""

T = TypeVar("T")


class Arm(Struct, frozen=True):
    """What one way gives, and what it costs."""

    score: Score
    trainings: float = 0.0
    """Epochs beyond the saved model's, over the epochs of its training."""
    seconds: float = 0.0
    """Of one thread, without TensorFlow's start."""
    found: dict[str, Any] = {}
    """What a sweep says."""


def main() -> None:
    """Run the benchmark and print its tables."""
    benchmark(__doc__ or "", run_task, tables)


def run_task(task: Task, seed: int) -> dict[str, Any]:
    """Train one model, and improve it in every way; return what each is worth and costs."""
    start = _start()
    keras = loaded_keras()
    with tempfile.TemporaryDirectory() as folder:
        begun = begin(keras, task, seed, Path(folder))
        arms = dict(_arms(keras, begun))
        own = _own_epochs(keras, begun)
    return {
        "task": task.name,
        "held_out": task.held_out,
        "seed": seed,
        "classes": task.outputs,
        "gap": begun.facts.gap,
        "start": start,
        "own_epochs": own,
        "scores": {name: to_builtins(arm.score) for name, arm in arms.items()},
        "costs": {name: [arm.trainings, arm.seconds] for name, arm in arms.items()},
        "sweeps": {name: arm.found for name, arm in arms.items() if arm.found},
    }


@cache
def _start() -> float:
    """Return the seconds that a process takes to start TensorFlow, as it was in this one."""
    return _timed(loaded_keras)[1]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


def _arms(keras: Any, begun: Begun) -> Iterator[tuple[str, Arm]]:
    """Go every way."""
    task, sets, load = begun.task, begun.sets, keras.models.load_model
    saved = load(begun.file)
    yield "saved", Arm(judge(task, saved, sets))
    yield "early stopping", Arm(judge(task, load(begun.best), sets))
    (_, plain), seconds = _timed(
        lambda: trained(keras, begun.file, (), task.epochs, sets, keep=True)
    )
    yield "trained on without a penalty", Arm(best_of(task, [saved, plain], sets), 1.0, seconds)
    yield "suggestion, trained on", _suggested(keras, begun, "going-on", begun.file, 0.5)
    yield "suggestion, trained anew", _suggested(keras, begun, "new-weights", begun.new, 1.0)
    (last, kept), seconds = _timed(lambda: grid(keras, begun))
    for name, models in (("grid, last epoch", last), (BEST_GRID, kept)):
        yield name, Arm(best_of(task, models, sets), float(len(GRID)), seconds)
    for name, wanted in SWEEPS.items():
        yield name, _swept(keras, begun, wanted)


def _own_epochs(keras: Any, begun: Begun) -> float:
    """Return the seconds of one training of the grid in Keras's own epochs, as users do it."""
    train, val, _ = begun.sets
    model, epochs = keras.models.load_model(begun.new), begun.task.epochs
    keep = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
    return _timed(lambda: fit(model, train, epochs, val, keep, passes=1))[1]


def _suggested(keras: Any, begun: Begun, purpose: Purpose, start: Path, trainings: float) -> Arm:
    """Train with what `suggest` proposes, or leave the model as it is where that is nothing."""
    task, sets = begun.task, begun.sets
    edits = regaudit.suggest(regaudit.audit(begun.file), begun.facts, purpose=purpose).edits
    if not edits:
        return Arm(judge(task, keras.models.load_model(begun.file), sets))
    epochs = round(task.epochs * trainings)
    (model, _), seconds = _timed(lambda: trained(keras, start, edits, epochs, sets))
    return Arm(judge(task, model, sets), trainings, seconds)


def _swept(keras: Any, begun: Begun, wanted: Wanted) -> Arm:
    """Sweep, and judge what it would write; what it refuses to sweep stays as it is."""
    task, sets, load = begun.task, begun.sets, keras.models.load_model
    with tempfile.TemporaryDirectory() as folder:
        try:
            (sweep, file), seconds = _timed(lambda: _sweep(keras, begun, wanted, Path(folder)))
        except RegauditError as error:
            refused = {"chosen": "refused", "verdict": str(error)}
            return Arm(judge(task, load(begun.file), sets), found=refused)
        score = judge(task, load(file or begun.file), sets)
    setting = sweep.setting
    spent = setting.spent * setting.whole / task.epochs
    return Arm(score, spent, seconds, {**_said(sweep), "whole": setting.whole})


def _sweep(keras: Any, begun: Begun, wanted: Wanted, folder: Path) -> tuple[Sweep, str]:
    opening = Opening(str(begun.file), data="", val_data=None, val_split=None)
    plan = Plan(begun.file, regaudit.audit(begun.file), opening, wanted)
    with journal.opened(folder / "sweep.jsonl") as kept:
        return run(plan, InProcess(keras, begun.sets[:2]), kept)


def _said(sweep: Sweep) -> dict[str, Any]:
    """Return the verdict, and the validation loss of each candidate less that of the best."""
    return {
        "chosen": sweep.chosen,
        "verdict": sweep.verdict,
        "candidates": {
            one.name: {
                "val_loss": one.val_loss,
                "apart": one.apart,
                "apart_error": one.apart_error,
                "epochs": one.epochs,
                "best_epoch": one.best_epoch,
            }
            for one in sweep.candidates
        },
    }


# Tables --------------------------------------------------------------------------------------


def tables(runs: Runs) -> Iterator[str]:
    """Yield the lines of the tables: what each arm gives and costs, and what the sweeps say."""
    for held_out, title in ((True, "held-out"), (False, "development")):
        chosen = [run for run in runs if run["held_out"] == held_out]
        classes = [run for run in chosen if run["classes"]]
        numbers = [run for run in chosen if not run["classes"]]
        for kind, some in (("all", chosen), ("classification", classes), ("regression", numbers)):
            if some:
                yield from _of(some, f"{title}, {kind}")
        if chosen:
            yield from _verdicts(chosen, title)


def _of(runs: Runs, title: str) -> Iterator[str]:
    names, seconds = {run["task"] for run in runs}, sum(run["cpu"] for run in runs)
    yield f"\n{title}: {len(names)} tasks, {len(runs)} runs, {seconds:,.0f} s of one core\n"
    yield (
        "| arm | log test loss | better | worse by 10 %: loss | after a temperature "
        "| accuracy or R2 | share of the grid's gain: loss | after a temperature "
        "| accuracy or R2 | trainings | seconds | of the grid's |"
    )
    yield f"| --- |{' ---: |' * 11}"
    whole = _seconds(runs, BEST_GRID)
    for arm in ("a temperature alone", *(arm for arm in runs[0]["scores"] if arm != "saved")):
        low, high = interval(runs, arm)
        better = np.mean([gain(run, arm, "loss") > 0 for run in runs])
        worse = [
            f"{np.mean([gain(run, arm, measure) < -by for run in runs]):.0%}"
            for measure, by in WORSE.items()
        ]
        shares = [share(runs, arm, measure, BEST_GRID) for measure in MEASURES]
        trainings = np.mean([_cost(run, arm)[0] for run in runs])
        seconds = _seconds(runs, arm)
        cells = [
            f"{per_task(runs, arm).mean():+.3f} [{low:+.3f}, {high:+.3f}]",
            f"{better:.0%}",
            *worse,
            *shares,
            f"{trainings:.2f}",
            f"{seconds:.1f}",
            f"{seconds / whole:.0%}",
        ]
        yield f"| {arm} | {' | '.join(cells)} |"
    own = float(np.mean([len(GRID) * run["own_epochs"] + run["start"] for run in runs]))
    of_it = ", ".join(f"{arm} {_seconds(runs, arm) / own:.0%}" for arm in SWEEPS)
    yield f"\nThe grid in Keras's own epochs: {own:.1f} s. Of these take: {of_it}."


def _cost(run: dict[str, Any], arm: str) -> tuple[float, float]:
    """Return trainings, and seconds with TensorFlow's start."""
    trainings, seconds = run["costs"].get(arm, (0.0, 0.0))
    return trainings, seconds + run["start"] if trainings else 0.0


def _seconds(runs: Runs, arm: str) -> float:
    return float(np.mean([_cost(run, arm)[1] for run in runs]))


def _verdicts(runs: Runs, title: str) -> Iterator[str]:
    """Say what the sweeps chose where the grid gains something, and where it does not."""
    yield f"\n{title}: what the sweeps say\n"
    yield "| arm | the grid gains | runs | change nothing | log test loss | chosen |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    gains = [gain(run, BEST_GRID, "loss") > MEASURES["loss"] for run in runs]
    for arm in SWEEPS:
        for gained, text in ((True, "over 2 %"), (False, "less")):
            some = [run for run, one in zip(runs, gains, strict=True) if one == gained]
            if some:
                yield f"| {arm} | {text} | {len(some)} | {_choices(some, arm)} |"


def _choices(runs: Runs, arm: str) -> str:
    chosen = Counter(run["sweeps"][arm]["chosen"] for run in runs)
    nothing = chosen[AS_IT_IS] / len(runs)
    change = np.mean([-gain(run, arm, "loss") for run in runs])
    others = ", ".join(f"{name} {times}" for name, times in chosen.most_common())
    return f"{nothing:.0%} | {change:+.3f} | {others}"


if __name__ == "__main__":
    main()
