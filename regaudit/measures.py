"""Numbers taken from tensors: the only pass over the bytes of a model.

A tensor is cut into parts of a fixed size, each part is read block by block, and the parts are
merged in order: the result does not depend on the number of threads, and memory is constant.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from math import floor, inf, isfinite, log2, prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from regaudit.dataclass import dataclass
from regaudit.halves import in_halves, may_copy
from regaudit.tensor import BLOCK, Array, StoredTensor, Tensor, UnitView

PART = 1 << 22
"""Values measured as one piece of work."""

WORTH_THREADS = 16 * PART
"""Fewer values than this are measured by one thread: sharing them out would cost more."""

WORTH_COPYING = 2 * PART
"""The same for a second process."""

_CACHED = 1 << 16
"""Values that one thread works on at once: with their float64 copy they stay in an L2 cache. Of
several threads each takes whole blocks: the shorter their steps, the more they wait for each
other."""

NEAR_ZERO = 1e-3
"""A value is near zero below this share of its weight's root mean square ..."""

NEAR_ZERO_FLOOR = 1e-5
"""... or below this, so that a weight that collapsed as a whole is seen as what it is."""

_ROW = 4_096
"""Values of one dot product."""

_BINADES = 2_048
"""Exponents of a float64 ..."""

_BIAS = 1_023
"""... are stored with this added."""

_HUGE = 1e150
"""Root mean squares are cut here: the squares of larger values overflow."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Moments:
    """What regaudit knows of the values of one weight.

    Sums are float64 whatever the dtype. With a NaN or an infinity among the values, norms, mean
    and deviation are None, as they would be NaN.
    """

    size: int
    nonfinite: int
    """NaNs and infinities."""
    zeros: int
    """Exact zeros."""
    near_zeros: int
    """Values with abs(w) < `threshold`, exact zeros included."""
    threshold: float
    """`near_zero_threshold` of the finite values."""
    l1_norm: float | None
    l2_norm: float | None
    max_abs: float | None
    mean: float | None
    std: float | None
    units: int | None = None
    """Outputs of the layer; None where the weight has no outputs."""
    dead_units: int | None = None
    """Outputs into which every finite weight is near zero."""
    dead: bytes = b""
    """Which outputs these are, a bit for each, as NumPy packs them."""
    magnitudes: tuple[tuple[int, int], ...] | None = None
    """How many finite values lie in 2**e <= abs(w) < 2**(e + 1), as pairs (e, count) by e; zeros
    apart. None where it was not asked for."""

    @property
    def sparsity(self) -> float | None:
        """Share of exact zeros."""
        return self.zeros / self.size if self.size else None


def near_zero_threshold(rms: float) -> float:
    """Below which a value counts as zero in a weight with this root mean square.

    The power of two at or below max(rms/1000, 1e-5). A value that small adds less than a millionth
    to the sum of squares. A power of two, because then one pass over the values can count
    by exponent before the root mean square is known.
    """
    return float(2.0 ** floor(log2(max(min(rms, _HUGE) * NEAR_ZERO, NEAR_ZERO_FLOOR))))


def measure(
    tensors: Sequence[tuple[Tensor, UnitView | None]],
    threads: int = 1,
    *,
    histograms: bool = False,
) -> list[Moments]:
    """Measure all values of each tensor in one pass; many are shared out.

    Args:
        tensors: with the view of the outputs in each.
        threads: at most.
        histograms: also count `magnitudes`, which takes three to four times as long.
    """
    jobs = [
        (tensor, start, min(start + PART, size), units, histograms)
        for tensor, units in tensors
        for size in (prod(tensor.shape),)
        for start in range(0, size, PART)
    ]
    sizes = [stop - start for _, start, stop, *_ in jobs]
    alone = all(_is_opened_anew(tensor) for tensor, _ in tensors)
    if may_copy() and threads > 1 and alone and sum(sizes) > WORTH_COPYING:
        parts = in_halves(lambda job: _measure_part(*job, step=_CACHED), jobs, sizes)
        return _merged(tensors, iter(parts), histograms)
    if threads == 1 or sum(sizes) <= WORTH_THREADS:
        lazily = (_measure_part(*job, step=_CACHED) for job in jobs)
        return _merged(tensors, lazily, histograms)
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - small models need none

    with ThreadPoolExecutor(threads) as pool:
        return _merged(tensors, pool.map(lambda job: _measure_part(*job), jobs), histograms)


def _is_opened_anew(tensor: Tensor) -> bool:
    """Whether each reading opens the file: what is open already, two processes would move about."""
    return isinstance(tensor, StoredTensor) and isinstance(tensor.file, Path)


def _merged(
    tensors: Sequence[tuple[Tensor, UnitView | None]], parts: Iterator["_Part"], histograms: bool
) -> list[Moments]:
    """Merge the parts of each tensor; they come in order."""
    return [
        _moments(tensor, units, list(islice(parts, -(-prod(tensor.shape) // PART))), histograms)
        for tensor, units in tensors
    ]


@dataclass(slots=True)
class _Part:
    """Sums over some consecutive values, non-finite ones left out."""

    count: int
    total: float
    absolute: float
    squares: float
    deviations: float
    """Sum of squared deviations from this part's own mean."""
    nonfinite: int
    largest: float
    zeros: int
    small: np.ndarray[Any, np.dtype[np.int64]]
    """Values below `seen_below` counted by binary exponent; index 0 holds the zeros."""
    seen_below: float
    """Values at or above this were not counted by exponent."""
    unit_max: Floats | None
    """Largest abs(w) of each unit, shape `(units,)`."""


