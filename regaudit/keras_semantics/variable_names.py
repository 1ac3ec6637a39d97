"""Checkpoints of TensorFlow 1, which know variables by name alone: weights and what is none."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from regaudit.keras_semantics.config_graph import Serialized, layers_of, members, name_of
from regaudit.keras_semantics.held_layers import held_layers
from regaudit.keras_semantics.optimizer_classes import RATES
from regaudit.tensors.tensorflow_checkpoint import BundleEntry, Checkpoint

_COUNTERS = frozenset(
    {
        "global_step",
        "save_counter",
        "beta1_power",
        "beta2_power",
        "iter",
        "iterations",
        "learning_rate",
        "loss_scale",
        "good_steps",
        "global_epoch",
    }
)
"""Last parts of names of single numbers that training keeps."""
_OF_OPTIMIZER = re.compile(rf"^(training(_\d+)?/)?({'|'.join(RATES)}|TFOptimizer)(_\d+)?/")
"""How the names of what an optimizer of Keras keeps begin."""
_AVERAGE = "ExponentialMovingAverage"
_SLOT = re.compile(
    rf"(Adam|AdamAsync|AdaMax|AdamW|Nadam|Momentum|RMSProp|Adagrad|AdagradDA|Ftrl|Adadelta|"
    rf"ProximalAdagrad|LAMB|v[rc]|{_AVERAGE}|[A-Z]\w*Optimizer)(_\d+)?"
)
"""What TensorFlow calls the variables that an optimizer keeps for another one, by default."""


_DEEPEST = 8
"""Scopes around the name of a weight that are looked into."""


class Names(Struct, frozen=True):
    """The variables of a checkpoint, sorted out."""

    weights: tuple[str, ...]
    training: tuple[str, ...]
    """Counters, and what optimizers keep for weights."""
    averages: tuple[str, ...]
    """Moving averages of weights: they may be what a model is used with."""


def sort_out(checkpoint: Checkpoint) -> Names:
    """Tell the weights of a checkpoint from the rest, by name."""
    weights, training, averages = [], [], []
    for name, entry in checkpoint.entries.items():
        base, _, last = name.rpartition("/")
        if last.startswith(_AVERAGE) and base in checkpoint.entries:
            averages.append(name)
        elif _is_of_training(name, entry, checkpoint.entries):
            training.append(name)
        else:
            weights.append(name)
    return Names(tuple(weights), tuple(training), tuple(averages))


def _is_of_training(name: str, entry: BundleEntry, entries: Mapping[str, BundleEntry]) -> bool:
    base, _, last = name.rpartition("/")
    if entry.shape == () and re.sub(r"_\d+$", "", last) in _COUNTERS:
        return True
    if _OF_OPTIMIZER.match(name):
        return True
    for _ in range(_DEEPEST):  # a slot may be kept in a scope around the name of its weight
        if base in entries:
            return entries[base].shape == entry.shape or _SLOT.fullmatch(last) is not None
        base = base.partition("/")[2]
    return False


def groups_of(names: Names, model: Serialized) -> dict[str, list[str]]:
    """Return the weights by the layer of the outermost model that their names tell.

    Args:
        names: of the checkpoint.
        model: the configuration.
    """
    owners = {name: name_of(layer) for layer in members(model) for name in _names_in(layer)}
    found: dict[str, list[str]] = {}
    for name in names.weights:
        parts = name.split("/")[:-1]
        owner = next((owners[part] for part in parts if part in owners), "/".join(parts))
        found.setdefault(owner, []).append(name)
    return found


def _names_in(layer: Serialized) -> Iterator[str]:
    """Yield the names of a layer and of all inside it, its own last."""
    waiting = [layer]
    found = []
    while waiting:
        one = waiting.pop()
        found.append(name_of(one))
        waiting += members(one) if layers_of(one) else ()
        waiting += (
            inner for held in held_layers(one, before_keras_3=True) for inner in held.layers
        )
    yield from reversed(found)
