"""The shape of what a built-in layer makes, by its configuration and the shape of its input.

Only layers whose output is plain to see; of any other nothing is said. Shapes have the batch, and
None for sizes that are not known. Checked layer by layer against real Keras.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from regaudit.keras_semantics.layer_table import python_name
from regaudit.keras_semantics.weightless_layers import ACTIVATIONS, POOLING, RANDOM_REGULARIZERS

Shape = list[int | None] | None
_Sizes = list[int | None]
_Config = Mapping[str, Any]

_KEEP = (
    ACTIVATIONS
    | RANDOM_REGULARIZERS
    | {
        "ActivityRegularization",
        "Add",
        "Average",
        "BatchNormalization",
        "Concatenate",
        "GroupNormalization",
        "Identity",
        "InputLayer",
        "LayerNormalization",
        "Masking",
        "Maximum",
        "Minimum",
        "Multiply",
        "Normalization",
        "RMSNormalization",
        "Rescaling",
        "Subtract",
        "SyncBatchNormalization",
        "UnitNormalization",
    }
)
"""Layers whose output has the shape of their input: of merges, that of what they have merged."""


def output_shape(class_name: str, config: _Config, fed: _Sizes) -> Shape:
    """Return the shape of a layer's output; None where nothing is known of it."""
    name = python_name(class_name)
    if name in _KEEP:
        return list(fed)
    if name.startswith("Global") and name in POOLING:
        kept: _Sizes = [1] * (len(fed) - 2) if config.get("keepdims") else []
        return _placed(config, fed, _channels(config, fed), kept)
    if name in POOLING:
        return _pooling(config, fed)
    made = _OUTPUTS.get(name[:-2] if name[-2:] in {"1D", "2D", "3D"} else name)
    return made(config, fed) if made and len(fed) > 1 else None


def sizes_of(value: Any, count: int, default: int | None = None) -> _Sizes:
    """Return an option that is a size for each axis, or one for all of them."""
    if value is None:
        return [default] * count
    listed = value if isinstance(value, list | tuple) else [value] * count
    found = [size if type(size) is int else None for size in listed]
    return found if len(found) == count else [None] * count


def _first(config: _Config) -> bool:
    return config.get("data_format") == "channels_first"


def _channels(config: _Config, fed: _Sizes) -> int | None:
    return fed[1 if _first(config) and len(fed) > 1 else -1]


def _window(config: _Config, fed: _Sizes) -> _Sizes:
    """Return the axes of an image, or of a series."""
    return fed[2:] if _first(config) else fed[1:-1]


def _placed(config: _Config, fed: _Sizes, channels: int | None, window: _Sizes) -> Shape:
    return [fed[0], channels, *window] if _first(config) else [fed[0], *window, channels]


def _padding(config: _Config) -> str:
    return str(config.get("padding", "valid"))


def _number(config: _Config, key: str) -> int | None:
    value = config.get(key)
    return value if type(value) is int else None


