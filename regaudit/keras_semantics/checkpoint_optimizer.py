"""What a checkpoint keeps of optimizers: steps, and the settings that are variables of theirs.

The class is not among them. Keras since 2.11 keeps the rate alone, optimizers before that all that
may change, and only those of TensorFlow Addons a weight decay.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from regaudit.keras_semantics.compile_state import CompileState
from regaudit.keras_semantics.optimizer_classes import RATES
from regaudit.keras_semantics.read_optimizer import read_optimizer
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.keras_semantics.tracked_graph import COUNTERS, INNER, TrackedGraph
from regaudit.model import Optimizer
from regaudit.tensors.tensorflow_checkpoint import Checkpoint

UNKNOWN = "unknown optimizer"
"""Stands for the class."""
_SETTINGS = {
    "_learning_rate": "learning_rate",
    "learning_rate": "learning_rate",
    "lr": "learning_rate",
    "decay": "decay",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "_momentum": "momentum",
    "rho": "rho",
    "beta_1": "beta_1",
    "beta_2": "beta_2",
}
"""Variables of optimizers, and the settings that they are."""
_DEEPEST = 8
"""Optimizers inside each other: more are not looked into."""


def compiled_with(graph: TrackedGraph, checkpoint: Checkpoint) -> CompileState:
    """Return what the objects of a checkpoint tell of the training."""
    optimizers = graph.optimizers
    if len(optimizers) != 1:
        return CompileState(compiled=bool(optimizers) or None, optimizer_known=False)
    number = optimizers[0]
    keys: dict[str, str] = {}
    for _ in range(_DEEPEST):  # what scales the loss may keep them, or leave that to the inner one
        children = graph.nodes[number].children
        keys |= {edge: graph.keys[to] for edge, to in children.items() if to in graph.keys}
        inner = next((children[edge] for edge in INNER if edge in children), None)
        if inner is None:
            break
        number = inner
    steps = _steps((keys[edge] for edge in COUNTERS if edge in keys), checkpoint)
    settings = {
        name: value
        for edge, name in _SETTINGS.items()
        if edge in keys and (value := checkpoint.number(keys[edge])) is not None
    }
    saved = graph.configurations.get(number)
    if saved is not None:
        found = read_optimizer(parse_json(checkpoint.text(saved), saved), None, steps)
        return CompileState(compiled=True, optimizer=found, optimizer_known=found is not None)
    return CompileState(compiled=True, optimizer=_optimizer(settings, steps))


def compiled_by_name(training: Iterable[str], checkpoint: Checkpoint) -> CompileState:
    """Return the same of a checkpoint of TensorFlow 1, from the names of what training keeps."""
    names = sorted(training)
    steps = _steps((name for name in names if _COUNTER.search(name)), checkpoint)
    if not names:
        return CompileState(optimizer_known=False)
    settings: dict[str, Any] = {}
    for name in names:
        scope, _, role = name.rpartition("/")
        if scope and _OF_KERAS.search(scope) and role in _SETTINGS:
            value = checkpoint.number(name)
            if value is not None:
                settings.setdefault(_SETTINGS[role], value)
    several = len({scope for name in names if (scope := _scope(name))}) > 1
    if several:
        return CompileState(compiled=True, optimizer_known=False)
    return CompileState(compiled=True, optimizer=_optimizer(settings, steps))


_COUNTER = re.compile(r"(^|/)(global_step|iterations|iter)$")
_OF_KERAS = re.compile(rf"(^|/)({'|'.join(RATES)}|Nadam|training)(_\d+)?$")


def _scope(name: str) -> str:
    """Return the optimizer that a variable is of, where its name tells that."""
    found = _OF_KERAS.search(name.rpartition("/")[0])
    return found[2] if found and found[2] != "training" else ""


def _steps(keys: Iterable[str], checkpoint: Checkpoint) -> int | None:
    """Return the first count of steps that makes sense."""
    for key in keys:
        value = checkpoint.number(key)
        if value is not None and value.is_integer() and value >= 0:
            return int(value)
    return None


def _optimizer(settings: Mapping[str, Any], steps: int | None) -> Optimizer:
    decays = "weight_decay" in settings
    return Optimizer(
        UNKNOWN,
        settings,
        steps,
        # TensorFlow Addons takes off the whole decay.
        scales_decay=False if decays else None,
        decay_known=decays,
    )
