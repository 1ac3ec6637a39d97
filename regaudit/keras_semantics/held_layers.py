"""The layers that a wrapper or a custom layer holds in its configuration.

Models are another matter: they list their layers, see `config_graph.members`.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

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
    for attribute, key in _attributes(layer, before_keras_3=before_keras_3).items():
        held = config.get(key)
        if key == "features" and isinstance(held, Mapping):  # of a FeatureSpace
            held = [config_of(feature).get("preprocessor") for feature in held.values()]
        layers = tuple(filter(is_layer, held if isinstance(held, list) else [held]))
        if layers:
            yield Held(attribute, layers, tuple(map(name_of, layers)), isinstance(held, list))


def _attributes(layer: Serialized, *, before_keras_3: bool) -> Mapping[str, str]:
    """Return the attributes that may hold layers, each with its key in the configuration."""
    class_name = str(layer.get("class_name"))
    if not is_custom(layer):
        if class_name in WRAPPED_OF_KERAS_2:
            return WRAPPED_OF_KERAS_2[class_name]
        if all_slots(class_name, before_keras_3=before_keras_3) is not None:
            return {}
    return {key: key for key in config_of(layer) if not key.endswith(_NO_LAYERS)}


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
