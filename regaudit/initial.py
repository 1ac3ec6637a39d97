"""What a kernel looks like before training: the statistics of Keras's initializers.

A kernel that still has them has not been trained: the uniform and the truncated normal initializers
have bounds, which the first steps of training carry some values across.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, prod, sqrt
from typing import Any

from regaudit.measures import Moments
from regaudit.model import Layer, Weight

MIN_SIZE = 64
"""Of fewer values no statistics are taken."""

SIGMAS = 4.0
"""Standard errors by which a statistic may be off."""

TRUNCATED = 0.87962566103423978
"""Standard deviation of a standard normal that is cut at two."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """A distribution of standard deviation one."""

    mean_abs: float
    std_abs: float
    """Standard deviation of the absolute values."""
    kurtosis: float
    bound: float | None
    """Largest absolute value; None where there is none."""


_UNIFORM = _Shape(sqrt(3) / 2, 0.5, 1.8, sqrt(3))
_NORMAL = _Shape(0.797885, 0.602810, 3.0, None)
_TRUNCATED = _Shape(0.821702, 0.569912, 2.365515, 2 / TRUNCATED)

_SCALED: Mapping[str, tuple[float, str, _Shape]] = {
    "GlorotUniform": (1.0, "fan_avg", _UNIFORM),
    "GlorotNormal": (1.0, "fan_avg", _TRUNCATED),
    "HeUniform": (2.0, "fan_in", _UNIFORM),
    "HeNormal": (2.0, "fan_in", _TRUNCATED),
    "LecunUniform": (1.0, "fan_in", _UNIFORM),
    "LecunNormal": (1.0, "fan_in", _TRUNCATED),
}
"""Initializers whose variance is a scale over a count of inputs and outputs."""

_DISTRIBUTIONS: Mapping[str, _Shape] = {
    "uniform": _UNIFORM,
    "truncated_normal": _TRUNCATED,
    "normal": _TRUNCATED,
    "untruncated_normal": _NORMAL,
}


@dataclass(frozen=True, slots=True)
class Initial:
    """The distribution that an initializer draws from, with a mean of zero."""

    std: float
    shape: _Shape

    @classmethod
    def of(cls, layer: Layer, weight: Weight) -> "Initial | None":
        """Return the distribution of a weight's initializer.

        None where it is not known: other initializers, custom layers, kernels of layers whose
        counts of inputs and outputs are not those of their shape (attention, EinsumDense).
        """
        config = _initializer(layer, weight)
        if config is None:
            return None
        name, settings = config
        if name in _SCALED or name == "VarianceScaling":
            scale, mode, shape = _SCALED.get(name) or (
                settings.get("scale", 1.0),
                settings.get("mode", "fan_in"),
                _DISTRIBUTIONS.get(str(settings.get("distribution", "truncated_normal"))),
            )
            count = _fan(weight.shape, str(mode))
            if count is None or shape is None or not _is_positive(scale):
                return None
            return cls(sqrt(scale / count), shape)
        return cls._simple(name, settings)

    @classmethod
    def _simple(cls, name: str, settings: Mapping[str, Any]) -> "Initial | None":
        """Initializers that do not look at the shape."""
        if name == "RandomUniform":
            low, high = settings.get("minval", -0.05), settings.get("maxval", 0.05)
            even = _is_positive(high) and _is_positive(-low if _is_number(low) else None)
            return cls(high / sqrt(3), _UNIFORM) if even and low == -high else None
        if name not in {"RandomNormal", "TruncatedNormal"}:
            return None
        std = settings.get("stddev", 0.05)
        if settings.get("mean", 0.0) != 0 or not _is_positive(std):
            return None
        return cls(std * TRUNCATED, _TRUNCATED) if name[0] == "T" else cls(std, _NORMAL)

    def norm(self, size: int) -> float:
        """L2 norm to expect of so many values."""
        return self.std * sqrt(size)

    def fits(self, measured: Moments) -> bool:
        """Whether values may well be as they were drawn."""
        size = measured.size
        if size < MIN_SIZE or measured.mean is None or measured.std is None:
            return False
        if measured.l1_norm is None or measured.max_abs is None:
            return False
        error = SIGMAS / sqrt(size)
        spread = error * sqrt(self.shape.kurtosis - 1) / 2
        mean_abs = measured.l1_norm / size / self.std
        if abs(measured.mean) > error * self.std or abs(measured.std / self.std - 1) > spread:
            return False
        if abs(mean_abs - self.shape.mean_abs) > error * self.shape.std_abs:
            return False
        return self.shape.bound is None or measured.max_abs <= self.shape.bound * self.std * 1.00001


def is_untouched(layer: Layer, weight: Weight, measured: Mapping[str, Moments]) -> bool | None:
    """Whether a kernel and the biases beside it are still as they were initialized.

    None where that cannot be told: the initializer is not known, or has no bounds and no bias
    beside the kernel to confirm it.

    Args:
        layer: the weight's.
        weight: a kernel.
        measured: numbers of all weights, by stored path.
    """
    initial = Initial.of(layer, weight)
    own = measured.get(weight.stored_path)
    if initial is None or own is None or own.size < MIN_SIZE:
        return None
    biases = [
        measured[other.stored_path]
        for other in layer.weights
        if other.role == "bias" and other.trainable and other.stored_path in measured
    ]
    if not initial.fits(own) or not all(_is_initial_bias(layer, bias) for bias in biases):
        return False
    return True if biases or initial.shape.bound is not None else None


def _is_initial_bias(layer: Layer, bias: Moments) -> bool:
    """Whether a bias is zero; or one for the forget gates of an LSTM alone."""
    if layer.config.get("unit_forget_bias") is True:
        return bias.max_abs == 1 and bias.l1_norm == bias.size / 4 == bias.size - bias.zeros
    return bias.max_abs == 0


def _initializer(layer: Layer, weight: Weight) -> tuple[str, Mapping[str, Any]] | None:
    """Return the class and the settings of a weight's initializer."""
    if weight.regularizer_key is None or not layer.known:
        return None
    plain = layer.class_name.startswith(("Conv", "DepthwiseConv", "SeparableConv"))
    if len(weight.shape) < 2 or (len(weight.shape) != 2 and not plain):
        return None
    key = weight.regularizer_key.replace("_regularizer", "_initializer")
    value = layer.config.get(key)
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        return None
    config = value.get("config")
    return value["class_name"], config if isinstance(config, Mapping) else {}


def _fan(shape: tuple[int, ...], mode: str) -> float | None:
    """Inputs, outputs or their mean, counted as Keras does; None for an unknown mode."""
    field = prod(shape[:-2])
    fan_in, fan_out = shape[-2] * field, shape[-1] * field
    counts = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    count = counts.get(mode)
    return max(1.0, count) if count is not None else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and abs(value) < 1e30 and isfinite(value) and value > 1e-30
