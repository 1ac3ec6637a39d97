"""Does the advice help? Train, save, suggest, apply, load, train on, test; against other ways.

    python -m benchmarks.advice --json FILE      all tasks, three seeds, under 30 minutes on 2 cores
    python -m benchmarks.advice --json FILE --only development --tasks digits --seeds 1

With --json every run is written down, and a run that is there already is not made again.

Every arm goes on from the same saved model for as many epochs, half of those it was trained for.
The measure is the change of the logarithm of the test loss against the saved model; intervals are
bootstrapped over tasks, whose seeds are averaged first.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

import regaudit
from benchmarks.advice_tasks import TASKS, Task
from regaudit import Edit, Facts

FIXED = {"l2(1e-4)": 1e-4, "l2(1e-3)": 1e-3, "l2(0.01)": 1e-2}
GRID = {**FIXED, "l2(0.1)": 0.1}
STRONGER = {"suggested x 2": 2.0, "suggested x 4": 4.0}
"""The rule with the whole gap and with twice the gap, in place of half of it."""
PASSES = 5
"""How often the training set is gone through between two looks at the validation set."""
ARMS = (
    *("train on without", "suggested", *STRONGER, *FIXED, "suggested without losses"),
    *("early stopping", "suggested and early stopping", "grid search"),
)


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", default="", help="only those whose name contains this")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where every run is written down")
    parser.add_argument("--tables", type=Path, help="print the tables of such a file, run nothing")
    parser.add_argument("--only", choices=["development", "held-out"], help="half of the tasks")
    chosen = parser.parse_args()
    if chosen.tables:
        print("\n".join(tables(json.loads(chosen.tables.read_text(encoding="utf-8")))))
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
        for number, run in enumerate(pool.map(_job, jobs), 1):
            runs.append(run)
            print(
                f"{number}/{len(jobs)} {run['task']}, seed {run['seed']}: {run['cpu']:.0f} s",
                flush=True,
            )
            if chosen.json:
                chosen.json.write_text(json.dumps(runs, indent=1), encoding="utf-8")
    print("\n".join(tables(runs)))


def _job(job: tuple[int, int]) -> dict[str, Any]:
    number, seed = job
    start = time.process_time()
    run = run_task(TASKS[number], seed)
    return {**run, "cpu": time.process_time() - start}


def run_task(task: Task, seed: int) -> dict[str, Any]:
    """Train one model, and go on from it in every way; return the log changes of the test loss."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    import keras  # noqa: PLC0415 - in the workers only

    keras.utils.set_random_seed(seed)
    train, val, test = _split(task, seed)
    model = _model(keras, task, train[0])
    with tempfile.TemporaryDirectory() as folder:
        file, best = Path(folder, "model.keras"), Path(folder, "best.keras")
        keep = keras.callbacks.ModelCheckpoint(best, "val_loss", save_best_only=True)
        _fit(model, train, task.epochs, val, keep)
        model.save(file)
        losses = {"early stopping": _loss(keras.models.load_model(best), test)}
        saved = _loss(model, test)
        facts = Facts(
            train_loss=_loss(model, train),
            val_loss=_loss(model, val),
            val_size=task.val,
            target_variance=None if task.outputs else 1.0,
        )
        losses.update(_arms(keras, task, file, facts, (train, val, test)))
    return {
        "task": task.name,
        "held_out": task.held_out,
        "seed": seed,
        "gap": facts.gap,
        "saved": saved,
        "losses": losses,
        "change": {arm: math.log(loss / saved) for arm, loss in losses.items()},
    }


def _arms(
    keras: Any, task: Task, file: Path, facts: Facts, data: tuple[Any, Any, Any]
) -> Iterator[tuple[str, float]]:
    """Go on from the saved model in every way, each with the data in the same order."""
    _, val, test = data
    proposals = {
        "suggested": regaudit.suggest(regaudit.audit(file), facts),
        "suggested without losses": regaudit.suggest(
            regaudit.audit(file), Facts(target_variance=facts.target_variance)
        ),
    }
    plain = _trained_on(keras, task, file, (), data)
    yield "train on without", _loss(plain, test)
    for name, proposal in proposals.items():
        model = _trained_on(keras, task, file, proposal.edits, data) if proposal.edits else plain
        yield name, _loss(model, test)
    for name, factor in STRONGER.items():
        edits = tuple(_stronger(edit, factor) for edit in proposals["suggested"].edits)
        model = _trained_on(keras, task, file, edits, data) if edits else plain
        yield name, _loss(model, test)
    grid = {0.0: (_loss(plain, val), _loss(plain, test))}
    for name, strength in GRID.items():
        model = _trained_on(keras, task, file, tuple(_uniform(file, strength)), data)
        grid[strength] = (_loss(model, val), _loss(model, test))
        if name in FIXED:
            yield name, grid[strength][1]
    yield "grid search", min(grid.values())[1]
    edits = proposals["suggested"].edits
    keep = keras.callbacks.EarlyStopping(patience=task.epochs, restore_best_weights=True)
    start = file.with_name("best.keras")
    both = _trained_on(keras, task, start, edits, data, keep)
    yield "suggested and early stopping", _loss(both, test)


