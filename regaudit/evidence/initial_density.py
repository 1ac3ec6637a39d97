"""The distribution that an initializer of Keras draws each value of a weight from.

Source: Glorot and Bengio (2010), He et al. (2015) and LeCun et al. (1998), as in
`keras.initializers`; for one entry of a random orthogonal matrix, Muirhead (1982), Aspects of
Multivariate Statistical Theory, section 1.5.
"""

from collections.abc import Mapping
from math import erf, exp, inf, isfinite, lgamma, log, pi, prod, sqrt
from typing import Any, Literal

from msgspec import Struct

from regaudit.evidence.initializers import (
    TRUNCATED,
    Initial,
    plain_name,
    stored_initializer,
)
from regaudit.model import Layer, Weight

_CUT = 2.0
"""Standard deviations at which Keras truncates a normal distribution."""

_INSIDE = erf(_CUT / sqrt(2))
"""Share of a normal distribution that this leaves."""

_FEWEST = 4
"""Dimensions from which the density of an orthogonal matrix's entries has no poles."""


class Density(Struct, frozen=True):
    """The density of one value."""

    initializer: str
    """Class, as the file names it."""
    shape: Literal["uniform", "normal", "truncated normal", "orthogonal"]
    center: float
    spread: float
    """Half the width of a uniform one, the standard deviation of a normal one before any
    truncation, the gain of an orthogonal matrix."""
    dimensions: int = 0
    """Of an orthogonal matrix: its longer side."""

    @property
    def bound(self) -> float:
        """How far from its centre it ends; infinity if nowhere."""
        if self.shape == "normal":
            return inf
        return _CUT * self.spread if self.shape == "truncated normal" else self.spread

    @property
    def reach(self) -> float:
        """How far from its centre there is anything to see of it."""
        if self.shape == "orthogonal":
            return min(self.spread, 4 * self.spread / sqrt(self.dimensions))
        return min(self.bound, 4 * self.spread)

    def at(self, value: float) -> float:
        """Return the density at a value."""
        distance = abs(value - self.center) / self.spread
        if distance * self.spread > self.bound:
            return 0.0
        if self.shape == "uniform":
            return 1 / (2 * self.spread)
        if self.shape == "orthogonal":
            half = self.dimensions / 2
            size = lgamma(half) - lgamma(half - 0.5) - log(pi) / 2
            inside = max(1 - distance * distance, 0.0)
            return exp(size + (half - 1.5) * log(inside)) / self.spread if inside else 0.0
        bell = exp(-distance * distance / 2) / (sqrt(2 * pi) * self.spread)
        return bell / _INSIDE if self.shape == "truncated normal" else bell


def initial_density(layer: Layer, weight: Weight) -> Density | str:
    """Return what a weight was drawn from, or a sentence on why that is not known."""
    stored = stored_initializer(layer, weight)
    if stored is None:
        return "The file does not say how it was initialized."
    name, config = stored
    kind = plain_name(name).removesuffix("initializer")
    if kind in _FIXED:
        return f"Its initializer, {name}, draws nothing at random."
    if kind not in {*_OWN, *_SCALED}:
        return f"Its initializer, {name}, is not one of Keras, so its distribution is not known."
    if kind in _SCALED and not _counts_by_shape(layer, weight):
        return (
            f"How {name} counts the inputs and outputs of a layer of this class depends on the "
            "version of Keras, so its distribution is not known."
        )
    try:
        found = _density(name, kind, config, layer, weight)
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
        found = None  # a configuration that Keras would refuse as well
    if found is None or not (found.spread > 0 and isfinite(found.spread + found.center)):
        return f"The settings of its initializer, {name}, make no distribution."
    if found.shape == "orthogonal" and found.dimensions < _FEWEST:
        return f"It is too small for the values of {name} to have a density."
    return found


def _counts_by_shape(layer: Layer, weight: Weight) -> bool:
    initial = Initial.of(layer, weight)
    return initial is not None and initial.distribution is not None


def _density(
    name: str, kind: str, config: Mapping[str, Any], layer: Layer, weight: Weight
) -> Density | None:
    if kind == "orthogonal":
        sides = prod(weight.shape[:-1]), weight.shape[-1]
        return Density(name, "orthogonal", 0.0, abs(float(config.get("gain", 1.0))), max(sides))
    if kind in {"randomuniform", "uniform"}:
        low, high = float(config.get("minval", -0.05)), float(config.get("maxval", 0.05))
        return Density(name, "uniform", (low + high) / 2, (high - low) / 2)
    if kind in {"randomnormal", "normal", "truncatednormal"}:
        mean, std = float(config.get("mean", 0.0)), float(config.get("stddev", 0.05))
        shape = "truncated normal" if kind == "truncatednormal" else "normal"
        return Density(name, shape, mean, std)  # type: ignore[arg-type]
    initial = Initial.of(layer, weight)
    if initial is None or initial.distribution is None:
        return None
    drawn = str(config.get("distribution")) if kind == "variancescaling" else kind
    if kind.endswith("uniform") or drawn == "uniform":
        return Density(name, "uniform", 0.0, initial.rms * sqrt(3))
    if drawn == "untruncated_normal":
        return Density(name, "normal", 0.0, initial.rms)
    return Density(name, "truncated normal", 0.0, initial.rms / TRUNCATED)


_FIXED = frozenset({"zeros", "ones", "constant", "identity", "zero", "one"})

_OWN = frozenset(
    {"orthogonal", "randomuniform", "uniform", "randomnormal", "normal", "truncatednormal"}
)

_SCALED = frozenset(
    {
        *("glorotuniform", "glorotnormal", "xavieruniform", "xaviernormal"),
        *("heuniform", "henormal", "lecununiform", "lecunnormal", "variancescaling"),
    }
)
"""Initializers whose scale depends on how many inputs and outputs there are."""
