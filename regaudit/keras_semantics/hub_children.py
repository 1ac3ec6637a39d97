"""The layers that a layer of KerasHub holds, written out as a configuration would have them.

Which they are is in the table; which options they have is there, too, or in the configuration of
the layer that makes them, or to be read off what is stored.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import Serialized, config_of, is_layer, name_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import noted_name, variables_of
from regaudit.keras_semantics.hub_classes import Child, HubClass, hub_class, hub_classes
from regaudit.keras_semantics.layer_table import Slot, all_slots, slots_of
from regaudit.keras_semantics.quantization import has_zero_points, quantization, quantized
from regaudit.model import Layer
from regaudit.tensors.tensor import TensorGroup

_TURNED = ("use_bias", "center", "scale", "tie_weights")
"""Options that say whether a layer of Keras has a weight, all of them on by default."""
_BIAS_AXES = "any"
"""Axes of a bias that is there, and of which nothing more is known."""

Policies = dict[str, dict[str, Any]]
"""Dtype policies by the first name of a path, then by the rest of it."""


class Made(NamedTuple):
    """One layer that another of KerasHub makes."""

    keys: tuple[str, ...]
    """Of its group below that of the other."""
    serialized: Serialized
    hub: str | None
    """Its class in the table; None for Keras's own."""
    known: bool
    """Whether what is stored is what its class makes."""


def makes(name: str, serialized: Serialized, stored: TensorGroup, dialect: Dialect) -> bool:
    """Whether a layer that KerasHub derives from one of Keras makes what is stored of it.

    Args:
        name: of its class in the table.
        serialized: the layer.
        stored: its group.
        dialect: of the Keras that saved the file.
    """
    return _fits({**serialized, "class_name": hub_classes()[name].like}, stored, dialect)


@cache
def handed_on(name: str) -> frozenset[str]:
    """Return the options of a class that it hands on to the layers it makes."""
    row = hub_classes()[name]
    children = [child for attribute in row.held for child in row.children(attribute)]
    return frozenset(
        value[1:]
        for child in children
        for value in child.config.values()
        if isinstance(value, str) and value.startswith("=")
    )


def without_regularizers(serialized: Serialized, keys: Collection[str]) -> Serialized:
    """Return a layer without the regularizers that other layers have of it."""
    config = config_of(serialized)
    taken = {key for key in keys if key.endswith("_regularizer")} & config.keys()
    if not taken:
        return serialized
    own = {key: value for key, value in config.items() if key not in taken}
    return {**serialized, "config": own}


def without_keys(layer: Layer) -> Layer:
    """Return a layer that another makes: no configuration has a key for its weights."""
    if all(weight.regularizer_key is None for weight in layer.weights):
        return layer
    weights = (replace(weight, regularizer_key=None) for weight in layer.weights)
    return replace(layer, weights=tuple(weights))


def held_by(
    name: str,
    serialized: Serialized,
    stored: TensorGroup | None,
    dialect: Dialect,
    *,
    frozen: bool,
) -> Iterator[Made]:
    """Yield the layers that a layer of KerasHub holds, where something is stored of them.

    Args:
        name: of its class in the table.
        serialized: the layer.
        stored: its group.
        dialect: of the Keras that saved the file.
        frozen: whether a model around all of them is frozen.
    """
    row, config = hub_classes()[name], config_of(serialized)
    policies, models = _policies(config), _models(config)
    for keys, group, children in _places(row, stored, ()):
        every = [
            _one_of(models.get(child.class_name, ()), noted_name(group))
            or _written(child, keys, group, config, policies)
            for child in children
        ]
        if not every and len(keys) == 1:
            own = config.get(keys[0])
            every = [own] if is_layer(own) else []
        every = [_frozen(one) for one in every] if frozen else every
        if not _holds(group):  # never built: no weight of it is missed
            every = [one for one in every if not _owns(one, dialect)]
        fitting = (found for one in every if (found := _fitted(one, group, dialect)))
        found = next(fitting, None)
        if found is not None:
            yield Made(keys, found, _hub_name(found), known=True)
        elif every:
            yield Made(keys, every[0], _hub_name(every[0]), known=False)


def _places(
    row: HubClass, stored: TensorGroup | None, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], TensorGroup, list[Child]]]:
    """Yield the groups that may be layers, through lists of them, and what each may be."""
    for key, group in stored.groups.items() if stored else ():
        if key == "vars":
            continue
        spelled = not above or key in _spelled(row, above)
        attribute, *lists = (*above, key if spelled else _without_number(key))
        path = "/".join((attribute, *map(_without_number, lists[:-1]), *lists[-1:]))
        children = row.children(path)
        if children or not _is_list(row, path):
            yield (*above, key), group, children
        else:
            yield from _places(row, group, (*above, key))


