"""Does the advice help? Train, save, suggest, apply, load, train; against other ways, three times.

    python -m benchmarks.advice --json FILE --only development      choose by these
    python -m benchmarks.advice --json FILE --only held-out         read once, after the choice
    python -m benchmarks.advice --tables FILE                       the tables of such a file

With --json every run is written down, and a run that is there already is not made again. It needs
scikit-learn, and Pillow for its photographs.

Every arm is judged by the change against the saved model of the logarithm of the test loss, of the
same after one temperature chosen on the validation set (regression: after shrinking the predictions
towards their mean by one factor), and of the accuracy or R2. Arms that *go on* train for half the
epochs from the saved weights, the others for all of them from new weights. The grid is 0 and L2 of
1e-4 to 0.1 on every kernel from new weights, of which validation takes the best: last epochs, or
the best epoch of each. The share of its gain is the sum of an arm's changes over that of the
grid's, over the runs in which the grid gains more than 2 % (in accuracy or R2, more than 0.002).
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins

import regaudit
from benchmarks.advice_tasks import TASKS, Task
from regaudit import Edit, Facts
from regaudit.live.confidence import confidence
from regaudit.report.proposal import Purpose

GRID = (1e-4, 1e-3, 1e-2, 1e-1)
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Shares of the gap that are tried; the suggestion has one of them."""
PASSES = 5
"""How often the training set is gone through between two looks at the validation set."""
MEASURES = {"loss": 0.02, "tempered": 0.02, "right": 0.002}
"""What is judged, and what the grid must gain for a run to count."""


class Score(Struct, frozen=True):
    """What a model is worth on the test set."""

    loss: float
    tempered: float
    """The loss after one temperature that was chosen on the validation set."""
    right: float
    """Accuracy, or R2."""
    validation: float
    """Loss on the validation set."""


Data = tuple[Any, Any]
Sets = tuple[Data, Data, Data]


class Begun(Struct, frozen=True):
    """What every arm begins with."""

    task: Task
    sets: Sets
    new: Path
    """The model before its training."""
    file: Path
    """The saved model."""
    best: Path
    """The same, with the weights of its best epoch."""
    facts: Facts


Runs = Sequence[dict[str, Any]]


def main() -> None:
    """Run the benchmark and print its tables."""
    benchmark(__doc__ or "", run_task, tables)


def benchmark(
    about: str,
    run_one: Callable[[Task, int], dict[str, Any]],
    tables_of: Callable[[Runs], Iterator[str]],
) -> None:
    """Do all runs that the command line asks for, and print their tables.

    Args:
        about: of which the first line is the help text.
        run_one: trains all arms of a task for a seed.
        tables_of: yields the lines of the tables of runs.
    """
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", default="", help="only those whose name contains this")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where every run is written down")
    parser.add_argument("--tables", type=Path, help="print the tables of such a file, run nothing")
    parser.add_argument("--only", choices=["development", "held-out"], help="half of the tasks")
    chosen = parser.parse_args()
    if chosen.tables:
        print("\n".join(tables_of(json.loads(chosen.tables.read_text(encoding="utf-8")))))
        return
    runs = []
    if chosen.json and chosen.json.exists():
        runs = json.loads(chosen.json.read_text(encoding="utf-8"))
    made = {(run["task"], run["seed"]) for run in runs}
    jobs = [
        (number, seed)
        for seed in range(chosen.seeds)
        for number, task in enumerate(TASKS)
        if chosen.tasks in task.name
        and (chosen.only is None or task.held_out == (chosen.only == "held-out"))
        and (task.name, seed) not in made
    ]
    with ProcessPoolExecutor(chosen.processes, get_context("spawn")) as pool:
        for number, run in enumerate(pool.map(partial(_job, run_one), jobs), 1):
            runs.append(run)
            print(
                f"{number}/{len(jobs)} {run['task']}, seed {run['seed']}: {run['cpu']:.0f} s",
                flush=True,
            )
            if chosen.json:
                chosen.json.write_text(json.dumps(runs, indent=1), encoding="utf-8")
    print("\n".join(tables_of(runs)))


