"""What a weights file holds beyond the layers of its configuration: nothing in it is dropped."""

from collections.abc import Collection

from regaudit.keras_semantics.group_names import noted_name, number_first
from regaudit.keras_semantics.layer_table import Slot
from regaudit.keras_semantics.match_by_path import Join
from regaudit.model import Layer, Skip
from regaudit.tensors.tensor import TensorGroup

UNCLAIMED = "no layer of the configuration has it: measured, but its role is unknown"

_TF_IDF = "idf_weights"
"""A table that layers which look values up store: no weights, whatever it is called."""


def sweep(join: Join, stored: TensorGroup, training: Collection[str]) -> None:
    """Take in every stored variable that no layer has claimed, but those of training.

    Args:
        join: of the configuration.
        stored: the root of the weights file.
        training: paths of the groups of optimizers and metrics.
    """
    found: set[str] = set()
    apart = tuple(f"{path}/" for path in training)
    for group_path, group in stored.walk():
        if f"{group_path}/".startswith(apart):
            continue
        for key, reason in group.unreadable.items():
            join.skipped.append(Skip(f"{group_path}/{key}", reason))
        known = (join.tensors, join.no_weights)
        free = [
            key
            for key in group.tensors
            if key != _TF_IDF and not any(f"{group_path}/{key}" in paths for paths in known)
        ]
        if free:
            path = _noted_path(join, stored, group_path)
            if path in found:  # lists may hold layers of one class: name them too
                path = _noted_path(join, stored, group_path, lists=True)
            found.add(path)
            _unattributed(join, path, group_path, group, sorted(free, key=number_first))


def _noted_path(join: Join, stored: TensorGroup, group_path: str, *, lists: bool = False) -> str:
    """Path of a layer that only the weights file knows: by noted names below a known layer.

    Args:
        join: of the configuration.
        stored: the root of the weights file.
        group_path: of the layer's variables.
        lists: whether to name the lists of layers that it goes through.
    """
    path, walked, group = "", "", stored
    for key in filter(None, group_path.split("/")):  # the root has no name
        if key == "vars":
            break
        walked = f"{walked}/{key}".lstrip("/")
        group = group.groups[key]
        if walked in join.owners:
            path = join.owners[walked]
        elif lists or "vars" in group.groups or not group.groups:  # a list has no variables
            path = "/".join(filter(None, (path, noted_name(group) or key)))
    return path


def _unattributed(
    join: Join, path: str, group_path: str, group: TensorGroup, keys: list[str]
) -> None:
    """Variables in a group that the configuration says nothing about."""
    name = path.rpartition("/")[2]
    weights = []
    told = bool(join.owners)  # else there is no configuration: all of them may be statistics
    for key in keys:
        slot = Slot(f"variable_{key}")
        stored_path = f"{group_path}/{key}".lstrip("/")
        weights.append(
            join.weight(
                slot, group.tensors[key], path, stored_path, trainable=told and not join.root_frozen
            )
        )
    join.layers.append(
        Layer(path, name, "", {}, trainable=True, known=False, weights=tuple(weights))
    )
    join.skipped.append(Skip(path or "(model)", UNCLAIMED))
