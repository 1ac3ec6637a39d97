"""The layers that a wrapper or a custom layer holds in its configuration.

Models are another matter: they list their layers, see `config_graph.members`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.config_graph import Serialized, config_of, is_layer, name_of
from regaudit.keras_semantics.layer_table import WRAPPED_OF_KERAS_2, all_slots

_NO_LAYERS = ("_regularizer", "_constraint", "_initializer")
"""Endings of keys whose values are written like layers and are not layers."""


class Held(NamedTuple):
    """What a layer holds in one of its attributes."""

    attribute: str
    layers: tuple[Serialized, ...]
    """As the configuration has them."""
    names: tuple[str, ...]
    """Those that a load gives them."""
    is_list: bool = False
    """Whether the attribute is a list of layers."""

    def renamed(self) -> list[Serialized]:
        """Return the layers under the names that a load gives them."""
        return [
            layer
            if name == name_of(layer)
            else {**layer, "name": name, "config": {**config_of(layer), "name": name}}
            for layer, name in zip(self.layers, self.names, strict=True)
        ]


def held_layers(layer: Serialized, *, before_keras_3: bool) -> Iterator[Held]:
    """Yield what a wrapper or a custom layer holds, by attribute; nothing for other layers.

    Args:
        layer: its configuration.
        before_keras_3: whether Keras 1 or 2 saved it.
    """
    config = config_of(layer)
    if layer.get("class_name") == "Bidirectional" and not is_custom(layer):
        yield from _both_ways(config, before_keras_3=before_keras_3)
        return
    if _keeps_to_itself(layer, before_keras_3=before_keras_3):
        yield from _searched(config)
        return
    for attribute, key in WRAPPED_OF_KERAS_2.get(str(layer.get("class_name")), {}).items():
        held = config.get(key)
        if key == "features" and isinstance(held, Mapping):  # of a FeatureSpace
            held = [config_of(feature).get("preprocessor") for feature in held.values()]
        layers = tuple(filter(is_layer, held if isinstance(held, list) else [held]))
        if layers:
            yield Held(attribute, layers, tuple(map(name_of, layers)), isinstance(held, list))


def _keeps_to_itself(layer: Serialized, *, before_keras_3: bool) -> bool:
    """Whether only its own code knows what it holds."""
    class_name = str(layer.get("class_name"))
    built_in = class_name in WRAPPED_OF_KERAS_2 or (
        all_slots(class_name, before_keras_3=before_keras_3) is not None
    )
    return is_custom(layer) or not built_in


def _searched(config: Mapping[str, Any]) -> Iterator[Held]:
    """Yield the layers in a configuration of any shape, by the key that they stand under."""
    for key, value in config.items():
        if not key.endswith(_NO_LAYERS):
            yield from _below(key, value)


def _below(key: str, value: Any) -> Iterator[Held]:
    """Yield the layers in a value: itself, or what its lists and dictionaries hold."""
    layer = _as_layer(value)
    if layer is not None:
        yield Held(key, (layer,), (name_of(layer),))
    elif isinstance(value, Mapping | list):
        items = value.values() if isinstance(value, Mapping) else value
        layers = tuple(filter(None, map(_as_layer, items)))
        if layers:
            yield Held(key, layers, tuple(map(name_of, layers)), is_list=True)
        if isinstance(value, Mapping):  # its layers may be attributes of their own, too
            yield from _searched(value)
        else:
            for item in value:
                yield from () if _as_layer(item) else _below(key, item)


def _as_layer(value: Any) -> Serialized | None:
    """Return a layer written out, also a model of which only `get_config()` was."""
    if is_layer(value):
        return value
    layers = value.get("layers") if isinstance(value, Mapping) else None
    if not isinstance(layers, list) or not layers or not all(map(is_layer, layers)):
        return None
    return {
        "class_name": "Functional" if "input_layers" in value else "Sequential",
        "config": value,
    }


def _both_ways(config: Serialized, *, before_keras_3: bool) -> Iterator[Held]:
    """Yield the two layers of a Bidirectional, which is written with one or with both."""
    forward = config.get("layer")
    if not is_layer(forward):
        return
    backward = config.get("backward_layer")
    backward = backward if is_layer(backward) else forward
    name, other = name_of(forward), name_of(backward)
    if before_keras_3:
        name, other = f"forward_{name}", f"backward_{other}"
    elif backward is forward:
        other = f"backward_{name.removeprefix('forward_')}"
    yield Held("forward_layer", (forward,), (name,))
    yield Held("backward_layer", (backward,), (other,))
