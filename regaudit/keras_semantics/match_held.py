"""Which stored group is which of the layers that a custom object writes into its configuration.

Its code alone knows the attributes that hold them. A key of the same name says it, else the name
of the layer that Keras 3.6 and later note in the group, else what fits nowhere but there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from regaudit.keras_semantics.build import has_regularizers, is_custom
from regaudit.keras_semantics.config_graph import (
    Serialized,
    config_of,
    layers_of,
    members,
    name_of,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import group_names, noted_name, variables_of
from regaudit.keras_semantics.held_layers import Held, held_layers
from regaudit.keras_semantics.layer_table import KERNEL_ROLES, WRAPPED, Slot, is_built_in, slots_of
from regaudit.tensors.tensor import Tensor, TensorGroup

Keys = tuple[str, ...]
"""Of groups, one below the other."""

_DEEPEST = 3
"""Lists and dictionaries around a layer that are looked into."""
_MOST = 200
"""Layers, and groups, that are compared with each other."""
_MOST_GROUPS = 10_000


def locate(
    held: list[Held], stored: TensorGroup | None, dialect: Dialect
) -> tuple[list[tuple[Serialized, Keys]], list[Serialized]]:
    """Return the layers that a custom object holds with their groups, and those that have none.

    Args:
        held: what its configuration holds.
        stored: its own group.
        dialect: of the Keras that saved the file.
    """
    every = list({id(config_of(layer)): layer for one in held for layer in one.layers}.values())
    if stored is None:
        return [], every
    found = list(
        {
            id(config_of(layer)): (layer, keys) for layer, keys in _by_attribute(held, stored)
        }.values()
    )
    placed = {id(config_of(layer)) for layer, _ in found}
    left = [layer for layer in every if id(config_of(layer)) not in placed]
    taken = {keys for _, keys in found}
    groups = islice(_groups(stored), _MOST_GROUPS)
    free = {keys: group for keys, group in groups if not _within(keys, taken)}
    for pick in (_by_name, _by_fit):
        more = pick(left, free, dialect)
        found += more
        placed = {id(config_of(layer)) for layer, _ in more}
        left = [layer for layer in left if id(config_of(layer)) not in placed]
        taken = {keys for _, keys in more}
        free = {keys: group for keys, group in free.items() if not _within(keys, taken)}
    return found, left


def _by_attribute(held: list[Held], stored: TensorGroup) -> Iterator[tuple[Serialized, Keys]]:
    """Yield the layers whose key names the group; it may be private in one of the two."""
    attributes = {one.attribute.strip("_"): one for one in reversed(held)}
    exact = {one.attribute: one for one in reversed(held)}
    names = {name_of(layer) for one in held for layer in one.layers}
    for key, group in stored.groups.items():
        one = exact.get(key) or attributes.get(key.strip("_"))
        if one is None:
            continue
        if one.is_list:
            layers = list(one.layers)
            for layer, inner in zip(layers, group_names(layers, group), strict=True):
                if inner in group.groups:
                    yield layer, (key, inner)
        elif noted_name(group) in {None, *one.names} or noted_name(group) not in names:
            yield one.layers[0], (key,)


def _by_name(
    left: list[Serialized], free: Mapping[Keys, TensorGroup], _dialect: Dialect
) -> list[tuple[Serialized, Keys]]:
    """Return the layers whose name is noted in one group alone."""
    names = Counter(map(name_of, left))
    noted = Counter(noted_name(group) for group in free.values())
    places = {noted_name(group): keys for keys, group in free.items()}
    return [
        (layer, places[name])
        for layer in left
        if names[name := name_of(layer)] == 1 and noted[name] == 1
    ]


def _by_fit(
    left: list[Serialized], free: Mapping[Keys, TensorGroup], dialect: Dialect
) -> list[tuple[Serialized, Keys]]:
    """Return the layers that fit one group alone, which no other layer fits."""
    unnamed = {keys: group for keys, group in free.items() if noted_name(group) is None}
    if max(len(left), len(unnamed)) > _MOST:
        return []
    fitting = [
        [keys for keys, group in unnamed.items() if fits(layer, group, dialect)] for layer in left
    ]
    wanted = Counter(keys for places in fitting for keys in places)
    return [
        (layer, places[0])
        for layer, places in zip(left, fitting, strict=True)
        if len(places) == 1 and wanted[places[0]] == 1
    ]


def fits(serialized: Serialized, group: TensorGroup | None, dialect: Dialect) -> bool:
    """Whether a group holds just the weights that a layer of Keras would have."""
    if group is None or is_custom(serialized):
        return False
    if layers_of(serialized):
        container = group.groups.get("layers", group.groups.get("_layer_checkpoint_dependencies"))
        inner = members(serialized)
        pairs = zip(inner, group_names(inner, container), strict=True)
        below = container.groups if container else {}
        return container is not None and all(
            fits(layer, below.get(key), dialect) for layer, key in pairs if _owns(layer, dialect)
        )
    if str(serialized.get("class_name")) in WRAPPED:
        held = held_layers(serialized, before_keras_3=dialect.before_keras_3)
        return all(
            not one.is_list and fits(one.layers[0], group.groups.get(one.attribute), dialect)
            for one in held
        )
    return _owns(serialized, dialect) and _fits_slots(serialized, group, dialect)


def matters(layer: Serialized, dialect: Dialect) -> bool:
    """Whether a layer that was found nowhere is Keras's own, with weights or penalties."""
    own = is_built_in(str(layer.get("class_name"))) and not is_custom(layer)
    return own and (_owns(layer, dialect) or has_regularizers(layer))