def _times(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one * other


def _slid(
    size: int | None, kernel: int | None, stride: int | None, step: int | None, padding: str
) -> int | None:
    """Return along how many places a window goes."""
    if size is None or stride is None or stride < 1:
        return None
    if padding in {"same", "causal"}:
        return -(-size // stride)
    if kernel is None or step is None or padding != "valid":
        return None
    return max((size - (kernel - 1) * step - 1) // stride + 1, 0)


def _convolved(config: _Config, fed: _Sizes, channels: int | None) -> Shape:
    window = _window(config, fed)
    rank = len(window)
    kernels = sizes_of(config.get("kernel_size"), rank)
    strides = sizes_of(config.get("strides"), rank, 1)
    steps = sizes_of(config.get("dilation_rate"), rank, 1)
    padding = _padding(config)
    slid = [_slid(*one, padding) for one in zip(window, kernels, strides, steps, strict=True)]
    return _placed(config, fed, channels, slid)


def _convolution(config: _Config, fed: _Sizes) -> Shape:
    return _convolved(config, fed, _number(config, "filters"))


def _depthwise(config: _Config, fed: _Sizes) -> Shape:
    made = _times(_channels(config, fed), _number(config, "depth_multiplier") or 1)
    return _convolved(config, fed, made)


def _transposed(config: _Config, fed: _Sizes) -> Shape:
    window = _window(config, fed)
    rank = len(window)
    padding, more = _padding(config), config.get("output_padding")
    plain = more is None and sizes_of(config.get("dilation_rate"), rank, 1) == [1] * rank
    kernels = sizes_of(config.get("kernel_size"), rank)
    strides = sizes_of(config.get("strides"), rank, 1)
    made: _Sizes = [None] * rank
    if plain and padding in {"same", "valid"}:
        for at, (size, kernel, stride) in enumerate(zip(window, kernels, strides, strict=True)):
            if size is not None and stride is not None and kernel is not None:
                made[at] = size * stride + (max(kernel - stride, 0) if padding == "valid" else 0)
    return _placed(config, fed, _number(config, "filters"), made)


def _pooling(config: _Config, fed: _Sizes) -> Shape:
    window = _window(config, fed)
    pool = sizes_of(config.get("pool_size"), len(window), 2)
    strides = config.get("strides")
    steps = pool if strides is None else sizes_of(strides, len(window))
    padding = _padding(config)
    slid = [_slid(size, k, s, 1, padding) for size, k, s in zip(window, pool, steps, strict=True)]
    return _placed(config, fed, _channels(config, fed), slid)


def _pairs(value: Any, count: int) -> list[int | None]:
    """Return how much is added or taken on both sides of each axis together."""
    if type(value) is int:
        return [2 * value] * count
    if not isinstance(value, list | tuple):
        return [None] * count
    if count == 1 and len(value) == 2 and all(type(one) is int for one in value):
        return [value[0] + value[1]]
    found: list[int | None] = []
    for one in value:
        both = one if isinstance(one, list | tuple) else [one, one]
        found.append(sum(both) if all(type(side) is int for side in both) else None)
    return found if len(found) == count else [None] * count


def _edged(key: str, sign: int) -> Callable[[_Config, _Sizes], Shape]:
    def shape(config: _Config, fed: _Sizes) -> Shape:
        window = _window(config, fed)
        edges = _pairs(config.get(key), len(window))
        made = [
            None if size is None or edge is None else size + sign * edge
            for size, edge in zip(window, edges, strict=True)
        ]
        return _placed(config, fed, _channels(config, fed), made)

    return shape


def _repeated(config: _Config, fed: _Sizes) -> Shape:
    window = _window(config, fed)
    times = sizes_of(config.get("size"), len(window))
    made = [_times(size, many) for size, many in zip(window, times, strict=True)]
    return _placed(config, fed, _channels(config, fed), made)


def _resized(config: _Config, fed: _Sizes) -> Shape:
    if len(fed) != 4:
        return None
    window: _Sizes = [_number(config, "height"), _number(config, "width")]
    return _placed(config, fed, _channels(config, fed), window)


def _reshaped(config: _Config, fed: _Sizes) -> Shape:
    target = config.get("target_shape")
    if not isinstance(target, list | tuple) or not all(type(size) is int for size in target):
        return None
    made: _Sizes = list(target)
    if -1 in target:
        whole, told = _product(fed[1:]), -prod(target)
        made[target.index(-1)] = whole // told if whole is not None and told > 0 else None
    return [fed[0], *made]


def _product(sizes: _Sizes) -> int | None:
    known = [size for size in sizes if size is not None]
    return prod(known) if len(known) == len(sizes) else None


def _permuted(config: _Config, fed: _Sizes) -> Shape:
    axes = config.get("dims")
    if not isinstance(axes, list | tuple) or sorted(axes) != list(range(1, len(fed))):
        return None
    return [fed[0], *(fed[axis] for axis in axes)]


def _recurrent(config: _Config, fed: _Sizes) -> Shape:
    time = fed[1:2] if config.get("return_sequences") else []
    return None if config.get("return_state") else [fed[0], *time, _number(config, "units")]


_OUTPUTS: Mapping[str, Callable[[_Config, _Sizes], Shape]] = {
    "Dense": lambda config, fed: [*fed[:-1], _number(config, "units")],
    "Embedding": lambda config, fed: [*fed, _number(config, "output_dim")],
    "Flatten": lambda _config, fed: [fed[0], _product(fed[1:])],
    "RepeatVector": lambda config, fed: [fed[0], _number(config, "n"), fed[-1]],
    "Permute": _permuted,
    "Reshape": _reshaped,
    "Resizing": _resized,
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"), _recurrent),
    **dict.fromkeys(("Conv", "SeparableConv"), _convolution),
    **{f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)},
    "DepthwiseConv": _depthwise,
    "ZeroPadding": _edged("padding", 1),
    "Cropping": _edged("cropping", -1),
    "UpSampling": _repeated,
}
"""By the name of the class, of convolutions and the like without their rank."""
