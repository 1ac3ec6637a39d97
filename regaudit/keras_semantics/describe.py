"""Keras's JSON: a configuration and the tensors of its weights file described as a model."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.keras_semantics.build import class_name_of, is_custom, own_flag
from regaudit.keras_semantics.compile_state import CompileState, compiled_in
from regaudit.keras_semantics.config_graph import Serialized, config_of, graph, layers_of, name_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import unfolded
from regaudit.keras_semantics.match_by_path import Join
from regaudit.keras_semantics.metric_state import metric_groups
from regaudit.keras_semantics.told import marked, with_freezing_untold
from regaudit.keras_semantics.training_state import training_groups
from regaudit.keras_semantics.unmatched import UNCLAIMED, sweep
from regaudit.keras_semantics.whole_configuration import check_configuration
from regaudit.model import Layer, Model, Skip
from regaudit.tensors.tensor import Tensor, TensorGroup

NO_CONFIGURATION = (
    "regularizers are unknown: this file has no configuration; "
    "give the model's to_json() with --config model.json"
)


class Description(Struct, frozen=True):
    """A model and where the values of its weights lie."""

    model: Model
    tensors: Mapping[str, Tensor]
    """By `Weight.stored_path`."""
    skipped: tuple[Skip, ...]


def describe(config: Serialized, metadata: Serialized, stored: TensorGroup) -> Description:
    """Join a Keras 3 configuration with the tensors of its weights file.

    Args:
        config: the root of `config.json`.
        metadata: `metadata.json`; empty where there is none.
        stored: the root group of the weights file.

    Raises:
        UnreadableModelError: the configuration is not that of a model.
        UnsafeFileError: models are nested too deeply.
    """
    if not isinstance(config.get("class_name"), str):
        raise UnreadableModelError("config.json does not describe a Keras model: it names no class")
    check_configuration(config, "config.json")
    version = _text(metadata.get("keras_version"))
    dialect = Dialect.of(version)
    join = Join(dialect, root_frozen=freezes_all(config) and not dialect.before_keras_3)
    stored, folded = unfolded(stored)
    join.walk(config, stored)
    training = training_groups(stored)
    sweep(join, stored, {*training, *metric_groups(stored)})
    _put_back(join, folded)
    if is_custom(config) and not own_flag(config) and not layers_of(config):
        join.layers = with_freezing_untold(join.layers)
    model = make_model(
        config,
        join.layers,
        keras_version=version,
        saved_at=_text(metadata.get("date_saved")),
        compiled=compiled_in(config, version, training, join.nested),
    )
    return Description(model, join.tensors, tuple(join.skipped))


def make_model(
    serialized: Serialized,
    layers: list[Layer],
    *,
    keras_version: str | None,
    saved_at: str | None = None,
    compiled: CompileState,
) -> Model:
    """Make the model out of its configuration and the layers found in the file.

    Args:
        serialized: the root of the configuration.
        layers: of the model, with their weights.
        keras_version: that saved the file.
        saved_at: when.
        compiled: what the file says of its compilation.

    Raises:
        UnsafeFileError: models are nested too deeply.
    """
    try:
        nodes, outputs = graph(serialized)
    except RecursionError as error:
        raise UnsafeFileError("layers are nested too deeply") from error
    return Model(
        name=name_of(serialized),
        class_name=class_name_of(serialized),
        layers=marked(layers, Dialect.of(keras_version)),
        keras_version=keras_version,
        saved_at=saved_at,
        **compiled._asdict(),
        nodes=nodes,
        outputs=outputs,
    )


def shards_of(index: Serialized) -> list[str]:
    """Return the file names in a list of shards.

    Raises:
        UnsafeFileError: a name that leads out of the folder.
        UnreadableModelError: it lists none.
    """
    entries = index.get("weight_map")
    names: dict[str, None] = {}
    for entry in entries.values() if isinstance(entries, Mapping) else ():
        for name in entry if isinstance(entry, list) else [entry]:
            if not isinstance(name, str) or not re.fullmatch(r"[^/\\\0]+\.weights\.h5", name):
                raise UnsafeFileError(f"{name!r} is not the name of a shard next to the list")
            names[name] = None
    if not names:
        raise UnreadableModelError("the list of shards is empty")
    return list(names)


def describe_weights(stored: TensorGroup, architecture: Serialized | None) -> Description:
    """Describe a file of weights alone; without the model's architecture no layer is known.

    Raises:
        UnsafeFileError: models are nested too deeply.
    """
    if architecture is not None:
        found = describe(architecture, architecture, stored)
        if found.model.compiled:
            return found
        # An architecture does not tell either.
        return replace(found, model=replace(found.model, compiled=None, optimizer_known=False))
    join = Join(Dialect.of(None), root_frozen=False)
    stored, folded = unfolded(stored)
    training = training_groups(stored)
    sweep(join, stored, {*training, *metric_groups(stored)})
    _put_back(join, folded)
    unreadable = [skip for skip in join.skipped if skip.reason != UNCLAIMED]
    model = Model(
        name="",
        class_name="",
        layers=marked(join.layers, join.dialect),
        compiled=bool(training) or None,
        optimizer_known=False,
    )
    return Description(model, join.tensors, (Skip("(model)", NO_CONFIGURATION), *unreadable))


def _put_back(join: Join, folded: Mapping[str, str]) -> None:
    """Give weights the paths that they have in the file, where groups had to be unfolded."""
    if not folded:
        return
    paths = {}
    for path in join.tensors:
        group, slash, rest = path.rpartition("/vars/")
        paths[path] = f"{folded.get(group, group)}{slash}{rest}"
    join.tensors = {paths[path]: tensor for path, tensor in join.tensors.items()}
    join.layers = [
        replace(
            layer,
            weights=tuple(
                replace(weight, stored_path=paths[weight.stored_path]) for weight in layer.weights
            ),
        )
        for layer in join.layers
    ]


def freezes_all(root: Serialized) -> bool:
    """A loaded Functional model applies its own flag to everything; a Sequential ignores it."""
    return "input_layers" in config_of(root) and not own_flag(root)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