def _owns(serialized: Serialized, dialect: Dialect) -> bool:
    """Whether a layer is one that has weights."""
    class_name = str(serialized.get("class_name"))
    inside = bool(layers_of(serialized)) or class_name in WRAPPED
    return inside or bool(slots_of(class_name, config_of(serialized), dialect))


def _fits_slots(serialized: Serialized, group: TensorGroup, dialect: Dialect) -> bool:
    config = config_of(serialized)
    by_place: dict[str, list[Slot]] = {}
    for slot in slots_of(str(serialized.get("class_name")), config, dialect):
        by_place.setdefault(slot.at, []).append(slot)
    for at, slots in by_place.items():
        there = group.groups.get(at, group.groups.get(f"_{at}")) if at else group
        variables = variables_of(there)
        if len(variables) != len(slots):
            return False
        pairs = zip(slots, variables, strict=True)
        if not all(_fits_shape(slot, tensor, serialized) for slot, (_, tensor) in pairs):
            return False
    return True


def _fits_shape(slot: Slot, tensor: Tensor, serialized: Serialized) -> bool:
    """Whether a weight has as many outputs, and a dense kernel as many inputs, as is written."""
    config = config_of(serialized)
    size = config.get("units", config.get("filters", config.get("output_dim")))
    view = slot.units(tensor.shape, config) if slot.role in KERNEL_ROLES else None
    if view is None or not isinstance(size, int) or slot.role == "depthwise_kernel":
        return True
    build = serialized.get("build_config")
    inputs = build.get("input_shape") if isinstance(build, Mapping) else None
    if serialized.get("class_name") == "Dense" and isinstance(inputs, list):
        return view.units == size and tensor.shape[:1] == tuple(inputs[-1:])
    return view.units == size


def _groups(stored: TensorGroup, above: Keys = ()) -> Iterator[tuple[Keys, TensorGroup]]:
    """Yield the groups that may be those of layers, through lists and dictionaries of layers."""
    for key, group in stored.groups.items():
        if key != "vars":
            yield (*above, key), group
            if "vars" not in group.groups and len(above) < _DEEPEST:
                yield from _groups(group, (*above, key))


def _within(keys: Keys, taken: set[Keys]) -> bool:
    """Whether a group is one that is taken, inside one, or around one."""
    return any(keys[: len(one)] == one or one[: len(keys)] == keys for one in taken)