def _measure_part(
    tensor: Tensor,
    start: int,
    stop: int,
    units: UnitView | None,
    histograms: bool,
    *,
    step: int = BLOCK,
) -> _Part:
    part = _Part(0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0, np.zeros(_BINADES, np.int64), 0.0, None)
    if histograms:
        part.seen_below = inf
    maxima = _UnitMaxima(units, start) if units else None
    work = np.empty(min(step, stop - start))
    with np.errstate(all="ignore"):
        for block in tensor.blocks(start, stop):
            for at in range(0, len(block), step):
                piece = block[at : at + step]
                values = work[: len(piece)]
                np.copyto(values, piece, casting="unsafe")
                _add_block(part, values, maxima)
    if maxima:
        part.unit_max = maxima.result()
    return part


def _add_block(part: _Part, values: Floats, maxima: "_UnitMaxima | None") -> None:
    """Add a block to the sums; `values` is spent as work space."""
    squares = _sum_of_squares(values)
    bad = 0
    if not np.isfinite(squares) and (bad := _blank_nonfinite(values)):
        squares = _sum_of_squares(values)
    total = _sum(values)
    count = len(values) - bad
    mean = total / count if count else 0.0
    deviations = squares - total * mean
    if deviations < 1e-6 * squares and count and not bad:
        # The two terms nearly cancel: take the deviations themselves.
        deviations = float(np.square(values - mean).sum())
    if part.count and count:
        shift = mean - part.total / part.count
        deviations += shift * shift * part.count * count / (part.count + count)
    part.deviations += max(deviations, 0.0)
    np.abs(values, out=values)
    if maxima:
        maxima.add(values)
        part.largest = max(part.largest, maxima.block_max)
    else:
        part.largest = max(part.largest, float(values.max(initial=0.0)))
    part.absolute += _sum(values)
    part.squares += squares
    part.total += total
    part.count += count
    part.nonfinite += bad
    if not part.seen_below:
        # Room for a later block with eight times the root mean square of this one.
        part.seen_below = 8 * near_zero_threshold(sqrt(squares / max(count, 1)))
    small = values[values < part.seen_below]
    part.small += np.bincount(small.view(np.int64) >> 52, minlength=_BINADES)
    part.small[0] -= bad
    part.zeros += len(small) - int(np.count_nonzero(small)) - bad


def _sum_of_squares(values: Floats) -> float:
    """Add up by BLAS, in rows so short that it starts no threads: ours would wait for them."""
    whole = len(values) // _ROW * _ROW
    rows, rest = values[:whole].reshape(-1, 1, _ROW), values[whole:]
    return float(np.matmul(rows, rows.reshape(-1, _ROW, 1)).sum() + np.dot(rest, rest))


def _sum(values: Floats) -> float:
    """Add up; `np.add.reduce` takes half as long again."""
    return float(np.einsum("i->", values))