def _job(run_one: Callable[[Task, int], dict[str, Any]], job: tuple[int, int]) -> dict[str, Any]:
    number, seed = job
    start = time.process_time()
    run = run_one(TASKS[number], seed)
    return {**run, "cpu": time.process_time() - start}


def run_task(task: Task, seed: int) -> dict[str, Any]:
    """Train one model, and go on from it or begin anew in every way; return what each is worth."""
    keras = loaded_keras()
    with tempfile.TemporaryDirectory() as folder:
        begun = begin(keras, task, seed, Path(folder))
        load = keras.models.load_model
        scores = {
            "saved": judge(task, load(begun.file), begun.sets),
            "early stopping": judge(task, load(begun.best), begun.sets),
            **dict(_arms(keras, begun)),
        }
    return {
        "task": task.name,
        "held_out": task.held_out,
        "seed": seed,
        "gap": begun.facts.gap,
        "scores": to_builtins(scores),
    }


def loaded_keras() -> Any:
    """Import Keras, on one thread of the processor."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    import keras  # noqa: PLC0415 - in the workers only

    return keras


def begin(keras: Any, task: Task, seed: int, folder: Path) -> Begun:
    """Train the model that is saved, and keep that of its best epoch."""
    keras.utils.set_random_seed(seed)
    sets = split(task, seed)
    train, val, _ = sets
    model = built(keras, task, train[0])
    new, file, best = (folder / f"{name}.keras" for name in ("new", "model", "best"))
    model.save(new)
    keep = keras.callbacks.ModelCheckpoint(best, "val_loss", save_best_only=True)
    fit(model, train, task.epochs, val, keep)
    model.save(file)
    facts = Facts(
        train_loss=loss_on(model, train),
        val_loss=loss_on(model, val),
        val_size=task.val,
        target_variance=None if task.outputs else 1.0,
    )
    return Begun(task, sets, new, file, best, facts)


def _arms(keras: Any, begun: Begun) -> Iterator[tuple[str, Score]]:
    """Train in every way, each with the data in the same order."""
    task, sets, new, file, facts = begun.task, begun.sets, begun.new, begun.file, begun.facts
    report = regaudit.audit(file)
    half = task.epochs // 2
    plain = trained(keras, file, (), half, sets)[0]
    yield "train on without", judge(task, plain, sets)
    ways: tuple[tuple[Purpose, str, Path, int], ...] = (
        ("going-on", "going on", file, half),
        ("new-weights", "trained anew", new, task.epochs),
    )
    for purpose, name, start, epochs in ways:
        proposal = regaudit.suggest(report, facts, purpose=purpose)
        done: dict[str, Score] = {}
        for factor in (None, *FACTORS):
            other = regaudit.suggest(report, facts, factor=factor)
            edits = proposal.edits if factor is None else other.edits
            key = repr(edits)
            if not edits:
                done[key] = judge(task, keras.models.load_model(file), sets)
            elif key not in done:
                done[key] = judge(task, trained(keras, start, edits, epochs, sets)[0], sets)
            yield f"{name}, {'suggested' if factor is None else f'{factor:g} x gap'}", done[key]
    last, kept = grid(keras, begun)
    yield "grid, last epoch", best_of(task, last, sets)
    yield "grid, best epoch of each", best_of(task, kept, sets)


def grid(keras: Any, begun: Begun) -> tuple[list[Any], list[Any]]:
    """Train with each strength of the grid from new weights.

    Returns:
        The models of the last epochs, and those of the best; the saved model is among both, and
        that of its best epoch among the latter.
    """
    load = keras.models.load_model
    last, best = [load(begun.file)], [load(begun.file), load(begun.best)]
    for strength in GRID:
        edits = tuple(_uniform(begun.file, strength))
        end, kept = trained(keras, begun.new, edits, begun.task.epochs, begun.sets, keep=True)
        last.append(end)
        best.append(kept)
    return last, best


def best_of(task: Task, models: Sequence[Any], sets: Sets) -> Score:
    """Judge the model with the lowest validation loss."""
    return min((judge(task, model, sets) for model in models), key=lambda one: one.validation)


def _uniform(file: Path, strength: float) -> Iterator[Edit]:
    """Yield the same L2 for all that has a key of a kernel."""
    value = {"class_name": "L2", "config": {"l2": strength}}
    model = regaudit.audit(file).model
    roles = {"kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "embeddings"}
    keys = {
        (layer.path, weight.regularizer_key): None
        for layer, weight in (model.weights() if model else ())
        if weight.role in roles and weight.regularizer_key
    }
    for path, key in keys:
        yield Edit(path, str(key), value)


def trained(
    keras: Any,
    file: Path,
    edits: tuple[Edit, ...],
    epochs: int,
    sets: Sets,
    *,
    keep: bool = False,
) -> tuple[Any, Any]:
    """Apply edits, load the new file and train; return the model, and that of its best epoch."""
    out = file
    if edits:
        out = file.with_name("edited.keras")
        regaudit.apply(file, edits, out, force=True)
    model = keras.models.load_model(out)
    keras.utils.set_random_seed(1)
    best = file.with_name("kept.keras")
    callbacks = []
    if keep:  # without the penalty, which differs between strengths
        callbacks.append(_Keeper(keras, best, sets[1]).callback)
    fit(model, sets[0], epochs, None, *callbacks)
    return model, keras.models.load_model(best) if keep else model


class _Keeper:
    """Saves the weights of the epoch with the lowest validation loss, the penalty left out."""

    def __init__(self, keras: Any, file: Path, val: Data) -> None:
        self._lowest, self._file, self._val = math.inf, file, val
        self.callback = keras.callbacks.LambdaCallback(on_epoch_end=self._look)

    def _look(self, _epoch: int, _logs: Any) -> None:
        model = self.callback.model
        loss = loss_on(model, self._val)
        if loss < self._lowest:
            self._lowest = loss
            model.save(self._file)


def fit(
    model: Any,
    train: Data,
    epochs: int,
    val: Data | None,
    *callbacks: Any,
    passes: int = PASSES,
) -> None:
    """Train for some epochs, most of which are spent without leaving the graph."""
    x, y = (np.concatenate([part] * passes) for part in train)
    model.fit(
        *(x, y),
        epochs=max(epochs // passes, 1),
        validation_data=val,
        verbose=0,
        callbacks=list(callbacks),
    )


def split(task: Task, seed: int) -> Sets:
    """Draw the sets for training, for validation and for the test."""
    x, y = task.data(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    cuts = np.split(order, [task.train, task.train + task.val])
    train, val, test = ((x[part], y[part]) for part in cuts)
    return train, val, test


def built(keras: Any, task: Task, x: Any) -> Any:
    """Return a new model for a task, compiled."""
    output = keras.layers.Dense(task.outputs or 1, activation="softmax" if task.outputs else None)
    model = keras.Sequential(
        [keras.Input(x.shape[1:], dtype=str(x.dtype)), *task.layers(keras), output]
    )
    loss = "sparse_categorical_crossentropy" if task.outputs else "mse"
    model.compile(keras.optimizers.Adam(2e-3), loss, steps_per_execution=8)
    return model


def _predicted(model: Any, x: Any) -> Any:
    parts = [np.asarray(model(x[at : at + 1000], training=False)) for at in range(0, len(x), 1000)]
    return np.concatenate(parts).astype(float)


def loss_on(model: Any, data: Data) -> float:
    """Return the loss without the penalty."""
    x, truth = data
    return _loss_of(_predicted(model, x), truth)


def _loss_of(predicted: Any, truth: Any) -> float:
    if predicted.shape[1] == 1:
        return float(np.mean((predicted[:, 0] - truth) ** 2))
    likelihoods = np.clip(predicted[np.arange(len(truth)), truth], 1e-7, 1.0)  # as Keras does
    return float(-np.mean(np.log(likelihoods)))


def judge(task: Task, model: Any, sets: Sets) -> Score:
    """Judge a model on the test set, three times."""
    _, (x_val, y_val), (x, y) = sets
    on_val, on_test = _predicted(model, x_val), _predicted(model, x)
    loss = "sparse_categorical_crossentropy" if task.outputs else "mse"
    sure = confidence(on_val, y_val, loss)
    by = sure.temperature if sure else 1.0
    if task.outputs:
        logits = np.log(np.clip(on_test, 1e-7, 1.0)) / by
        tempered = np.exp(logits - logits.max(1, keepdims=True))
        tempered /= tempered.sum(1, keepdims=True)
        right = float((on_test.argmax(1) == y).mean())
    else:
        mean = float(y_val.mean())
        tempered = mean + by * (on_test - mean)
        right = 1 - _loss_of(on_test, y) / float(np.var(y))
    return Score(_loss_of(on_test, y), _loss_of(tempered, y), right, _loss_of(on_val, y_val))


def tables(runs: Runs) -> Iterator[str]:
    """Yield the lines of one table for the held-out tasks, and one for development."""
    for held_out, title in ((True, "held-out tasks"), (False, "tasks for development")):
        chosen = [run for run in runs if run["held_out"] == held_out]
        if not chosen:
            continue
        names = {run["task"] for run in chosen}
        seconds = sum(run["cpu"] for run in chosen)
        yield f"\n{len(names)} {title}, {len(chosen)} runs, {seconds:,.0f} s of one core:\n"
        yield (
            "| arm | log test loss | better | worse by 10 % | share of the grid's gain: loss "
            "| after a temperature | accuracy or R2 |"
        )
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        arms = [arm for arm in chosen[0]["scores"] if arm != "saved"]
        for arm in ("a temperature alone", *arms):
            values = np.array([-gain(run, arm, "loss") for run in chosen])
            low, high = interval(chosen, arm)
            shares = " | ".join(share(chosen, arm, measure) for measure in MEASURES)
            yield (
                f"| {arm} | {per_task(chosen, arm).mean():+.3f} [{low:+.3f}, {high:+.3f}] "
                f"| {np.mean(values < 0):.0%} | {np.mean(values > math.log(1.1)):.0%} | {shares} |"
            )


def gain(run: dict[str, Any], arm: str, measure: str) -> float:
    """Return by how much an arm is better than the saved model; losses by their logarithm."""
    saved, score = run["scores"]["saved"], run["scores"].get(arm)
    if score is None:  # a temperature on the saved model changes its loss alone
        score = {**saved, "loss": saved["tempered"]}
    if measure == "right":
        return float(score[measure] - saved[measure])
    return math.log(saved[measure] / score[measure])


def share(runs: Runs, arm: str, measure: str, grid_arm: str = "grid, last epoch") -> str:
    """Return the share of the grid's gain, over the runs in which it gains something."""
    counted = [run for run in runs if gain(run, grid_arm, measure) > MEASURES[measure]]
    whole = sum(gain(run, grid_arm, measure) for run in counted)
    ours = sum(gain(run, arm, measure) for run in counted)
    return f"{ours / whole:.0%} of {len(counted)}" if whole else "-"


def per_task(runs: Runs, arm: str) -> Any:
    """Return the mean change of the logarithm of the test loss, for each task."""
    names = list(dict.fromkeys(run["task"] for run in runs))
    return np.array(
        [
            np.mean([-gain(run, arm, "loss") for run in runs if run["task"] == name])
            for name in names
        ]
    )


def interval(runs: Runs, arm: str) -> tuple[float, float]:
    """Return the 95 % interval of the mean, bootstrapped over tasks."""
    values, rng = per_task(runs, arm), np.random.default_rng(0)
    means = rng.choice(values, (10_000, len(values))).mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    main()
