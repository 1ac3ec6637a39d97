"""A task of KerasHub: its backbone and its head lie in two files, and it is one model."""

from collections.abc import Mapping

from msgspec.structs import replace

from regaudit.errors import UnreadableModelError
from regaudit.keras_semantics.config_graph import Serialized, config_of, is_layer
from regaudit.keras_semantics.describe import Description, describe
from regaudit.keras_semantics.hub_classes import hub_class, hub_classes
from regaudit.model import Model, Skip
from regaudit.tensors.tensor import TensorGroup

HEAD = "task.weights.h5"
"""The file of the weights that a task has besides its backbone's."""
_BACKBONE = "backbone"
"""Key of the task's configuration, and where its weights are put here."""


def describe_backbone(config: Serialized, metadata: Serialized, stored: TensorGroup) -> Description:
    """Describe a preset without a task.

    Args:
        config: `config.json`.
        metadata: `metadata.json`; empty where there is none.
        stored: the root of the backbone's weights.
    """
    found = describe(config, metadata, stored)
    return replace(found, model=_not_compiled(found.model))


def describe_task(
    task: Serialized,
    backbone: Serialized,
    metadata: Serialized,
    stored: TensorGroup,
    head: TensorGroup | None,
) -> Description:
    """Describe a task with its backbone.

    Args:
        task: `task.json`.
        backbone: `config.json`.
        metadata: `metadata.json`; empty where there is none.
        stored: the root of the backbone's weights.
        head: that of `task.weights.h5`; None where there is no such file.

    Raises:
        UnreadableModelError: one of the configurations is not that of a model.
        UnsafeFileError: layers are nested too deeply.
    """
    for name, one in (("config.json", backbone), ("task.json", task)):
        if not isinstance(one.get("class_name"), str):
            raise UnreadableModelError(f"{name} does not describe a Keras model: it names no class")
    own = config_of(task).get(_BACKBONE)
    config = {**config_of(task), _BACKBONE: backbone}
    groups = head.groups if head else {}
    joined = TensorGroup(
        tensors=head.tensors if head else {},
        groups={**groups, _BACKBONE: stored},
        unreadable=head.unreadable if head else {},
    )
    found = describe({**task, "config": config}, metadata, joined)
    paths = {path: _path_in_file(path) for path in found.tensors}
    model = _not_compiled(_moved(found.model, paths))
    skipped = list(found.skipped)
    if is_layer(own) and own.get("class_name") != backbone.get("class_name"):
        skipped.append(Skip("task.json", _OTHER.format(own.get("class_name"))))
    if head is None and _has_head(task):
        skipped.append(Skip(HEAD, _NO_HEAD))
    tensors = {paths[path]: tensor for path, tensor in found.tensors.items()}
    return Description(model, tensors, tuple(skipped))


_OTHER = "is for a backbone of another class, {}: measured with the one of config.json"
_NO_HEAD = "is not there: a load makes the weights of the head anew"


def _path_in_file(path: str) -> str:
    """Return where values lie: the backbone's as in its own file, the head's below its name."""
    below = path.removeprefix(f"{_BACKBONE}/")
    return below if below != path else f"{HEAD}/{path}"


def _moved(model: Model, paths: Mapping[str, str]) -> Model:
    layers = tuple(
        replace(
            layer,
            weights=tuple(
                replace(weight, stored_path=paths[weight.stored_path]) for weight in layer.weights
            ),
        )
        for layer in model.layers
    )
    return replace(model, layers=layers)


def _not_compiled(model: Model) -> Model:
    """A preset keeps nothing of its compilation, and a task is compiled anew by its own code."""
    return replace(model, compiled=None, optimizer=None, optimizer_known=False)


def _has_head(task: Serialized) -> bool:
    """Whether a task has weights of its own, as far as its class tells."""
    name = hub_class(task)
    row = hub_classes()[name] if name else None
    if row is None:
        return False
    children = [child.class_name for attribute in row.held for child in row.children(attribute)]
    return any(one != "Dropout" and not one.endswith("Backbone") for one in children)
