"""The shapes that the layers of a configuration are built for, where Keras did not note them.

Keras 2.12 and older notes the input of a model alone. It is followed through layers whose output is
plain to see; behind others nothing is known until the next layer that tells.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from regaudit.keras_semantics.config_graph import (
    Serialized,
    calls_of,
    config_of,
    layers_of,
    name_of,
    wrapped_model,
)
from regaudit.keras_semantics.weightless_layers import ACTIVATIONS, POOLING, RANDOM_REGULARIZERS

Shape = list[int | None] | None
"""With the batch; None for sizes that are not known, and for no shape at all."""

_KEEP = (
    ACTIVATIONS
    | RANDOM_REGULARIZERS
    | {
        "ActivityRegularization",
        "BatchNormalization",
        "GroupNormalization",
        "InputLayer",
        "LayerNormalization",
        "Masking",
        "Rescaling",
    }
)
"""Layers whose output has the shape of their input."""
_ALIKE = frozenset({"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"})
"""Layers whose output has the shape of their inputs, if that is one."""


def with_input_shapes(model: Serialized) -> Serialized:
    """Return a model whose layers say what they are built for, as far as that is to be seen."""
    return _through_model(model, None)[0]


def _through_model(model: Serialized, fed: Shape) -> tuple[Serialized, Shape]:
    """Return a model with the shapes in it, and that of its output."""
    config, layers = config_of(model), layers_of(model)
    if not config:  # of an old Sequential, the configuration is the list itself
        return model, None
    outputs: dict[str, Shape] = {}
    found = []
    functional, shape = "input_layers" in config, fed
    for layer in layers:
        if functional:
            shape = _merged(layer, [outputs.get(one.layer) for one in calls_of(layer)[0]])
        layer, shape = _through(layer, shape)  # noqa: PLW2901 - it goes on as what it became
        outputs[name_of(layer)] = shape
        found.append(layer)
    shaped = {**model, "config": {**config, "layers": found}}
    return shaped, None if functional else shape


def _through(layer: Serialized, fed: Shape) -> tuple[Serialized, Shape]:
    """Return a layer with the shape it is built for, and that of its output."""
    config, build = config_of(layer), layer.get("build_config")
    told = build.get("input_shape") if isinstance(build, Mapping) else None
    given = (told, config.get("batch_input_shape"), config.get("batch_shape"))
    fed = next((shape for shape in map(_as_shape, given) if shape), fed)
    if layers_of(layer):
        return _through_model(layer, fed)
    if wrapped_model(layer) is not None or fed is None:
        return layer, None
    inner = config.get("layer")
    if isinstance(inner, Mapping) and layer.get("class_name") in {
        "Bidirectional",
        "TimeDistributed",
    }:
        over = layer["class_name"] == "TimeDistributed"
        below, _ = _through(inner, fed[:1] + fed[2:] if over else fed)
        return {**layer, "config": {**config, "layer": below}}, None
    shaped = layer if _as_shape(told) else {**layer, "build_config": {"input_shape": fed}}
    return shaped, _output(str(layer.get("class_name")), config, fed)


def _as_shape(value: Any) -> Shape:
    sizes = isinstance(value, list) and all(
        size is None or (type(size) is int and size >= 0) for size in value
    )
    return value if sizes and value else None


def _merged(layer: Serialized, shapes: list[Shape]) -> Shape:
    """Return the shape of what feeds a layer, if its inputs have one."""
    class_name = layer.get("class_name")
    first = shapes[0] if shapes else None
    if len(shapes) > 1 and class_name == "Concatenate" and config_of(layer).get("axis") == -1:
        last = [shape[-1] for shape in shapes if shape and shape[-1] is not None]
        known = first is not None and len(last) == len(shapes)
        return [*([None] * (len(first) - 1)), sum(last)] if known and first else None
    same = all(shape == first for shape in shapes)
    return first if len(shapes) == 1 or (same and class_name in _ALIKE) else None


def _output(class_name: str, config: Mapping[str, Any], fed: list[int | None]) -> Shape:
    """Return the shape of a layer's output."""
    batch, rank = fed[0], len(fed)
    first = config.get("data_format") == "channels_first"
    channels = fed[1] if first and rank > 1 else fed[-1]
    if class_name in _KEEP or class_name in _ALIKE or class_name == "Concatenate":
        return fed
    if class_name == "Dense":
        return [*fed[:-1], _size(config, "units")]
    if class_name == "Embedding":
        return [*fed, _size(config, "output_dim")]
    if class_name in {"LSTM", "GRU", "SimpleRNN"}:
        time = fed[1:2] if config.get("return_sequences") else []
        return [batch, *time, _size(config, "units")]
    if class_name == "Flatten":
        sizes = [size for size in fed[1:] if size is not None]
        return [batch, prod(sizes) if len(sizes) == rank - 1 else None]
    if class_name.startswith("Global") and class_name in POOLING:
        return None if config.get("keepdims") else [batch, channels]
    made = channels if class_name in POOLING else None
    if class_name.startswith(("Conv1D", "Conv2D", "Conv3D", "SeparableConv")):
        made = _size(config, "filters")
    elif class_name not in POOLING:
        return None
    window = [None] * (rank - 2)
    return [batch, made, *window] if first else [batch, *window, made]


def _size(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    return value if type(value) is int else None
