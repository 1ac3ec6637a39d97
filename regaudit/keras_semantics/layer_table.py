"""Which weights each built-in layer owns, in stored order, and which key regularizes each.

A table, so it is long: a few lines for each of Keras's layers. It is checked against real Keras by
`fixtures/roles.py`, layer by layer and option by option.
"""

import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.weightless_layers import FOREIGN, WEIGHTLESS
from regaudit.model import UnitView

LayerConfig = Mapping[str, Any]
Shape = tuple[int, ...]


class Slot(Struct, frozen=True):
    """A place for one weight in a layer."""

    role: str
    regularizer_key: str | None = None
    """The layer's key that regularizes it; None where Keras offers none."""
    at: str = ""
    """Attribute of the sublayer that stores it, `cell` or `query_dense`; empty for the layer."""
    below: str = ""
    """Name of that sublayer in Keras's path."""
    trainable: bool = True
    """False for statistics and scales, which training never changes by gradient."""
    when: Callable[[LayerConfig], bool] = lambda _: True
    """Whether the layer has this weight, by its configuration."""
    units: Callable[[Shape, LayerConfig], UnitView | None] = lambda _shape, _config: None
    """How the layer's outputs lie in the weight."""

    @property
    def constraint_key(self) -> str | None:
        """The layer's key that constrains it."""
        key = self.regularizer_key
        return None if key is None else key.replace("_regularizer", "_constraint")


def _view(shape: Shape, first: int, last: int) -> UnitView:
    """See axes `first` to `last` as the outputs."""
    return UnitView(prod(shape[:first]), prod(shape[first : last + 1]), prod(shape[last + 1 :]))


def last_axis(shape: Shape, _config: LayerConfig) -> UnitView | None:
    """Outputs along the last axis, inputs before them: dense and convolution kernels."""
    view = features(shape, _config)
    return view and view._replace(inputs=shape[-2], each=shape[-1])


def features(shape: Shape, _config: LayerConfig) -> UnitView | None:
    """Outputs along the last axis: embeddings."""
    return _view(shape, len(shape) - 1, len(shape) - 1) if len(shape) > 1 else None


def first_axis(shape: Shape, _config: LayerConfig) -> UnitView | None:
    """Outputs along the first axis: kernels in Theano's order, and those that GPTQ stores."""
    return _view(shape, 0, 0) if len(shape) > 1 else None


def _each(shape: Shape, _config: LayerConfig) -> UnitView | None:
    """Every value scales an output of its own: normalization."""
    return UnitView(1, shape[0], 1) if len(shape) == 1 else None


def _last_two_axes(shape: Shape, _config: LayerConfig) -> UnitView | None:
    """Outputs are channel times multiplier: depthwise kernels; heads times size: attention."""
    if len(shape) < 3:
        return last_axis(shape, _config)
    return _view(shape, len(shape) - 2, len(shape) - 1)


def _next_to_last_axis(shape: Shape, _config: LayerConfig) -> UnitView | None:
    """Outputs before inputs: transposed convolutions."""
    if len(shape) < 2:
        return None
    return _view(shape, len(shape) - 2, len(shape) - 2)._replace(inputs=shape[-1], each=1)


def _gates(count: int) -> Callable[[Shape, LayerConfig], UnitView | None]:
    """Outputs repeated for each gate along the last axis: all gates of a unit belong to it."""

    def units(shape: Shape, _config: LayerConfig) -> UnitView | None:
        if len(shape) < 2 or shape[-1] % count:
            return None
        rows, units = prod(shape[:-1]) * count, shape[-1] // count
        return UnitView(rows, units, 1, inputs=shape[-2], each=shape[-1])

    return units


class Equation(NamedTuple):
    """The three terms of an EinsumDense's equation, without dots."""

    inputs: str
    kernel: str
    outputs: str
    elided_first: bool
    """Whether the dots stood before the other axes."""


def equation_of(config: LayerConfig) -> Equation | None:
    """Return the equation of an EinsumDense; None for other layers."""
    text = config.get("equation")
    found = re.fullmatch(r"([^,>]+),([^,>]+)->([^,>]+)", text) if isinstance(text, str) else None
    if found is None:
        return None
    terms = [re.sub(r"[\s.]", "", term) for term in found.groups()]
    return Equation(terms[0], terms[1], terms[2], found[1].lstrip().startswith("."))


