"""Sums over consecutive values: one pass in C (`sums.c`), or several by NumPy where that is not.

Both give the same to rounding; installing compiles the C if there is a compiler.
"""

from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np

from regaudit.tensors.tensor import Array

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]

BINADES = 2_048
"""Exponents of a float64."""

_CACHED = 1 << 16
"""Values that NumPy works on at once: with their float64 copy they stay in an L2 cache."""

_ROW = 4_096
"""Values of one dot product."""


SMALL = 1e-3
"""Values below this are small whatever the scale of their weight: Adam's usual step."""


class Sums(NamedTuple):
    """Sums over some values, non-finite ones left out; float64 whatever the type of the values."""

    total: float
    absolute: float
    squares: float
    nonfinite: int
    """NaNs and infinities."""
    zeros: int
    """Those among the values below `below`."""
    small: int
    """Those below `SMALL`."""


class Grid(NamedTuple):
    """What is taken of the columns of a weight, and of what its inputs are multiplied by.

    Columns and inputs take turns: value i is of column `i % columns`, and of input
    `i // each % inputs`.
    """

    maxima: Array
    """Largest abs(w) of each column, of the type of the values, infinity where one is not finite;
    there is one column at least."""
    by_column: Array
    """Sum of squares of each column, float64; not finite where a value is not."""
    by_input: Array
    """Sum of squares of each input, float64; empty where inputs are not told apart."""
    each: int
    """Values next to each other that the same input is multiplied by."""

    @classmethod
    def of(cls, dtype: np.dtype[Any], columns: int = 1, inputs: int = 0, each: int = 1) -> Self:
        """Make one for values of a type, with nothing in it."""
        return cls(np.zeros(columns, dtype), np.zeros(columns), np.zeros(inputs), each)


def add_by_numpy(  # noqa: PLR0917 - as C is called
    values: Array,
    itemsize: int,
    below: float,
    counts: Array,
    maxima: Array,
    by_column: Array,
    by_input: Array,
    each: int,
    start: int,
) -> tuple[float, float, float, int, int, int]:
    """Do what `sums.c` does; see `sums`."""
    del itemsize  # NumPy knows
    found = Sums(0.0, 0.0, 0.0, 0, 0, 0)
    work = np.empty(min(_CACHED, len(values)))
    with np.errstate(all="ignore"):
        for at in range(0, len(values), _CACHED):
            piece = work[: len(values) - at]
            np.copyto(piece, values[at : at + _CACHED])
            part = _sums(piece, below, counts)
            _take_by_column(np.maximum, piece, maxima, (start + at) % len(maxima))
            np.square(piece, out=piece)
            _take_by_column(np.add, piece, by_column, (start + at) % len(by_column))
            if len(by_input):
                _add_by_input(piece, by_input, each, start + at)
            found = Sums(
                found.total + part.total,
                found.absolute + part.absolute,
                found.squares + part.squares,
                found.nonfinite + part.nonfinite,
                found.zeros + part.zeros,
                found.small + part.small,
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
    few = int(np.count_nonzero(values < SMALL)) - bad
    if wrong is not None:
        values[wrong] = np.inf
    return Sums(total, absolute, squares, bad, zeros, few)


def _sum_of_squares(values: Array) -> float:
    """Add up by BLAS, in rows so short that it starts no threads: ours would wait for them."""
    whole = len(values) // _ROW * _ROW
    rows, rest = values[:whole].reshape(-1, 1, _ROW), values[whole:]
    return float(np.matmul(rows, rows.reshape(-1, _ROW, 1)).sum() + np.dot(rest, rest))


def _take_by_column(take: np.ufunc, values: Array, found: Array, column: int) -> None:
    """Take the maxima of columns, or their sums; the first value is in `column`."""
    while len(values):
        room = len(found) - column
        if column or len(values) < len(found):
            piece, values = values[:room], values[room:]
            window = found[column : column + len(piece)]
            take(window, piece, out=window, casting="same_kind")
            column = (column + len(piece)) % len(found)
        else:
            rows = len(values) // len(found)
            whole, values = np.split(values, [rows * len(found)])
            taken = take.reduce(whole.reshape(rows, -1), axis=0)
            take(found, taken, out=found, casting="same_kind")


def _add_by_input(squares: Array, by_input: Array, each: int, start: int) -> None:
    begins = np.maximum(np.arange(-(start % each), len(squares), each), 0)
    inputs = (start // each + np.arange(len(begins))) % len(by_input)
    np.add.at(by_input, inputs, np.add.reduceat(squares, begins))


add = add_by_numpy
with suppress(ImportError):
    from regaudit.measures import _sums as in_c

    add = in_c.add


def sums(values: Array, below: float, counts: Counts, grid: Grid, start: int = 0) -> Sums:
    """Add up values, count those near zero, and take what there is of each column and input.

    Args:
        values: flat, float32 or float64, in the byte order of the machine.
        below: values with abs(w) < `below` are near zero; none is for 0.
        counts: numbers of these by the biased exponent of a float64, `(BINADES,)`, added to;
            index 0 holds the zeros.
        grid: added to.
        start: how many values of the weight come before these, in C order.
    """
    return Sums(*add(values, values.itemsize, below, counts, *grid, start))
