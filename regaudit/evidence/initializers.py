"""What a weight is before training: the size and the statistics of Keras's initializers.

A kernel that still has them has not been trained: the uniform and the truncated normal initializers
have bounds, which the first steps of training carry some values across.

Source: Glorot and Bengio (2010), He et al. (2015) and LeCun et al. (1998), as in
`keras.initializers`.
"""

from collections.abc import Callable, Mapping
from math import isfinite, prod, sqrt
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from regaudit.measures.moments import Moments
from regaudit.model import Layer, Weight

MIN_SIZE = 64
"""Of fewer values no statistics are taken."""

SIGMAS = 4.0
"""Standard errors by which a statistic may be off."""

TRUNCATED = 0.87962566103423978
"""Standard deviation of a standard normal that is cut at two."""

_Config = Mapping[str, Any]
_Shape = tuple[int, ...]


class Distribution(Struct, frozen=True):
    """One with a mean of zero and a standard deviation of one."""

    mean_abs: float
    std_abs: float
    """Standard deviation of the absolute values."""
    kurtosis: float
    bound: float | None
    """Largest absolute value; None where there is none."""


_UNIFORM = Distribution(sqrt(3) / 2, 0.5, 1.8, sqrt(3))
_NORMAL = Distribution(0.797885, 0.602810, 3.0, None)
_TRUNCATED = Distribution(0.821702, 0.569912, 2.365515, 2 / TRUNCATED)
_DISTRIBUTIONS: Mapping[str, Distribution] = {
    "uniform": _UNIFORM,
    "truncated_normal": _TRUNCATED,
    "normal": _TRUNCATED,
    "untruncated_normal": _NORMAL,
}


class Initial(Struct, frozen=True):
    """What an initializer makes of a weight."""

    rms: float
    """Root mean square of the values, on average."""
    distribution: Distribution | None
    """What each value is drawn from, but for the factor `rms`; None where they are not drawn one by
    one around zero, or where that is not known."""

    @classmethod
    def of(cls, layer: Layer, weight: Weight) -> "Initial | None":
        """Return what the initializer makes of a weight that the layer's file names for it.

        None where the file names none, or one of zeros, of data, or of the user's own.
        """
        stored = stored_initializer(layer, weight)
        if stored is None or len(weight.shape) < 2:
            return None
        name, config = stored
        if config.get("input_axes") is not None or config.get("output_axes") is not None:
            return None
        known = _KNOWN.get(plain_name(name))
        try:
            found = known(config, weight.shape) if known else None
        except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
            return None  # a configuration that Keras would refuse as well
        if found is None or not isfinite(found.rms) or not found.rms:
            return None
        return found if _is_plain(layer, weight) else replace(found, distribution=None)

    def norm(self, size: int) -> float:
        """L2 norm to expect of so many values."""
        return self.rms * sqrt(size)

    def fits(self, measured: Moments) -> bool:
        """Whether values may well be as they were drawn."""
        size, drawn = measured.size, self.distribution
        if drawn is None or size < MIN_SIZE or measured.mean is None or measured.std is None:
            return False
        if measured.l1_norm is None or measured.max_abs is None:
            return False
        error = SIGMAS / sqrt(size)
        spread = error * sqrt(drawn.kurtosis - 1) / 2
        mean_abs = measured.l1_norm / size / self.rms
        if abs(measured.mean) > error * self.rms or abs(measured.std / self.rms - 1) > spread:
            return False
        if abs(mean_abs - drawn.mean_abs) > error * drawn.std_abs:
            return False
        return drawn.bound is None or measured.max_abs <= drawn.bound * self.rms * 1.00001


def stored_initializer(layer: Layer, weight: Weight) -> tuple[str, _Config] | None:
    """Return class and configuration of the initializer that a layer's file names for a weight."""
    if weight.regularizer_key is None:
        return None
    stored = layer.config.get(weight.regularizer_key.replace("_regularizer", "_initializer"))
    if isinstance(stored, str):
        stored = {"class_name": stored}
    if not isinstance(stored, Mapping):
        return None
    name, config = stored.get("class_name"), stored.get("config") or {}
    return (name, config) if isinstance(name, str) and isinstance(config, Mapping) else None


