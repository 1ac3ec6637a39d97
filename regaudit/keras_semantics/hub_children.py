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
from regaudit.keras_semantics.group_names import noted_name
from regaudit.keras_semantics.hub_classes import MADE, Child, HubClass, hub_class, hub_classes
from regaudit.keras_semantics.hub_fit import fitted, holds, owns
from regaudit.model import Layer
from regaudit.tensors.tensor import TensorGroup

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
        own = config.get(keys[0])
        if not every and len(keys) == 1 and is_layer(own):
            own = _frozen(own) if frozen else own
            yield Made(keys, own, hub_class(own), known=True)
        every = [_frozen(one) for one in every] if frozen else every
        if not holds(group):  # never built: no weight of it is missed
            every = [one for one in every if not owns(one, dialect)]
        fitting = (found for one in every if (found := fitted(one, group, dialect)))
        found = next(fitting, None)
        if found is not None:
            yield Made(keys, found, hub_class(found), known=True)
        elif every:
            yield Made(keys, every[0], hub_class(every[0]), known=False)


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
        if children or not row.lists(path):
            yield (*above, key), group, children
        else:
            yield from _places(row, group, (*above, key))


def _spelled(row: HubClass, above: tuple[str, ...]) -> set[str]:
    """Return the names of classes in a list; some end in a number that is not a count."""
    start = "/".join(above) + "/"
    return {one.removeprefix(start) for one in row.held if one.startswith(start)}


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
        return {"class_name": row.model, "config": options, MADE: child.class_name}
    class_name, _, folder = child.class_name.partition("@")
    return {
        "class_name": class_name,
        "registered_name": f"keras_hub>{class_name}",
        "module": f"keras_hub.{folder}.",
        "config": options,
    }


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