def _stronger(edit: Edit, factor: float) -> Edit:
    value: dict[str, Any] = dict(edit.value or {})
    config = {name: strength * factor for name, strength in value["config"].items()}
    return replace(edit, value={**value, "config": config})


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


def _trained_on(
    keras: Any, task: Task, file: Path, edits: tuple[Edit, ...], data: Any, *callbacks: Any
) -> Any:
    """Apply edits, load the new file and train on."""
    out = file
    if edits:
        out = file.with_name("edited.keras")
        regaudit.apply(file, edits, out, force=True)
    model = keras.models.load_model(out)
    keras.utils.set_random_seed(1)
    _fit(model, data[0], task.epochs // 2, data[1], *callbacks)
    return model


def _fit(model: Any, train: Any, epochs: int, val: Any, *callbacks: Any) -> None:
    """Train for some epochs, most of which are spent without leaving the graph."""
    x, y = (np.concatenate([part] * PASSES) for part in train)
    model.fit(
        *(x, y),
        epochs=max(epochs // PASSES, 1),
        validation_data=val if callbacks else None,
        verbose=0,
        callbacks=list(callbacks),
    )


def _split(task: Task, seed: int) -> tuple[Any, Any, Any]:
    x, y = task.data(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    cuts = np.split(order, [task.train, task.train + task.val])
    train, val, test = ((x[part], y[part]) for part in cuts)
    return train, val, test


def _model(keras: Any, task: Task, x: Any) -> Any:
    output = keras.layers.Dense(task.outputs or 1, activation="softmax" if task.outputs else None)
    model = keras.Sequential(
        [keras.Input(x.shape[1:], dtype=str(x.dtype)), *task.layers(keras), output]
    )
    loss = "sparse_categorical_crossentropy" if task.outputs else "mse"
    model.compile(keras.optimizers.Adam(2e-3), loss, steps_per_execution=8)
    return model


def _loss(model: Any, data: Any) -> float:
    """Return the loss without the penalty."""
    x, truth = data
    parts = [np.asarray(model(x[at : at + 1000], training=False)) for at in range(0, len(x), 1000)]
    predicted = np.concatenate(parts).astype(float)
    if predicted.shape[1] == 1:
        return float(np.mean((predicted[:, 0] - truth) ** 2))
    likelihoods = np.clip(predicted[np.arange(len(truth)), truth], 1e-7, 1.0)  # as Keras does
    return float(-np.mean(np.log(likelihoods)))


def tables(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of one table for the held-out tasks, and one for development."""
    for held_out, title in ((True, "held-out tasks"), (False, "tasks for development")):
        chosen = [run for run in runs if run["held_out"] == held_out]
        if not chosen:
            continue
        names = {run["task"] for run in chosen}
        seconds = sum(run["cpu"] for run in chosen)
        yield f"\n{len(names)} {title}, {len(chosen)} runs, {seconds:,.0f} s of one core:\n"
        yield "| arm | change of log test loss | better | worse by 10 % | of the grid's gain |"
        yield "| --- | ---: | ---: | ---: | ---: |"
        gain = _mean(chosen, "grid search")
        for arm in ARMS:
            values = np.array([run["change"][arm] for run in chosen])
            low, high = _interval(chosen, arm)
            share = f"{_mean(chosen, arm) / gain:.0%}" if gain < 0 else "-"
            yield (
                f"| {arm} | {_mean(chosen, arm):+.3f} [{low:+.3f}, {high:+.3f}] "
                f"| {np.mean(values < 0):.0%} | {np.mean(values > math.log(1.1)):.0%} | {share} |"
            )


def _per_task(runs: Sequence[dict[str, Any]], arm: str) -> Any:
    names = list(dict.fromkeys(run["task"] for run in runs))
    return np.array(
        [np.mean([run["change"][arm] for run in runs if run["task"] == name]) for name in names]
    )


def _mean(runs: Sequence[dict[str, Any]], arm: str) -> float:
    return float(_per_task(runs, arm).mean())


def _interval(runs: Sequence[dict[str, Any]], arm: str) -> tuple[float, float]:
    """Return the 95 % interval of the mean, bootstrapped over tasks."""
    values, rng = _per_task(runs, arm), np.random.default_rng(0)
    means = rng.choice(values, (10_000, len(values))).mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    main()
