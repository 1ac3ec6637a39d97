"""Keras 1 in the words of Keras 2: options, classes and weight names that were renamed."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.layer_table import Slot, first_axis, last_axis

_LETTERS = {"W": "kernel", "U": "recurrent", "b": "bias"}
_ROLES = {
    "W": "kernel",
    "U": "recurrent_kernel",
    "b": "bias",
    "W_carry": "kernel_carry",
    "b_carry": "bias_carry",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # of variances, in spite of its name
    "alphas": "alpha",
    "betas": "beta",
}
_NAME = re.compile(
    r"(?P<owner>.+?)_(?:(?P<role>[WUb]_carry|running_mean|running_std|gamma|betas?|alphas"
    r"|[ta]_(?:left|right)|depthwise_kernel|pointwise_kernel)|(?P<letter>[WUb])(?:_(?P<gate>[a-z]))?)"
    r"(?:_\d+)?"  # TensorFlow numbers names that it has seen before
)


def has_options_of_keras_1(value: Any, depth: int = 0) -> bool:
    """Whether a configuration speaks the language of Keras 1, for files that name no version."""
    if isinstance(value, Mapping):
        if {"W_regularizer", "b_regularizer", "output_dim"} & value.keys():
            return "units" not in value and "embeddings_regularizer" not in value
        value = list(value.values())
    if not isinstance(value, list) or depth > 100:
        return False
    return any(has_options_of_keras_1(item, depth + 1) for item in value)


def modernized(layer: Serialized) -> Serialized:
    """Return a layer with the options of Keras 1 under their later names."""
    config = config_of(layer)
    table = layer.get("class_name") == "Embedding"
    renamed: dict[str, Any] = {}
    for key, value in config.items():
        letter, _, option = key.partition("_")
        if letter in _LETTERS and option in {"regularizer", "constraint"}:
            stem = "embeddings" if table and letter == "W" else _LETTERS[letter]
            renamed[f"{stem}_{option}"] = value
        elif key == "bias":
            renamed["use_bias"] = value
        else:
            renamed[key] = value
    return {**layer, "config": renamed} if config else layer


def with_sizes(layer: Serialized) -> Serialized:
    """Return a model with the options of Keras 1 that tell shapes under their later names."""
    config, old = layer.get("config"), config_of(layer)
    layers = config if isinstance(config, list) else old.get("layers")
    if isinstance(layers, list):
        found = [with_sizes(one) if isinstance(one, Mapping) else one for one in layers]
        listed = isinstance(config, list)
        return {**layer, "config": found if listed else {**old, "layers": found}}
    class_name = str(layer.get("class_name"))
    new = {_SIZES.get(key, key): value for key, value in old.items()}
    inner = old.get("layer")
    if isinstance(inner, Mapping):
        new["layer"] = with_sizes(inner)
    if "output_dim" in old and class_name != "Embedding":
        new["units"] = old["output_dim"]
    for keys, name in _PAIRS.items():
        if all(key in old for key in keys):
            new[name] = [old[key] for key in keys]
    if "dim_ordering" in old:
        new["data_format"] = f"channels_{'first' if old['dim_ordering'] == 'th' else 'last'}"
    return {**layer, "config": new} if old else layer


_SIZES = {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "pool_length": "pool_size",
    "stride": "strides",
    "atrous_rate": "dilation_rate",
    "concat_axis": "axis",
}
_PAIRS = {
    ("nb_row", "nb_col"): "kernel_size",
    ("kernel_dim1", "kernel_dim2", "kernel_dim3"): "kernel_size",
}


def is_whole(layer: Serialized) -> bool:
    """Whether a layer of Keras 1 has the weights that its later form has, in the same shapes.

    Recurrent layers kept the gates apart, and convolutions in Theano's order another order of axes.
    """
    name, theano = str(layer.get("class_name")), config_of(layer).get("dim_ordering") == "th"
    return name in _ALIKE or (name.startswith("Convolution") and not theano)


_ALIKE = frozenset({"Dense", "Embedding", "BatchNormalization", "PReLU", "TimeDistributedDense"})


def parse_name(name: str) -> tuple[str, str, str] | None:
    """Split `lstm_1_W_i` into the layer, the role and the gate; None for a later Keras's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    key = found["role"] or found["letter"]
    return found["owner"], _ROLES.get(key, key), found["gate"] or ""


def gate_slot(slot: Slot, gate: str) -> Slot:
    """Return the slot of one gate: Keras 1 kept the gates of a recurrent layer apart."""
    return replace(slot, at="", below=gate, units=last_axis)


def with_slip(slots: tuple[Slot, ...], config: Mapping[str, Any]) -> tuple[Slot, ...]:
    """Return the slots of a recurrent layer as Keras 1.2 regularized them.

    Where gates are kept apart, their recurrent weights got the regularizer of the kernels.
    """
    if config.get("consume_less") == "gpu":
        return slots
    return tuple(
        replace(slot, regularizer_key="kernel_regularizer")
        if slot.role == "recurrent_kernel"
        else slot
        for slot in slots
    )


def outputs_first(slot: Slot) -> Slot:
    """Return the slot of a kernel in Theano's order, where outputs come first."""
    return replace(slot, units=first_axis)
