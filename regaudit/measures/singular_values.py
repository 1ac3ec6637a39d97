"""Singular values of a matrix that is read some rows at a time, never held as a whole.

They are the square roots of the eigenvalues of the Gram matrix of the smaller side, summed in
float64. That squares the condition: an eigenvalue comes out within about 1e-15 of the largest, a
singular value s within 1e-15 * (largest / s)**2 of itself. Hence `LARGEST_CONDITION`, at which the
smallest is good to about 1e-5, and `NOISE`, below which nothing is. The largest is good to 1e-12.

Source: Golub and Van Loan (2013), Matrix Computations, sections 8.6 and 10.1.
"""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np

from regaudit.measures.matrix import Floats, Matrix
from regaudit.measures.power_law import fitted_tail
from regaudit.measures.spectrum import LARGEST_CONDITION, Spectrum

GRAM_SIDE = 4096
"""Largest smaller side whose Gram matrix is taken: 128 MiB, and as much again for its eigenvalues.
Beyond, the Lanczos method finds the largest singular value alone."""

NOISE = 1e-7
"""Singular values below this share of the largest count as zero: they are rounding."""

TOLERANCE = 1e-6
"""Residual, relative to the squared norm, at which the Lanczos method is done ..."""

STEPS = 300
"""... or gives up after these, each of which reads the whole matrix."""

BASIS = 1 << 24
"""Most values in the basis of the Lanczos method; for very wide matrices it ends sooner."""

RANKS = 64
"""Singular values that are kept to draw them."""

_TILE = 1024
"""Columns whose products with others are computed at once: bounds the memory."""

_EPSILON = float(np.finfo(np.float64).eps)

Watch = Callable[[], None]
"""Called between two pieces of work; raises to stop it."""


def spectrum(matrix: Matrix, shape: tuple[int, int], watch: Watch) -> Spectrum:
    """Return the figures of a matrix that has finite values, not all of them zero.

    Args:
        matrix: in any orientation.
        shape: rows and units of the weight.
        watch: stops it by raising.

    Raises:
        UnreadableModelError: the values cannot be read.
        LinAlgError: the numbers do not converge.
    """
    if min(matrix.rows, matrix.columns) > GRAM_SIDE:
        norm, error, squares = _largest(matrix, watch)
        stable_rank = squares / norm**2
        return Spectrum(shape, norm / matrix.scale, error, stable_rank)
    gram = _gram(matrix, watch)
    watch()
    # A sum of squares cannot be negative, but its rounding can.
    squared = np.maximum(np.linalg.eigvalsh(gram, UPLO="U")[::-1], 0.0)
    del gram
    values = np.sqrt(squared)
    norm, smallest = float(values[0]), float(values[-1])
    above_noise = values[values > NOISE * norm]
    shares = above_noise / above_noise.sum()
    tail = fitted_tail(above_noise**2)
    ranks = _ranks(len(above_noise), tail.values if tail else 1)
    known = smallest * LARGEST_CONDITION >= norm
    stable_rank = float(squared.sum() / squared[0])
    return Spectrum(
        shape,
        spectral_norm=norm / matrix.scale,
        spectral_norm_error=_EPSILON * (matrix.rows * stable_rank + matrix.columns),
        stable_rank=stable_rank,
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())),
        condition=norm / smallest if known else None,
        condition_over=None if known else LARGEST_CONDITION,
        alpha=tail.alpha if tail else None,
        alpha_tail=tail.values if tail else None,
        ranks=ranks,
        singular_values=tuple(float(above_noise[rank - 1]) / matrix.scale for rank in ranks),
    )


def _ranks(count: int, other: int) -> tuple[int, ...]:
    """Return at most `RANKS` ranks, evenly spaced by their logarithm, and one other."""
    spaced = np.geomspace(1, count, min(count, RANKS - 1)).round()
    return tuple(sorted({other, *map(int, spaced)}))


def _gram(matrix: Matrix, watch: Watch) -> Floats:
    """Return the upper triangle of the products of all columns, or of all rows if they are fewer.

    What lies below is whatever it is.
    """
    if matrix.rows >= matrix.columns:
        gram = np.zeros((matrix.columns, matrix.columns))
        for _, band in matrix.bands():
            watch()
            _add_products(gram, band)
        return gram
    gram = np.zeros((matrix.rows, matrix.rows))
    for row, band in matrix.bands():
        end = row + len(band)
        gram[row:end, row:end] = band @ band.T
        for other, below in matrix.bands(end // matrix.inner):
            watch()
            gram[row:end, other : other + len(below)] = band @ below.T
    return gram


def _add_products(gram: Floats, band: Floats) -> None:
    """Add the products of the columns of a band, on and above the diagonal."""
    for start in range(0, len(gram), _TILE):
        stop = start + _TILE
        tile = band[:, start:stop]
        gram[start:stop, start:stop] += tile.T @ tile
        if stop < len(gram):
            gram[start:stop, stop:] += tile.T @ band[:, stop:]


class _Largest(NamedTuple):
    norm: float
    error: float
    """Relative to the norm, at most."""
    squares: float
    """Sum of the squares of all values."""


def _largest(matrix: Matrix, watch: Watch) -> _Largest:
    """Return the largest singular value by the Lanczos method, fully reorthogonalized.

    Some singular value is as close as the error says. That it is the largest is certain but for an
    unlucky start, the same one in every run.
    """
    steps = max(min(STEPS, BASIS // matrix.columns, matrix.columns), 1)
    basis = np.zeros((steps, matrix.columns))
    start = np.random.default_rng(0).normal(size=matrix.columns)
    basis[0] = start / np.linalg.norm(start)
    tridiagonal = np.zeros((steps, steps))
    for step in range(steps):
        following, squares = _through(matrix, basis[step], watch)
        tridiagonal[step, step] = basis[step] @ following
        for _ in range(2):  # once leaves rounding that grows
            known = basis[: step + 1]
            following -= known.T @ (known @ following)
        beta = float(np.linalg.norm(following))
        values, vectors = np.linalg.eigh(tridiagonal[: step + 1, : step + 1])
        value = float(values[-1])
        error = beta * abs(float(vectors[-1, -1])) / value / 2
        if error <= TOLERANCE / 2:
            error += _EPSILON * (matrix.rows + matrix.columns)
            return _Largest(sqrt(value), error, squares)
        if step + 1 < steps:
            tridiagonal[step, step + 1] = tridiagonal[step + 1, step] = beta
            basis[step + 1] = following / beta
    raise np.linalg.LinAlgError(f"its norm is not settled after {steps} readings")


def _through(matrix: Matrix, vector: Floats, watch: Watch) -> tuple[Floats, float]:
    """Multiply a vector by the matrix and its transpose; also return the sum of all squares."""
    product, squares = np.zeros(matrix.columns), 0.0
    for _, band in matrix.bands():
        watch()
        product += band.T @ (band @ vector)
        squares += float(np.vdot(band, band))
    return product, squares