def _spelled(row: HubClass, above: tuple[str, ...]) -> set[str]:
    """Return the names of classes in a list; some end in a number that is not a count."""
    start = "/".join(above) + "/"
    return {one.removeprefix(start) for one in row.held if one.startswith(start)}


def _is_list(row: HubClass, path: str) -> bool:
    starts = (f"{path}/", f"_{path.strip('_')}/", f"{path.strip('_')}/")
    return any(one.startswith(starts) for one in row.held)


def _without_number(key: str) -> str:
    return re.sub(r"_\d+$", "", key)


def _written(
    child: Child,
    keys: tuple[str, ...],
    group: TensorGroup,
    config: Mapping[str, Any],
    policies: Policies,
) -> Serialized:
    """Write out one layer of the owner of a configuration: its class, its name, its options."""
    row = hub_classes().get(child.class_name)
    options = {
        key: config.get(value[1:]) if isinstance(value, str) and value[:1] == "=" else value
        for key, value in child.config.items()
        if not (isinstance(value, str) and value[:1] == "=" and value[1:] not in config)
    }
    name = noted_name(group) or _numbered(child.name, keys[-1]) or keys[-1].strip("_")
    options["name"] = name
    _give_policy(options, policies.get(name, {}), below=row is not None and not row.like)
    if row is None:
        return {"class_name": child.class_name, "config": options}
    if row.model:
        return {"class_name": row.model, "config": options, _MADE: child.class_name}
    class_name, _, folder = child.class_name.partition("@")
    return {
        "class_name": class_name,
        "registered_name": f"keras_hub>{class_name}",
        "module": f"keras_hub.{folder}.",
        "config": options,
    }


_MADE = "made by KerasHub"
"""Key of a plain model that a layer of KerasHub makes: its class in the table."""


def _hub_name(serialized: Serialized) -> str | None:
    made = serialized.get(_MADE)
    return made if isinstance(made, str) and made in hub_classes() else hub_class(serialized)


def _models(config: Mapping[str, Any]) -> dict[str, list[Serialized]]:
    """Return the models of KerasHub that a configuration writes out, by class."""
    found: dict[str, list[Serialized]] = {}
    for value in config.values():
        name = hub_class(value) if is_layer(value) else None
        if name is not None:
            found.setdefault(name, []).append(value)
    return found


def _one_of(written: Sequence[Serialized], name: str | None) -> Serialized | None:
    """Return the one of a name, or the first."""
    return next((one for one in written if name_of(one) == name), next(iter(written), None))


def _frozen(serialized: Serialized) -> Serialized:
    return {**serialized, "config": {**config_of(serialized), "trainable": False}}


def _numbered(pattern: str, key: str) -> str:
    """Return the name of a layer of a list by its number there."""
    found = re.search(r"#(\d+)", pattern)
    if found is None:
        return pattern
    number = re.search(r"_(\d{1,9})$", key)
    count = int(found[1]) + (int(number[1]) if number else 0)
    return pattern.replace(found[0], str(count))


def _policies(config: Mapping[str, Any]) -> Policies:
    """Return the dtype policies that a quantized model has of its layers, by path."""
    policy = config.get("dtype")
    every = config_of(policy).get("policy_map") if isinstance(policy, Mapping) else None
    found: Policies = {}
    for path, value in every.items() if isinstance(every, Mapping) else ():
        first, _, rest = str(path).partition("/")
        found.setdefault(first, {})[rest] = value
    return found


def _give_policy(options: dict[str, Any], own: dict[str, Any], *, below: bool) -> None:
    """Note the policy of a layer, or the policies of what it holds.

    The projections of an attention layer are quantized alike.
    """
    if own and below:
        options["dtype"] = {"class_name": "DTypePolicyMap", "config": {"policy_map": own}}
    elif own:
        options["dtype"] = own.get("", next(iter(own.values())))


def _fitted(serialized: Serialized, group: TensorGroup, dialect: Dialect) -> Serialized | None:
    """Return a layer with the options by which it makes what is stored; None if none does so."""
    name = _hub_name(serialized)
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


def _owns(serialized: Serialized, dialect: Dialect) -> bool:
    """Whether a layer is one of Keras's that has weights once it is built."""
    return bool(slots_of(str(serialized.get("class_name")), config_of(serialized), dialect))


def _fits_row(row: HubClass, group: TensorGroup) -> bool:
    """Whether a group has the weights that a class makes, and no attribute that it has not."""
    known = all(
        key == "vars" or row.children(key) or _is_list(row, key)
        for key, one in group.groups.items()
        if _holds(one)
    )
    return known and row.slots(len(variables_of(group))) is not None


def _holds(group: TensorGroup) -> bool:
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
    if any(key.strip("_") not in parts and _holds(one) for key, one in others.items()):
        return False
    for at, own in wanted.items():
        below = group.groups.get(at, group.groups.get(f"_{at}")) if at else group
        if len(variables_of(below)) != len(own):
            return False
    return True