def _einsum(shape: Shape, config: LayerConfig) -> UnitView | None:
    """Outputs are the kernel's letters that the input lacks, if they stand side by side."""
    equation = equation_of(config)
    if equation is None:
        return None
    axes = [axis for axis, x in enumerate(equation.kernel) if x not in equation.inputs]
    adjacent = bool(axes) and axes == list(range(axes[0], axes[-1] + 1))
    if len(equation.kernel) != len(shape) or not adjacent:
        return None
    return _view(shape, axes[0], axes[-1])


def _on(key: str, *, default: bool) -> Callable[[LayerConfig], bool]:
    return lambda config: bool(config.get(key, default))


_with_bias = _on("use_bias", default=True)
_with_rms = _on("rms_scaling", default=False)


def _with_beta(config: LayerConfig) -> bool:
    return bool(config.get("center", True)) and not _with_rms(config)


def _with_gamma(config: LayerConfig) -> bool:
    return bool(config.get("scale", True)) or _with_rms(config)


KERNEL = Slot("kernel", "kernel_regularizer", units=last_axis)
BIAS = Slot("bias", "bias_regularizer", when=_with_bias)
EMBEDDINGS = Slot("embeddings", "embeddings_regularizer", units=features)
SCALE = Slot("scale", when=_on("use_scale", default=False))
GAMMA = Slot("gamma", "gamma_regularizer", when=_with_gamma, units=_each)
BETA = Slot("beta", "beta_regularizer", when=_with_beta)
RENORM = _on("renorm", default=False)

DENSE = (KERNEL, BIAS)
EINSUM = (
    replace(KERNEL, units=_einsum),
    replace(BIAS, when=lambda config: config.get("bias_axes") is not None),
)
TRANSPOSED = (replace(KERNEL, units=_next_to_last_axis), BIAS)
DEPTHWISE = (replace(KERNEL, regularizer_key="depthwise_regularizer", units=_last_two_axes), BIAS)
SEPARABLE = (
    Slot("depthwise_kernel", "depthwise_regularizer", units=_last_two_axes),
    Slot("pointwise_kernel", "pointwise_regularizer", units=last_axis),
    BIAS,
)
SCALE_AND_SHIFT = (GAMMA, BETA)


def _cell(gates: int) -> tuple[Slot, ...]:
    return (
        Slot("kernel", "kernel_regularizer", units=_gates(gates)),
        Slot("recurrent_kernel", "recurrent_regularizer", units=_gates(gates)),
        BIAS,
    )


def _recurrent(gates: int, cell: str) -> tuple[Slot, ...]:
    """A recurrent layer keeps its weights in a cell of its own."""
    return tuple(replace(slot, at="cell", below=cell) for slot in _cell(gates))


def _projection(
    at: str, below: str, units: Callable[[Shape, LayerConfig], UnitView | None]
) -> tuple[Slot, ...]:
    """One of the dense sublayers of an attention layer, governed by the layer's own keys."""
    return (replace(KERNEL, at=at, below=below, units=units), replace(BIAS, at=at, below=below))