def _blank_nonfinite(values: Floats) -> int:
    """Set NaNs and infinities to zero, return how many there were."""
    bad = ~np.isfinite(values)
    values[bad] = 0.0
    return int(np.count_nonzero(bad))


class _UnitMaxima:
    """Running largest abs(w) of each unit, for values that come in C order.

    A narrow weight is seen as one with several rows side by side: wide rows are what NumPy
    reduces fast.
    """

    def __init__(self, view: UnitView, start: int) -> None:
        self._view = view
        width = view.units * view.inner
        self._side_by_side = max(1, 1_024 // max(width, 1))
        self._width = width * self._side_by_side
        self._column = start % self._width if self._width else 0
        self._largest = np.zeros(self._width)
        self.block_max = 0.0

    def add(self, values: Array) -> None:
        """Take in absolute values that follow those taken in before."""
        self.block_max = 0.0
        while len(values):
            room = self._width - self._column
            if self._column or len(values) < self._width:
                piece, values = values[:room], values[room:]
                self._take(piece, self._column)
                self._column = (self._column + len(piece)) % self._width
            else:
                rows = len(values) // self._width
                whole = values[: rows * self._width].reshape(rows, self._width)
                self._take(np.maximum.reduce(whole, axis=0), 0)
                values = values[rows * self._width :]

    def _take(self, piece: Array, column: int) -> None:
        window = self._largest[column : column + len(piece)]
        np.maximum(window, piece, out=window)
        self.block_max = max(self.block_max, float(piece.max()))

    def result(self) -> Floats:
        """Shape `(units,)`."""
        folded = self._largest.reshape(self._side_by_side, self._view.units, self._view.inner)
        result: Floats = folded.max(axis=(0, 2), initial=0.0)
        return result


def _moments(
    tensor: Tensor, units: UnitView | None, parts: list[_Part], histograms: bool
) -> Moments:
    """Merge the parts, in order."""
    size = prod(tensor.shape)
    count = sum(part.count for part in parts)
    total = sum(part.total for part in parts)
    squares = sum(part.squares for part in parts)
    threshold = near_zero_threshold(sqrt(squares / count) if count else 0.0)
    exact = size > 0 and count == size
    mean = total / count if count else 0.0
    deviations = sum(
        part.deviations + part.count * (part.total / part.count - mean) ** 2
        for part in parts
        if part.count
    )
    unit_max = [part.unit_max for part in parts if part.unit_max is not None]
    dead = None
    if units is not None:
        dead = np.maximum.reduce(unit_max) < threshold if unit_max else np.zeros(0, np.bool_)
    finite = exact or size == 0
    return Moments(
        size=size,
        nonfinite=sum(part.nonfinite for part in parts),
        zeros=sum(part.zeros for part in parts),
        near_zeros=_count_below(threshold, tensor, parts),
        threshold=threshold,
        l1_norm=_finite(float(sum(part.absolute for part in parts))) if finite else None,
        l2_norm=_finite(sqrt(squares)) if finite else None,
        max_abs=max((part.largest for part in parts), default=0.0) if finite else None,
        mean=_finite(mean) if exact else None,
        std=_finite(sqrt(deviations / count)) if exact else None,
        units=None if units is None else units.units,
        dead_units=None if dead is None else int(np.count_nonzero(dead)),
        dead=b"" if dead is None else np.packbits(dead).tobytes(),
        magnitudes=_magnitudes(parts) if histograms else None,
    )


def _magnitudes(parts: list[_Part]) -> tuple[tuple[int, int], ...]:
    """Return the counts by exponent of all parts together; each saw all of its values."""
    total = sum((part.small for part in parts), np.zeros(_BINADES, np.int64))
    return tuple((int(e) - _BIAS, int(total[e])) for e in np.flatnonzero(total) if e)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _count_below(threshold: float, tensor: Tensor, parts: list[_Part]) -> int:
    """Count near-zeros by exponent; read a part again if its first block misled us."""
    exponent = int(np.array([threshold]).view(np.int64)[0] >> 52)
    near = 0
    for index, part in enumerate(parts):
        if threshold <= part.seen_below:
            near += int(part.small[:exponent].sum())
            continue
        for block in tensor.blocks(index * PART, (index + 1) * PART):
            near += int(np.count_nonzero(np.abs(block.astype(np.float64)) < threshold))
    return near
