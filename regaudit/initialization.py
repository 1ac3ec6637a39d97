"""How large a weight was before training, by the initializer that its layer's file names."""

from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any

from regaudit.model import Layer, Weight

_TRUNCATED = 0.8796256610342398
"""Standard deviation of a standard normal distribution that is cut at two of them."""

_Config = Mapping[str, Any]
_Shape = tuple[int, ...]


def initial_rms(layer: Layer, weight: Weight) -> float | None:
    """Return the root mean square that the initializer gives a weight on average.

    None where the file names no initializer, or one of zeros, of data, or of the user's own.

    Source: Glorot and Bengio (2010), He et al. (2015) and LeCun et al. (1998), as in
    `keras.initializers`.
    """
    if weight.regularizer_key is None or len(weight.shape) < 2:
        return None
    stored = layer.config.get(weight.regularizer_key.replace("_regularizer", "_initializer"))
    if isinstance(stored, str):
        stored = {"class_name": stored}
    if not isinstance(stored, Mapping):
        return None
    name, config = stored.get("class_name"), stored.get("config") or {}
    if not isinstance(name, str) or not isinstance(config, Mapping):
        return None
    if config.get("input_axes") is not None or config.get("output_axes") is not None:
        return None
    known = _KNOWN.get(name.replace("_", "").lower())
    try:
        return (known(config, weight.shape) or None) if known else None
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
        return None  # a configuration that Keras would refuse as well


def _fans(shape: _Shape) -> tuple[int, int]:
    """Return the inputs and the outputs of one unit, as Keras counts them."""
    field = prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _variance_scaling(config: _Config, shape: _Shape) -> float:
    inputs, outputs = _fans(shape)
    fans = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}
    return sqrt(config.get("scale", 1.0) / max(1.0, fans[config.get("mode", "fan_in").lower()]))


def _scaled(scale: float, mode: str) -> Callable[[_Config, _Shape], float]:
    return lambda _, shape: _variance_scaling({"scale": scale, "mode": mode}, shape)


def _normal(config: _Config, _: _Shape) -> float:
    return sqrt(config.get("mean", 0.0) ** 2 + config.get("stddev", 0.05) ** 2)


def _truncated_normal(config: _Config, _: _Shape) -> float:
    spread = _TRUNCATED * config.get("stddev", 0.05)
    return sqrt(config.get("mean", 0.0) ** 2 + spread**2)


def _uniform(config: _Config, _: _Shape) -> float:
    low, high = config.get("minval", -0.05), config.get("maxval", 0.05)
    return sqrt((low * low + low * high + high * high) / 3)


def _orthogonal(config: _Config, shape: _Shape) -> float:
    rows, columns = prod(shape[:-1]), shape[-1]
    return float(config.get("gain", 1.0)) / sqrt(max(rows, columns))


def _identity(config: _Config, shape: _Shape) -> float:
    return abs(float(config.get("gain", 1.0))) * sqrt(min(shape) / prod(shape))


_KNOWN: Mapping[str, Callable[[_Config, _Shape], float]] = {
    "glorotuniform": _scaled(1.0, "fan_avg"),
    "glorotnormal": _scaled(1.0, "fan_avg"),
    "xavieruniform": _scaled(1.0, "fan_avg"),
    "xaviernormal": _scaled(1.0, "fan_avg"),
    "heuniform": _scaled(2.0, "fan_in"),
    "henormal": _scaled(2.0, "fan_in"),
    "lecununiform": _scaled(1.0, "fan_in"),
    "lecunnormal": _scaled(1.0, "fan_in"),
    "variancescaling": _variance_scaling,
    "randomnormal": _normal,
    "normal": _normal,
    "truncatednormal": _truncated_normal,
    "randomuniform": _uniform,
    "uniform": _uniform,
    "orthogonal": _orthogonal,
    "orthogonalinitializer": _orthogonal,
    "identity": _identity,
    "identityinitializer": _identity,
}
"""By the class's or the function's name, in lower case without underscores."""