def _gated(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
    with_gate = _on("use_gate", default=False)
    kernel, bias = slots
    return (
        replace(kernel, when=with_gate),
        replace(bias, when=lambda config: with_gate(config) and _with_bias(config)),
    )


MULTI_HEAD = (
    *_projection("key_dense", "key", _last_two_axes),
    *_projection("output_dense", "attention_output", last_axis),
    *_projection("query_dense", "query", _last_two_axes),
    *_projection("value_dense", "value", _last_two_axes),
    *_gated(_projection("_gate_dense", "gate", _last_two_axes)),
)
GROUPED_QUERY = (
    *_gated(_projection("_gate_dense", "gate", _last_two_axes)),
    *_projection("_key_dense", "key", _last_two_axes),
    *_projection("_output_dense", "attention_output", last_axis),
    *_projection("_query_dense", "query", _last_two_axes),
    *_projection("_value_dense", "value", _last_two_axes),
)


def _statistic(role: str, when: Callable[[LayerConfig], bool] = lambda _: True) -> Slot:
    return Slot(role, trainable=False, when=when)


LAYERS: Mapping[str, tuple[Slot, ...]] = {
    "Dense": DENSE,
    "EinsumDense": EINSUM,
    "Embedding": (EMBEDDINGS,),
    "ReversibleEmbedding": (
        EMBEDDINGS,
        Slot(
            "reverse_embeddings",
            units=last_axis,
            when=lambda config: not config.get("tie_weights", True),
        ),
    ),
    "Conv1D": DENSE,
    "Conv2D": DENSE,
    "Conv3D": DENSE,
    "Conv1DTranspose": TRANSPOSED,
    "Conv2DTranspose": TRANSPOSED,
    "Conv3DTranspose": TRANSPOSED,
    "DepthwiseConv1D": DEPTHWISE,
    "DepthwiseConv2D": DEPTHWISE,
    "SeparableConv1D": SEPARABLE,
    "SeparableConv2D": SEPARABLE,
    "SimpleRNN": _recurrent(1, "simple_rnn_cell"),
    "LSTM": _recurrent(4, "lstm_cell"),
    "GRU": _recurrent(3, "gru_cell"),
    "ConvLSTM1D": _recurrent(4, "conv_lstm_cell"),
    "ConvLSTM2D": _recurrent(4, "conv_lstm_cell"),
    "ConvLSTM3D": _recurrent(4, "conv_lstm_cell"),
    "SimpleRNNCell": _cell(1),
    "LSTMCell": _cell(4),
    "GRUCell": _cell(3),
    "BatchNormalization": (
        GAMMA,
        BETA,
        _statistic("moving_mean"),
        _statistic("moving_variance"),
        _statistic("moving_stddev", RENORM),
        _statistic("renorm_mean", RENORM),
        _statistic("renorm_stddev", RENORM),
    ),
    "LayerNormalization": SCALE_AND_SHIFT,
    "GroupNormalization": SCALE_AND_SHIFT,
    "RMSNormalization": (Slot("scale"),),
    "UnitNormalization": (),
    "Normalization": tuple(
        _statistic(role, when=lambda config: config.get("mean") is None)
        for role in ("mean", "variance", "count")
    ),
    "PReLU": (Slot("alpha", "alpha_regularizer"),),
    "Attention": (
        SCALE,
        Slot("concat_score_weight", when=lambda config: config.get("score_mode") == "concat"),
    ),
    "AdditiveAttention": (replace(SCALE, when=_on("use_scale", default=True)),),
    "MultiHeadAttention": MULTI_HEAD,
    "GroupQueryAttention": GROUPED_QUERY,
    "GroupedQueryAttention": GROUPED_QUERY,
    "SpectralNormalization": (),  # its own two stored arrays: see match_by_path
    "Discretization": (),
    "STFTSpectrogram": (
        Slot("real_kernel", when=lambda config: config.get("mode") != "imag"),
        Slot("imag_kernel", when=lambda config: config.get("mode") != "real"),
    ),
}
"""Slots of every built-in layer that can own weights, by class name."""

_DEPTHWISE_2 = (replace(DEPTHWISE[0], role="depthwise_kernel"), BIAS)
_CARRY = (Slot("kernel_carry", units=last_axis), Slot("bias_carry"))

LAYERS_OF_KERAS_2: Mapping[str, tuple[Slot, ...]] = {
    "DepthwiseConv1D": _DEPTHWISE_2,
    "DepthwiseConv2D": _DEPTHWISE_2,
    "LocallyConnected1D": DENSE,
    "LocallyConnected2D": DENSE,
    "CuDNNLSTM": _cell(4),
    "CuDNNGRU": _cell(3),
    "ConvLSTM2DCell": _cell(4),
    "ConvLSTMCell": _cell(4),
    "SyncBatchNormalization": LAYERS["BatchNormalization"],
    "Convolution1D": DENSE,
    "Convolution2D": DENSE,
    "Convolution3D": DENSE,
    "AtrousConvolution1D": DENSE,
    "AtrousConvolution2D": DENSE,
    "Deconvolution2D": TRANSPOSED,
    "SeparableConvolution2D": SEPARABLE,
    "TimeDistributedDense": DENSE,
    "MaxoutDense": DENSE,
    "Highway": (*DENSE, *_CARRY),
    "QuantizeLayer": (),
    "Discretization": (
        _statistic("summary", when=lambda config: config.get("bin_boundaries") is None),
    ),
    "PeepholeLSTMCell": (
        *_cell(4),
        *(Slot(f"{gate}_gate_peephole_weights") for gate in ("input", "forget", "output")),
    ),
    "RandomFourierFeatures": (
        Slot("kernel_scale"),
        _statistic("unscaled_kernel"),
        _statistic("bias"),
    ),
    "ParametricSoftplus": (Slot("alpha"), Slot("beta")),
    "SReLU": tuple(Slot(role) for role in ("t_left", "a_left", "t_right", "a_right")),
}
"""Layers that only Keras 1 and 2 have, or that had other roles there."""


def all_slots(class_name: str, *, before_keras_3: bool) -> tuple[Slot, ...] | None:
    """Return what a built-in layer may own; None for a class that the table does not know.

    Args:
        class_name: as the configuration names it.
        before_keras_3: whether Keras 1 or 2 saved it.
    """
    if before_keras_3 and class_name in LAYERS_OF_KERAS_2:
        return LAYERS_OF_KERAS_2[class_name]
    class_name = python_name(class_name)
    return () if class_name in WEIGHTLESS else LAYERS.get(class_name)


WRAPPED: Mapping[str, Mapping[str, str]] = {
    "TimeDistributed": {"layer": "layer"},
    "SpectralNormalization": {"layer": "layer"},
    "Wrapper": {"layer": "layer"},
    "FeatureSpace": {"preprocessors": "features"},
    "Bidirectional": {"forward_layer": "layer", "backward_layer": "backward_layer"},
    "RNN": {"cell": "cell"},
    "StackedRNNCells": {"cells": "cells"},
}
"""Layers around layers: stored attribute -> key of the configuration that holds the inner one."""

OPTIMIZATION_WRAPPERS = (
    "QuantizeWrapper",
    "QuantizeWrapperV2",
    "PruneLowMagnitude",
    "ClusterWeights",
    "ClusterWeightsRNN",
)
"""Of TensorFlow's model optimization toolkit, which knows Keras 2 only."""

WRAPPED_OF_KERAS_2: Mapping[str, Mapping[str, str]] = {
    **WRAPPED,
    **{name: {"layer": "layer"} for name in OPTIMIZATION_WRAPPERS},
}
"""Also those of the optimization toolkit."""

MODELS = frozenset({"Functional", "Sequential", "Model"})
"""Built-in classes whose configuration lists layers."""

UNTOLD = frozenset(
    {
        "DenseFeatures",
        "DynamicEmbedding",
        "DynamicLookup",
        "LinearModel",
        "SequenceFeatures",
        "SharpnessAwareMinimization",
        "WideDeepModel",
    }
)
"""Classes of Keras 2 with weights that their configuration does not lay out."""


def is_built_in(class_name: str) -> bool:
    """Whether a layer is Keras's own, by its name alone."""
    known = (LAYERS, LAYERS_OF_KERAS_2, WRAPPED, _ALIASES, MODELS, WEIGHTLESS, FOREIGN, UNTOLD)
    return any(class_name in names for names in known)


NORMALIZATIONS = frozenset(
    {
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "RMSNormalization",
        "SyncBatchNormalization",
        "UnitNormalization",
    }
)
"""Layers that undo a rescaling of what feeds them."""

PYTHON_NAMES: Mapping[str, str] = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes exported under another name than Python's, which names their stored group."""

_ALIASES: Mapping[str, str] = {
    **{
        f"{kind}olution{rank}D{end}": f"{kind}{rank}D{end}"
        for kind, end in (("Conv", ""), ("Conv", "Transpose"), ("SeparableConv", ""))
        for rank in (1, 2, 3)
    },
    **{
        f"{reach}{short}{rank}D": f"{reach}{full}{rank}D"
        for reach in ("", "Global")
        for short, full in (("AvgPool", "AveragePooling"), ("MaxPool", "MaxPooling"))
        for rank in (1, 2, 3)
    },
}
"""Second names of classes, by which Keras loads them, and by which it saves none."""


def python_name(class_name: str) -> str:
    """Return the name that a built-in class has in Python's code, which names stored groups."""
    return _ALIASES.get(class_name) or PYTHON_NAMES.get(class_name, class_name)


KERNEL_ROLES = frozenset(
    {"kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "embeddings"}
)
"""Roles that regularization is meant for, unlike biases, scales and statistics."""


def slots_of(class_name: str, config: LayerConfig, dialect: Dialect) -> tuple[Slot, ...]:
    """Return the slots of a built-in layer that its options call for."""
    slots = all_slots(class_name, before_keras_3=dialect.before_keras_3) or ()
    return tuple(slot for slot in slots if slot.when(config))


THAWED_BY_LOADING = frozenset(
    {
        "MultiHeadAttention",
        "GroupQueryAttention",
        "GroupedQueryAttention",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
    }
)
"""Layers that make their sublayers without handing on their own flag: loading thaws them."""
