"""A TensorFlow checkpoint described as a model, by its objects or by the names of its variables."""

from collections.abc import Mapping
from contextlib import suppress

from regaudit.errors import UnreadableModelError, UnsafeFileError, shown
from regaudit.keras_semantics.checkpoint_optimizer import compiled_by_name, compiled_with
from regaudit.keras_semantics.compile_state import CompileState, compiled_by
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.configuration_file import parse_configuration
from regaudit.keras_semantics.describe import (
    NO_CONFIGURATION,
    Description,
    freezes_all,
    make_model,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.loaded_variables import counted
from regaudit.keras_semantics.match_by_edges import UNCLAIMED, EdgeJoin
from regaudit.keras_semantics.match_by_name import LegacyJoin
from regaudit.keras_semantics.match_by_order import refuse
from regaudit.keras_semantics.told import marked
from regaudit.keras_semantics.tracked_graph import TrackedGraph
from regaudit.keras_semantics.variable_names import Names, groups_of, sort_out
from regaudit.keras_semantics.which_keras import loading_version
from regaudit.keras_semantics.whole_configuration import check_configuration
from regaudit.model import Model, Skip
from regaudit.tensors.checkpoint_objects import TrackedObjects, read_tracked
from regaudit.tensors.tensor import Stored
from regaudit.tensors.tensorflow_checkpoint import VALUE, Checkpoint

KERAS_2 = Dialect((2, 15, 0))
"""Of a checkpoint without a configuration: only Keras 2 writes them by itself."""
_MOST_MODELS = 64
"""Objects of a checkpoint that a configuration is tried on."""


def describe_checkpoint(checkpoint: Checkpoint, architecture: Serialized | None) -> Description:
    """Describe a checkpoint; without the architecture of a model no layer is known.

    Args:
        checkpoint: its index.
        architecture: the configuration beside it.

    Raises:
        UnreadableModelError: it is damaged, or TensorFlow does not load it into the architecture.
    """
    objects = read_tracked(checkpoint)
    if objects is None:
        return _by_names(checkpoint, architecture)
    graph = TrackedGraph(objects, checkpoint)
    if architecture is None and (saved := _saved_along(objects, checkpoint)):
        with suppress(UnreadableModelError):
            return _by_objects(graph, checkpoint, saved)
    return _by_objects(graph, checkpoint, architecture)


def _saved_along(objects: TrackedObjects, checkpoint: Checkpoint) -> Serialized | None:
    """Return the configuration of the model that TensorFlow up to 1.13 saved along."""
    key = objects.configurations.get(0)
    if key is None:
        return None
    found = parse_configuration(checkpoint.text(key), key)
    return {"keras_version": "2.2.4-tf", **found} if found.get("class_name") else None


def _by_objects(
    graph: TrackedGraph, checkpoint: Checkpoint, architecture: Serialized | None
) -> Description:
    state = compiled_with(graph, checkpoint)
    if architecture is None:
        join = EdgeJoin(KERAS_2, graph=graph, checkpoint=checkpoint)
        join.finish(NO_CONFIGURATION)
        _note_lost(join, graph, checkpoint)
        return _alone(join, state)
    version = loading_version(architecture, None)
    check_configuration(architecture, "the configuration")
    join = _join_by_edges(architecture, graph, checkpoint, Dialect.of(version, KERAS_2.version))
    join.finish(UNCLAIMED)
    if others := graph.others(join.root):
        names = ", ".join(others[:5]) + (f" and {len(others) - 5:,} more" * (len(others) > 5))
        join.skipped.append(Skip("(checkpoint)", f"also holds {names}: not part of this model"))
    _note_lost(join, graph, checkpoint)
    return _whole(join, architecture, version, state)


def _note_lost(join: EdgeJoin, graph: TrackedGraph, checkpoint: Checkpoint) -> None:
    """Say that there are values that no object refers to."""
    known = set(graph.keys.values())
    if lost := sum(key.endswith(VALUE) and key not in known for key in checkpoint.entries):
        text = f"{counted(lost, 'tensor')} that no object of it has: not loaded, not measured"
        join.skipped.append(Skip("(checkpoint)", text))


def _join_by_edges(
    model: Serialized, graph: TrackedGraph, checkpoint: Checkpoint, dialect: Dialect
) -> EdgeJoin:
    """Join a configuration with the object of a checkpoint that it fits.

    Args:
        model: the configuration.
        graph: of the checkpoint.
        checkpoint: its values.
        dialect: of the Keras that loads them.

    Raises:
        UnreadableModelError: it fits none, or more than one.
    """
    frozen = freezes_all(model) and not dialect.before_keras_3
    fault: UnreadableModelError | None = None
    found: list[EdgeJoin] = []
    for root in graph.models()[:_MOST_MODELS]:
        join = EdgeJoin(dialect, frozen, graph=graph, checkpoint=checkpoint, root=root)
        try:
            join.place(model)
        except UnsafeFileError:
            raise
        except UnreadableModelError as error:
            fault = fault or error
        else:
            found.append(join)
    best = max((join.matched for join in found), default=0)
    if not best:
        if fault:
            raise fault
        slots = any(planned.slots for join in found for planned in join.plans)
        if slots and any(True for _ in graph.weights()):
            refuse("the checkpoint has none of its weights where TensorFlow looks for them")
        return found[0]
    chosen = [join for join in found if join.matched == best]
    if len(chosen) > 1:
        names = " and ".join(shown(graph.chain(join.root, {}) or "") for join in chosen[:3])
        raise UnreadableModelError(
            f"the configuration fits {len(chosen):,} models of this checkpoint, {names}: which of "
            "them is meant cannot be told"
        )
    return chosen[0]


def _by_names(checkpoint: Checkpoint, architecture: Serialized | None) -> Description:
    names = sort_out(checkpoint)
    state = compiled_by_name(names.training, checkpoint)
    if architecture is None:
        join = LegacyJoin(KERAS_2)
        for owner, stored in _by_owner(join, names, checkpoint).items():
            join.unattributed(owner, stored, NO_CONFIGURATION)
        _note_averages(join, names)
        return _alone(join, state)
    check_configuration(architecture, "the configuration")
    version = loading_version(architecture, None)
    join = LegacyJoin(Dialect.of(version, KERAS_2.version))
    groups = groups_of(names, architecture).items()
    join.walk(architecture, {name: _stored(join, found, checkpoint) for name, found in groups})
    if names.weights and not any(layer.class_name and layer.weights for layer in join.layers):
        refuse("no variable of the checkpoint is named for one of its layers")
    _note_averages(join, names)
    return _whole(join, architecture, version, state)


def _by_owner(join: LegacyJoin, names: Names, checkpoint: Checkpoint) -> Mapping[str, Stored]:
    """Return the weights by what stands before their roles."""
    owners: dict[str, list[str]] = {}
    for name in names.weights:
        owners.setdefault(name.rpartition("/")[0], []).append(name)
    return {owner: _stored(join, found, checkpoint) for owner, found in owners.items()}


def _stored(join: LegacyJoin, names: list[str], checkpoint: Checkpoint) -> Stored:
    """Return the values of variables by name; note those that cannot be measured."""
    found = {}
    for name in names:
        if why := checkpoint.unfit(name):
            join.skipped.append(Skip(name, why))
        else:
            found[name] = (name, checkpoint.tensor(name))
    return found


def _note_averages(join: LegacyJoin, names: Names) -> None:
    if names.averages:
        text = f"{counted(len(names.averages), 'moving average')} of weights: not measured"
        join.skipped.append(Skip("(averages)", text))


def _alone(join: LegacyJoin, state: CompileState) -> Description:
    """Describe weights that no configuration lies beside."""
    skipped = [skip for skip in join.skipped if skip.reason != NO_CONFIGURATION]
    model = Model("", "", marked(join.layers, KERAS_2), **state._asdict())
    return Description(model, join.tensors, (Skip("(model)", NO_CONFIGURATION), *skipped))


def _whole(
    join: LegacyJoin, architecture: Serialized, version: str | None, state: CompileState
) -> Description:
    """Describe a model whose configuration lies beside its weights."""
    steps = state.optimizer.iterations if state.optimizer else None
    if architecture.get("compile_config"):
        rate = state.optimizer.learning_rate if state.optimizer else None
        state = compiled_by(
            architecture["compile_config"], "optimizer", version, steps=steps, rate=rate
        )
    model = make_model(
        architecture,
        join.layers,
        keras_version=version or ".".join(map(str, KERAS_2.version)),
        compiled=state,
    )
    return Description(model, join.tensors, tuple(join.skipped))
