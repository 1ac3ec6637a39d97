"""What `--spectral` shows of a weight: figures of the singular values of its matrix."""

from msgspec import Struct

LARGEST_CONDITION = 50_000.0
"""Conditions are given up to here. Beyond, the smallest singular value is lost: a Gram matrix holds
its square next to that of the largest, and float64 keeps 16 digits of their sum."""


class Spectrum(Struct, frozen=True):
    """Singular values of one weight as a matrix of (rows, units), summed up.

    A figure is None where it is undefined, as all but the norm are for a matrix of zeros, or where
    it takes all singular values and the matrix is too large for that.
    """

    shape: tuple[int, int]
    """Rows and units of the matrix."""
    spectral_norm: float
    """The largest singular value."""
    spectral_norm_error: float
    """How far `spectral_norm` may be off at most, relative to it."""
    stable_rank: float | None = None
    """Sum of the squared singular values over the square of the largest.

    Source: Rudelson and Vershynin (2007), Sampling from large matrices, JACM 54(4).
    """
    effective_rank: float | None = None
    """exp(H), H the entropy of the singular values over their sum.

    Source: Roy and Vetterli (2007), The effective rank, EUSIPCO.
    """
    condition: float | None = None
    """The largest singular value over the smallest, of as many as the smaller side has; None also
    where `condition_over` is set."""
    condition_over: float | None = None
    """What the condition is above, where it is too large to be known: `LARGEST_CONDITION`."""
    alpha: float | None = None
    """Exponent of a power law fitted to the tail of the squared singular values; None for fewer
    than `power_law.LEAST` of them. Informative only: no rule uses it."""
    alpha_tail: int | None = None
    """How many of them the fitted tail holds."""
    ranks: tuple[int, ...] = ()
    """Some ranks from 1 on, evenly spaced by their logarithm; `alpha_tail` is among them ..."""
    singular_values: tuple[float, ...] = ()
    """... and the singular values of these ranks, those lost in rounding left out."""
