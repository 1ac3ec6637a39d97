"""The shapes that the weights of a layer have by its configuration, as far as that tells them.

The size of a layer's input is known where Keras noted the shape it was built for.
"""

from collections.abc import Callable, Mapping
from typing import Any

from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.layer_table import Equation, Slot, equation_of, python_name

Expected = tuple[int | None, ...] | None
"""A shape, with None for sizes that the configuration does not tell; None if it tells nothing."""


def expected_shape(layer: Serialized, slot: Slot) -> Expected:
    """Return the shape of the weight that fills a slot of a layer."""
    class_name = python_name(str(layer.get("class_name")))
    found = _SHAPES.get(class_name)
    if found is None:
        return None
    return found(_Layer(class_name, config_of(layer), _input_of(layer), _inputs_of(layer)), slot)


def is_shaped(shape: tuple[int, ...], expected: Expected) -> bool:
    """Whether a shape is what is expected."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        wanted is None or size == wanted for size, wanted in zip(shape, expected, strict=True)
    )


def _input_of(layer: Serialized) -> list[Any] | None:
    """Return the shape a layer was built for, with the batch; None if that is not told."""
    build = layer.get("build_config")
    shape = build.get("input_shape") if isinstance(build, Mapping) else None
    single = isinstance(shape, list) and all(_is_size(size) for size in shape if size is not None)
    return shape if single and shape else None


def _inputs_of(layer: Serialized) -> Mapping[str, Any]:
    """Return the shapes of the inputs of a layer that has several, by name."""
    build = layer.get("build_config")
    told = build.get("shapes_dict", build) if isinstance(build, Mapping) else None
    return told if isinstance(told, Mapping) and "query_shape" in told else config_of(layer)


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 0


_LIKE = {"key": "value_shape"}
"""What stands for an input that was not given."""


class _Layer:
    """What a configuration tells of sizes."""

    def __init__(
        self,
        class_name: str,
        config: Mapping[str, Any],
        built: list[Any] | None,
        inputs: Mapping[str, Any],
    ) -> None:
        self.class_name, self.config, self.built, self._inputs = class_name, config, built, inputs

    def size(self, key: str, times: int | None = 1) -> int | None:
        """Return an option that is a size, times something."""
        value: Any = self.config.get(key)
        return value * times if _is_size(value) and times is not None else None

    def fed(self, axis: Any = -1) -> int | None:
        """Return the size of the input along an axis."""
        if self.built is None or type(axis) is not int:
            return None
        return self.built[axis] if -len(self.built) <= axis < len(self.built) else None

    def features(self, name: str) -> int | None:
        """Return the size of the last axis of one of several inputs."""
        shape = self._inputs.get(f"{name}_shape") or self._inputs.get(_LIKE.get(name, ""))
        last = shape[-1] if isinstance(shape, list | tuple) and shape else None
        return last if _is_size(last) else None

    @property
    def rank(self) -> int | None:
        """Axes of the input but for the batch."""
        return None if self.built is None else len(self.built) - 1

    @property
    def channels(self) -> int | None:
        """Channels of the input of a convolution."""
        return self.fed(1 if self.config.get("data_format") == "channels_first" else -1)

    @property
    def window(self) -> tuple[int | None, ...] | None:
        """Size of the window of a convolution; None if not even its rank is known."""
        sizes = self.config.get("kernel_size")
        digits = [int(letter) for letter in self.class_name if letter.isdigit()]
        rank = digits[0] if digits else 1
        if isinstance(sizes, list):
            return tuple(size if _is_size(size) else None for size in sizes)
        return (sizes if _is_size(sizes) else None,) * rank


def _dense(layer: _Layer, slot: Slot) -> Expected:
    units = layer.size("units")
    return (units,) if slot.role == "bias" else (layer.fed(), units)


def _embedding(layer: _Layer, slot: Slot) -> Expected:
    rows, columns = layer.size("input_dim"), layer.size("output_dim")
    return (columns, rows) if slot.role == "reverse_embeddings" else (rows, columns)


def _einsum(layer: _Layer, slot: Slot) -> Expected:
    equation = equation_of(layer.config)
    if equation is None or slot.role not in {"kernel", "bias"}:
        return None
    sizes = _letters(layer, equation)
    if slot.role == "kernel":
        return tuple(sizes.get(letter) for letter in equation.kernel)
    axes = layer.config.get("bias_axes")
    if not isinstance(axes, str) or not axes or not set(axes) <= set(equation.outputs):
        return None
    first = min(map(equation.outputs.find, axes))
    bias = [sizes.get(one) if one in axes else 1 for one in equation.outputs[first:]]
    dotted = "." in str(layer.config.get("equation"))
    return None if dotted and not equation.elided_first else tuple(bias)


def _letters(layer: _Layer, equation: Equation) -> dict[str, int | None]:
    """Return the sizes of the axes that an equation names; dots stand at the start or the end."""
    out = layer.config.get("output_shape")
    out = [None, *(out if isinstance(out, list | tuple) else [out])]
    sizes: dict[str, int | None] = {}
    for letters, shape in ((equation.outputs, out), (equation.inputs, layer.built or [])):
        from_the_end = equation.elided_first
        known = shape[-len(letters) :] if from_the_end else shape[: len(letters)]
        if len(known) == len(letters):
            told = zip(letters, known, strict=True)
            sizes |= {letter: size for letter, size in told if _is_size(size)}
    return sizes


def _convolution(layer: _Layer, slot: Slot) -> Expected:
    filters, window, groups = layer.size("filters"), layer.window, layer.config.get("groups", 1)
    if slot.role == "bias":
        return (filters,)
    known = layer.channels is not None and type(groups) is int and groups > 0
    fed = (layer.channels or 0) // groups if known else None
    return None if window is None else (*window, fed, filters)


def _transposed(layer: _Layer, slot: Slot) -> Expected:
    filters, window = layer.size("filters"), layer.window
    if slot.role == "bias":
        return (filters,)
    return None if window is None else (*window, filters, layer.channels)


def _depthwise(layer: _Layer, slot: Slot) -> Expected:
    made = layer.size("depth_multiplier", layer.channels)
    if slot.role == "bias":
        return (made,)
    window = layer.window
    return None if window is None else (*window, layer.channels, layer.size("depth_multiplier"))


def _separable(layer: _Layer, slot: Slot) -> Expected:
    window, filters = layer.window, layer.size("filters")
    if slot.role == "bias":
        return (filters,)
    if slot.role == "depthwise_kernel" or window is None:
        return _depthwise(layer, slot)
    return (*(1 for _ in window), layer.size("depth_multiplier", layer.channels), filters)


def _recurrent(gates: int) -> Callable[[_Layer, Slot], Expected]:
    def shape(layer: _Layer, slot: Slot) -> Expected:
        units, all_gates = layer.size("units"), layer.size("units", gates)
        if slot.role == "kernel":
            return (layer.fed(), all_gates)
        if slot.role == "recurrent_kernel":
            return (units, all_gates)
        if layer.class_name.startswith("CuDNN"):
            return (layer.size("units", 2 * gates),)
        return (2, all_gates) if gates == 3 and layer.config.get("reset_after") else (all_gates,)

    return shape


def _recurrent_convolution(layer: _Layer, slot: Slot) -> Expected:
    window, gates = layer.window, layer.size("filters", 4)
    if slot.role == "bias":
        return (gates,)
    fed = layer.size("filters") if slot.role == "recurrent_kernel" else layer.channels
    return None if window is None else (*window, fed, gates)


def _along_axis(layer: _Layer, _slot: Slot) -> Expected:
    """Return the shape of what has a value for each place along an axis, or along several."""
    axis = layer.config.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) > 1 and layer.class_name != "LayerNormalization":
        return None
    return tuple(layer.fed(one) for one in axes)


def _statistics(layer: _Layer, slot: Slot) -> Expected:
    if slot.role == "count" or layer.config.get("axis", -1) is None:
        return ()
    axis = layer.config.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    return tuple(layer.fed(one) for one in axes)


def _prelu(layer: _Layer, _slot: Slot) -> Expected:
    if layer.rank is None or layer.built is None:
        return None
    shared = layer.config.get("shared_axes") or []
    if not isinstance(shared, list):
        return (None,) * layer.rank
    sizes = layer.built[1:]
    return tuple(1 if axis in shared else size for axis, size in enumerate(sizes, 1))


def _attention(layer: _Layer, slot: Slot) -> Expected:
    grouped = layer.class_name != "MultiHeadAttention"
    all_heads = layer.size("num_query_heads" if grouped else "num_heads")
    few = layer.size("num_key_value_heads") if grouped else all_heads
    size = layer.size("head_dim" if grouped else "key_dim")
    of_values = size if grouped else layer.size("value_dim") or size
    projection = slot.at.strip("_").removesuffix("_dense")
    heads = all_heads if projection in {"query", "output"} else few
    made = of_values if projection in {"value", "output"} else size
    if projection == "gate":
        return None
    if projection == "output":
        wanted = layer.config.get("output_shape")
        outputs = [layer.features("query")] if wanted is None else wanted
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        outputs = [size if _is_size(size) else None for size in outputs]
        return (heads, made, *outputs) if slot.role == "kernel" else tuple(outputs)
    return (layer.features(projection), heads, made) if slot.role == "kernel" else (heads, made)


_SHAPES: Mapping[str, Callable[[_Layer, Slot], Expected]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "ReversibleEmbedding": _embedding,
    "EinsumDense": _einsum,
    **{f"Conv{rank}D": _convolution for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": _depthwise for rank in (1, 2)},
    **{f"SeparableConv{rank}D": _separable for rank in (1, 2)},
    **{f"ConvLSTM{rank}D": _recurrent_convolution for rank in (1, 2, 3)},
    **{
        f"{name}{kind}": _recurrent(gates)
        for name, gates in (("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4))
        for kind in ("", "Cell")
    },
    **{f"CuDNN{name}": _recurrent(gates) for name, gates in (("GRU", 3), ("LSTM", 4))},
    "BatchNormalization": _along_axis,
    "SyncBatchNormalization": _along_axis,
    "Normalization": _statistics,
    "LayerNormalization": _along_axis,
    "GroupNormalization": _along_axis,
    "RMSNormalization": _along_axis,
    "PReLU": _prelu,
    "MultiHeadAttention": _attention,
    "GroupQueryAttention": _attention,
    "GroupedQueryAttention": _attention,
}
