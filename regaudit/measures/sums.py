"""Sums over consecutive values: one pass in C (`sums.c`), or several by NumPy where that is not.

Both give the same to rounding; installing compiles the C if there is a compiler.
"""

from contextlib import suppress
from typing import NamedTuple

import numpy as np

from regaudit.tensors.tensor import Array

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]

BINADES = 2_048
"""Exponents of a float64."""

_CACHED = 1 << 16
"""Values that NumPy works on at once: with their float64 copy they stay in an L2 cache."""

_ROW = 4_096
"""Values of one dot product."""


class Sums(NamedTuple):
    """Sums over some values, non-finite ones left out; float64 whatever the type of the values."""

    total: float
    absolute: float
    squares: float
    largest: float
    """Largest abs(w)."""
    nonfinite: int
    """NaNs and infinities."""
    zeros: int
    """Those among the values below `below`."""


def add_by_numpy(  # noqa: PLR0917 - as C is called
    values: Array, itemsize: int, below: float, counts: Array, maxima: Array, column: int
) -> tuple[float, float, float, float, int, int]:
    """Do what `sums.c` does; see `sums`."""
    del itemsize  # NumPy knows
    found = Sums(0.0, 0.0, 0.0, 0.0, 0, 0)
    work = np.empty(min(_CACHED, len(values)))
    with np.errstate(all="ignore"):
        for at in range(0, len(values), _CACHED):
            piece = work[: len(values) - at]
            np.copyto(piece, values[at : at + _CACHED])
            part = _sums(piece, below, counts)
            if len(maxima):
                _take_maxima(piece, maxima, (column + at) % len(maxima))
            found = Sums(
                found.total + part.total,
                found.absolute + part.absolute,
                found.squares + part.squares,
                max(found.largest, part.largest),
                found.nonfinite + part.nonfinite,
                found.zeros + part.zeros,
            )
    return found


def _sums(values: Array, below: float, counts: Array) -> Sums:
    """Sum up; leaves the absolute values in `values`, infinity where there is no number."""
    squares = _sum_of_squares(values)
    bad, wrong = 0, None
    if not np.isfinite(squares):
        wrong = ~np.isfinite(values)
        bad = int(np.count_nonzero(wrong))
        values[wrong] = 0.0
        squares = _sum_of_squares(values)
    total = float(np.einsum("i->", values))  # `np.add.reduce` takes half as long again
    np.abs(values, out=values)
    zeros = 0
    if below:
        small = values[values < below]
        counts += np.bincount(small.view(np.int64) >> 52, minlength=BINADES)
        counts[0] -= bad
        zeros = len(small) - int(np.count_nonzero(small)) - bad
    absolute = float(np.einsum("i->", values))
    largest = float(values.max(initial=0.0))
    if wrong is not None:
        values[wrong] = np.inf
    return Sums(total, absolute, squares, largest, bad, zeros)


def _sum_of_squares(values: Array) -> float:
    """Add up by BLAS, in rows so short that it starts no threads: ours would wait for them."""
    whole = len(values) // _ROW * _ROW
    rows, rest = values[:whole].reshape(-1, 1, _ROW), values[whole:]
    return float(np.matmul(rows, rows.reshape(-1, _ROW, 1)).sum() + np.dot(rest, rest))


def _take_maxima(values: Array, maxima: Array, column: int) -> None:
    """Raise the maximum of each column to that of absolute values whose first is in `column`."""
    while len(values):
        room = len(maxima) - column
        if column or len(values) < len(maxima):
            piece, values = values[:room], values[room:]
            window = maxima[column : column + len(piece)]
            np.maximum(window, piece, out=window, casting="same_kind")
            column = (column + len(piece)) % len(maxima)
        else:
            rows = len(values) // len(maxima)
            whole, values = np.split(values, [rows * len(maxima)])
            largest = np.maximum.reduce(whole.reshape(rows, -1), axis=0)
            np.maximum(maxima, largest, out=maxima, casting="same_kind")


add = add_by_numpy
with suppress(ImportError):
    from regaudit.measures import _sums as in_c

    add = in_c.add


def sums(values: Array, below: float, counts: Counts, maxima: Array, column: int) -> Sums:
    """Add up values, count the small ones, and take the largest of each column.

    Args:
        values: flat, float32 or float64, in the byte order of the machine.
        below: values with abs(w) < `below` are small; none is for 0.
        counts: numbers of small values by the biased exponent of a float64, `(BINADES,)`, added
            to; index 0 holds the zeros.
        maxima: largest abs(w) of each column so far, `(columns,)`, of the type of the values,
            infinity where one is not finite; none are taken if it is empty.
        column: of the first value; they follow each other in C order.
    """
    return Sums(*add(values, values.itemsize, below, counts, maxima, column))