def plain_name(name: str) -> str:
    """Return the name of a class or of a function without underscores, in lower case."""
    return name.replace("_", "").lower()


def is_untouched(layer: Layer, weight: Weight, measured: Mapping[str, Moments]) -> bool | None:
    """Whether a kernel and the biases of its layer are still as they were initialized.

    None where that is not known: the initializer is unknown, or has no bounds, and no bias of the
    layer confirms it.

    Args:
        layer: the weight's.
        weight: a kernel.
        measured: numbers of all weights, by stored path.
    """
    initial = Initial.of(layer, weight)
    own = measured.get(weight.stored_path)
    if initial is None or initial.distribution is None or own is None or own.size < MIN_SIZE:
        return None
    biases = [
        measured[other.stored_path]
        for other in layer.weights
        if other.role == "bias" and other.trainable and other.stored_path in measured
    ]
    if not initial.fits(own) or not all(_is_initial_bias(layer, bias) for bias in biases):
        return False
    return True if biases or initial.distribution.bound is not None else None


def _is_initial_bias(layer: Layer, bias: Moments) -> bool:
    """Whether a bias is zero; or one for the forget gates of an LSTM alone."""
    if layer.config.get("unit_forget_bias") is True:
        return bias.max_abs == 1 and bias.l1_norm == bias.size / 4 == bias.size - bias.zeros
    return bias.max_abs == 0


def _is_plain(layer: Layer, weight: Weight) -> bool:
    """Whether inputs and outputs are surely counted by the shape: not in attention, EinsumDense."""
    convolution = layer.class_name.startswith(("Conv", "DepthwiseConv", "SeparableConv"))
    return layer.known and (len(weight.shape) == 2 or convolution)


def _variance_scaling(config: _Config, shape: _Shape) -> Initial:
    field = prod(shape[:-2])
    inputs, outputs = shape[-2] * field, shape[-1] * field
    fans = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}
    fan = max(1.0, fans[config.get("mode", "fan_in").lower()])
    name = str(config.get("distribution", "truncated_normal"))
    return Initial(sqrt(config.get("scale", 1.0) / fan), _DISTRIBUTIONS.get(name))


def _scaled(scale: float, mode: str, distribution: str) -> Callable[[_Config, _Shape], Initial]:
    config = {"scale": scale, "mode": mode, "distribution": distribution}
    return lambda _, shape: _variance_scaling(config, shape)


def _normal(config: _Config, _: _Shape) -> Initial:
    mean, std = config.get("mean", 0.0), config.get("stddev", 0.05)
    return Initial(sqrt(mean**2 + std**2), None if mean else _NORMAL)


def _truncated_normal(config: _Config, _: _Shape) -> Initial:
    mean, std = config.get("mean", 0.0), TRUNCATED * config.get("stddev", 0.05)
    return Initial(sqrt(mean**2 + std**2), None if mean else _TRUNCATED)


def _uniform(config: _Config, _: _Shape) -> Initial:
    low, high = config.get("minval", -0.05), config.get("maxval", 0.05)
    rms = sqrt((low * low + low * high + high * high) / 3)
    return Initial(rms, _UNIFORM if low == -high else None)


def _orthogonal(config: _Config, shape: _Shape) -> Initial:
    rows, columns = prod(shape[:-1]), shape[-1]
    return Initial(float(config.get("gain", 1.0)) / sqrt(max(rows, columns)), None)


def _identity(config: _Config, shape: _Shape) -> Initial:
    return Initial(abs(float(config.get("gain", 1.0))) * sqrt(min(shape) / prod(shape)), None)


_KNOWN: Mapping[str, Callable[[_Config, _Shape], Initial]] = {
    "glorotuniform": _scaled(1.0, "fan_avg", "uniform"),
    "glorotnormal": _scaled(1.0, "fan_avg", "truncated_normal"),
    "xavieruniform": _scaled(1.0, "fan_avg", "uniform"),
    "xaviernormal": _scaled(1.0, "fan_avg", "truncated_normal"),
    "heuniform": _scaled(2.0, "fan_in", "uniform"),
    "henormal": _scaled(2.0, "fan_in", "truncated_normal"),
    "lecununiform": _scaled(1.0, "fan_in", "uniform"),
    "lecunnormal": _scaled(1.0, "fan_in", "truncated_normal"),
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
