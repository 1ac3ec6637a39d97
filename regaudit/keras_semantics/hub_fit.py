"""The layers that KerasHub makes, held against what is stored of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import variables_of
from regaudit.keras_semantics.hub_classes import HubClass, hub_class, hub_classes
from regaudit.keras_semantics.layer_table import Slot, all_slots, slots_of
from regaudit.keras_semantics.quantization import has_zero_points, quantization, quantized
from regaudit.tensors.tensor import TensorGroup

_TURNED = ("use_bias", "center", "scale", "tie_weights")
"""Options that say whether a layer of Keras has a weight, all of them on by default."""
_BIAS_AXES = "any"
"""Axes of a bias that is there, and of which nothing more is known."""


def makes(name: str, serialized: Serialized, stored: TensorGroup, dialect: Dialect) -> bool:
    """Whether a layer that KerasHub derives from one of Keras makes what is stored of it.

    Args:
        name: of its class in the table.
        serialized: the layer.
        stored: its group.
        dialect: of the Keras that saved the file.
    """
    return _fits({**serialized, "class_name": hub_classes()[name].like}, stored, dialect)


def fitted(serialized: Serialized, group: TensorGroup, dialect: Dialect) -> Serialized | None:
    """Return a layer with the options by which it makes what is stored; None if none does so."""
    name = hub_class(serialized)
    row = hub_classes()[name] if name else None
    if row is not None and not row.like:
        return serialized if _fits_row(row, group) else None
    class_name = row.like if row else str(serialized.get("class_name"))
    if all_slots(class_name, before_keras_3=dialect.before_keras_3) is None:
        return None
    as_keras = {**serialized, "class_name": class_name}
    for turned in _ways(class_name, config_of(serialized)):
        config = {**config_of(serialized), **turned}
        if _fits({**as_keras, "config": config}, group, dialect):
            return {**serialized, "config": config} if turned else serialized
    return None


def owns(serialized: Serialized, dialect: Dialect) -> bool:
    """Whether a layer is one of Keras's that has weights once it is built."""
    return bool(slots_of(str(serialized.get("class_name")), config_of(serialized), dialect))


def _fits_row(row: HubClass, group: TensorGroup) -> bool:
    """Whether a group has the weights that a class makes, and no attribute that it has not."""
    known = all(
        key == "vars" or row.children(key) or row.lists(key)
        for key, one in group.groups.items()
        if holds(one)
    )
    return known and row.slots(len(variables_of(group))) is not None


def holds(group: TensorGroup) -> bool:
    """Whether there are weights in a group, or in those below it."""
    return any(one.tensors or one.unreadable for _, one in group.walk())


def _ways(class_name: str, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield changes of options that change what a layer of Keras stores, none first."""
    yield {}
    if class_name == "EinsumDense":
        yield {"bias_axes": None if config.get("bias_axes") else _BIAS_AXES}
        return
    for key in _TURNED:
        yield {key: not config.get(key, True)}
    yield {"center": False, "scale": False}


def _fits(serialized: Serialized, group: TensorGroup, dialect: Dialect) -> bool:
    """Whether a group holds as many weights as a layer of Keras with these options would have."""
    slots = slots_of(str(serialized["class_name"]), config_of(serialized), dialect)
    mode = quantization(serialized, slots, group)
    if mode:
        slots = quantized(slots, mode, grouped=has_zero_points(slots, mode, group))
    wanted: dict[str, list[Slot]] = {"": []}
    for slot in slots:
        wanted.setdefault(slot.at, []).append(slot)
    parts = {at.strip("_") for at in wanted}
    others = {key: one for key, one in group.groups.items() if key != "vars"}
    if any(key.strip("_") not in parts and holds(one) for key, one in others.items()):
        return False
    for at, own in wanted.items():
        below = group.groups.get(at, group.groups.get(f"_{at}")) if at else group
        if len(variables_of(below)) != len(own):
            return False
    return True
