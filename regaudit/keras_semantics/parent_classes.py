"""Of which of Keras's classes a custom layer seems to be a subclass, by its configuration.

A subclass that leaves `get_config` alone, or adds to it, writes every key of its parent's. The keys
are those that every version writes; `tests/keras_semantics/test_placed.py` asks real Keras.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import LayerConfig, Shape, Slot, all_slots, equation_of

_RNN = "activation dropout go_backwards recurrent_dropout return_sequences return_state stateful"
_CELL = "activation dropout recurrent_dropout units use_bias"
_CONVOLUTION = "activation kernel_size padding strides use_bias"
_NORMALIZATION = "axis center epsilon scale"
_OWN: Mapping[str, str] = {
    "Dense": "activation units use_bias",
    "EinsumDense": "activation bias_axes equation output_shape",
    "Embedding": "input_dim mask_zero output_dim",
    **{f"Conv{n}D": f"{_CONVOLUTION} dilation_rate filters groups" for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": f"{_CONVOLUTION} filters" for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": f"{_CONVOLUTION} depth_multiplier dilation_rate" for n in (1, 2)},
    **{f"SeparableConv{n}D": f"{_CONVOLUTION} depth_multiplier filters" for n in (1, 2)},
    "SimpleRNNCell": _CELL,
    "LSTMCell": f"{_CELL} recurrent_activation unit_forget_bias",
    "GRUCell": f"{_CELL} recurrent_activation reset_after",
    "SimpleRNN": f"{_CELL} {_RNN}",
    "LSTM": f"{_CELL} {_RNN} recurrent_activation unit_forget_bias",
    "GRU": f"{_CELL} {_RNN} recurrent_activation reset_after",
    "MultiHeadAttention": "attention_axes dropout key_dim num_heads use_bias value_dim",
    "BatchNormalization": f"{_NORMALIZATION} momentum",
    "LayerNormalization": _NORMALIZATION,
    "GroupNormalization": f"{_NORMALIZATION} groups",
    "PReLU": "shared_axes",
}
"""Keys of classes, besides those of their weights' regularizers, constraints and initializers."""

_GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


def parents_of(config: LayerConfig, dialect: Dialect) -> list[str]:
    """Return the classes that a configuration may be of: those with most keys, at best one."""
    every, given = _keys_of_classes(before_keras_3=dialect.before_keras_3), set(config)
    fitting = {name: own for name, own in every.items() if own <= given}
    if not fitting:
        return []
    of_any = frozenset[str]().union(*every.values())
    regularized = {
        key
        for key, value in config.items()
        if key.endswith("_regularizer")
        and key != "activity_regularizer"
        and (value is not None or key in of_any)
    }
    fitting = {
        name: own
        for name, own in fitting.items()
        if regularized <= own and _is_over_its_axes(name, config)
    }
    if "output_padding" in config:  # Keras 2 has the keys of a convolution in a transposed one
        fitting = {name: own for name, own in fitting.items() if name.endswith("Transpose")}
    return sorted(
        name for name, own in fitting.items() if not any(own < other for other in fitting.values())
    )


def named_parent(class_name: str, config: LayerConfig, dialect: Dialect) -> str:
    """Return the class that a layer of QKeras is made after; empty for other layers.

    Its name is that class's with a Q, its configuration has all of that class's keys, and it makes
    its weights in that class's order (`fixtures/nearly_keras.py` asks QKeras).
    """
    name = class_name.removeprefix("Q").removesuffix("Batchnorm")
    own = _keys_of_classes(before_keras_3=dialect.before_keras_3).get(name)
    return name if class_name.startswith("Q") and own and own <= config.keys() else ""


@cache
def _keys_of_classes(*, before_keras_3: bool) -> Mapping[str, frozenset[str]]:
    kinds = ("regularizer", "constraint", "initializer")
    found = {}
    for name, own in _OWN.items():
        slots = all_slots(name, before_keras_3=before_keras_3) or ()
        stems = {s.regularizer_key.removesuffix("_regularizer") for s in slots if s.regularizer_key}
        found[name] = frozenset(
            {*own.split(), *(f"{stem}_{kind}" for stem in stems for kind in kinds)}
        )
    return found


def _is_over_its_axes(name: str, config: LayerConfig) -> bool:
    """Whether a class that is no convolution, or one over as many axes as its window has."""
    found = re.search(r"Conv(\d)D", name)
    return found is None or len(_window(config)) == int(found[1])


def _window(config: LayerConfig) -> tuple[Any, ...]:
    size = config.get("kernel_size")
    size = size.get("items") if isinstance(size, Mapping) else size  # a tuple, in a SavedModel
    return tuple(size) if isinstance(size, list | tuple) else ()


def may_be(slot: Slot, shape: Shape, class_name: str, config: LayerConfig) -> bool:
    """Whether a weight of a shape may fill a slot of a class."""
    wanted = _shape_of(slot, class_name, config)
    return wanted is None or (
        len(wanted) == len(shape)
        and all(size is None or size == own for size, own in zip(wanted, shape, strict=True))
    )


def _shape_of(slot: Slot, class_name: str, config: LayerConfig) -> tuple[Any, ...] | None:
    """Return the shape of a weight, with None for any number; None for any shape."""
    last = config.get("filters", config.get("units"))
    role, gates = slot.role, _GATES.get(class_name.removesuffix("Cell"))
    if gates and isinstance(last, int):
        wide = gates * last
        bias = (2, wide) if config.get("reset_after") else (wide,)
        return {"kernel": (None, wide), "recurrent_kernel": (last, wide), "bias": bias}[role]
    if class_name == "MultiHeadAttention":
        heads, outer = config.get("num_heads"), slot.at == "output_dense"
        if role == "bias":
            return (None,) if outer else (heads, None)
        return (heads, None, None) if outer else (None, heads, None)
    if class_name == "EinsumDense":
        equation = equation_of(config)
        return (None,) * len(equation.kernel) if role == "kernel" and equation else None
    if class_name == "Embedding":
        return config.get("input_dim"), config.get("output_dim")
    if class_name == "Dense" or "Conv" in class_name:
        return _window_of(role, class_name, config, last)
    return None


def _window_of(role: str, class_name: str, config: LayerConfig, last: Any) -> tuple[Any, ...]:
    """Return the shape of a weight of a dense layer or a convolution."""
    window, many = _window(config), config.get("depth_multiplier")
    if role == "bias":
        return (last,)
    if role == "depthwise_kernel" or class_name.startswith("Depthwise"):
        return (*window, None, many)
    if role == "pointwise_kernel":
        return (*(1 for _ in window), None, last)
    return (*window, last, None) if class_name.endswith("Transpose") else (*window, None, last)
