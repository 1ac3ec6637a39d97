"""Weights of TensorFlow models of transformers, and the `config.json` that lies beside them.

That file is no configuration of Keras: it names no layers and no regularizers, which the package's
code decides. What it does tell is which model it is and where it drops out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.layer_table import features, last_axis
from regaudit.model import Layer, Weight

_TABLE = re.compile(r"embed|^(wte|wpe|shared)$", re.IGNORECASE)
"""Names of layers whose `weight` is a table; that of another, with a bias, is a kernel."""
_DROPOUT = re.compile(r"(.*_)?(dropout|pdrop)(_.*)?|(.*_)?dropout_prob")


def is_of_transformers(config: Serialized) -> bool:
    """Whether a configuration is one of transformers."""
    return isinstance(config.get("model_type"), str) and "class_name" not in config


def why_unknown(config: Serialized) -> str:
    """Say which model it is, why its regularizers are unknown, and what its configuration tells."""
    named = config.get("architectures")
    first = named[0] if isinstance(named, list) and named else config["model_type"]
    rates = ", ".join(f"{key} {rate:g}" for key, rate in _rates(config))
    return (
        f"regularizers are unknown: {first} of transformers, whose code decides them; "
        f"its config.json tells {rates or 'no dropout'}"
    )


def _rates(config: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [
        (key, rate)
        for key, rate in sorted(config.items())
        if _DROPOUT.fullmatch(key) and type(rate) in {int, float} and 0 < rate < 1
    ]


def with_roles_by_name(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return layers with the role of what transformers calls `weight`."""
    return tuple(
        replace(layer, weights=tuple(_named(weight, layer) for weight in layer.weights))
        for layer in layers
    )


def _named(weight: Weight, layer: Layer) -> Weight:
    if weight.role != "weight" or len(weight.shape) != 2:
        return weight
    path = weight.path.removesuffix("weight")
    if _TABLE.search(layer.name):
        units = features(weight.shape, {})
        return replace(weight, role="embeddings", path=f"{path}embeddings", units=units)
    biases = [one.shape[-1:] for one in layer.weights if one.role == "bias"]
    if biases != [weight.shape[1:]]:
        return weight
    return replace(weight, role="kernel", path=f"{path}kernel", units=last_axis(weight.shape, {}))
