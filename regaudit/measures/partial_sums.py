"""The only pass over the bytes of a model: values in, sums over parts of them out.

A tensor is cut into parts of a fixed size, and each part is read block by block: memory is
constant, and what comes out does not depend on the number of threads, nor on the number of
processes that measured a share of the parts each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from math import floor, log2, prod, sqrt
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from regaudit.errors import UnreadableModelError
from regaudit.measures.histogram import Spread
from regaudit.measures.sums import BINADES, Counts, Grid, Sums, sums
from regaudit.model import UnitView
from regaudit.tensors.tensor import Array, Tensor

PART = 1 << 22
"""Values measured as one piece of work."""

WORTH_THREADS = 4 * PART
"""Fewer values than this are measured by one thread: sharing them out would cost more ..."""

WORTH_WAITING = 1 << 18
"""... and so are parts of fewer values on average: threads wait for each other between two."""

NEAR_ZERO = 1e-3
"""A value is near zero below this share of its weight's root mean square ..."""

NEAR_ZERO_FLOOR = 1e-5
"""... or below this, so that a weight that collapsed as a whole is seen as what it is."""

_SAMPLE = 1 << 16
"""Values that decide which later ones may turn out to be near zero."""

_WIDE = 1_024
"""Columns that are compared at once: narrow rows are seen side by side."""

_HUGE = 1e150
"""Root mean squares are cut here: the squares of larger values overflow."""


def near_zero_threshold(rms: float) -> float:
    """Below which a value counts as zero in a weight with this root mean square.

    The power of two at or below max(rms/1000, 1e-5). A value that small adds less than a millionth
    to the sum of squares. A power of two, because then one pass over the values can count
    by exponent before the root mean square is known.
    """
    return float(2.0 ** floor(log2(max(min(rms, _HUGE) * NEAR_ZERO, NEAR_ZERO_FLOOR))))


class Piece(NamedTuple):
    """Where a part lies: values `start` to `stop` of a tensor."""

    tensor: int
    """Which one of the sequence."""
    start: int
    stop: int


class Part(Struct):
    """Sums over some consecutive values, non-finite ones left out."""

    seen_below: float
    """Values at or above this were not counted by exponent."""
    near: bytes = b""
    """Values below `seen_below` counted by binary exponent: the exponents that occur, 0 for the
    zeros, then their counts, all int64."""
    count: int = 0
    total: float = 0.0
    absolute: float = 0.0
    squares: float = 0.0
    deviations: float = 0.0
    """Sum of squared deviations from this part's own mean."""
    nonfinite: int = 0
    largest: float = 0.0
    """Infinity where a value is not finite."""
    zeros: int = 0
    small: int = 0
    """Values below `SMALL`."""
    spread: bytes = b""
    """All values counted by their leading bits, where that was asked for."""
    fault: str = ""
    """Why its values cannot be read, if that is so."""

    def counts(self) -> tuple[Counts, Counts]:
        """Return the exponents of the values near zero, and how often each occurs."""
        exponents, counts = np.frombuffer(self.near, np.int64).reshape(2, -1)
        return exponents, counts


class PartRun(Struct, frozen=True):
    """Consecutive parts of one tensor, measured: plain data for another process to merge."""

    parts: tuple[Part, ...]
    unit_max: bytes
    """Largest abs(w) of each unit among them, float64; empty where the weight has no units."""
    unit_squares: bytes = b""
    """Sum of squares of each unit among them, float64."""
    input_squares: bytes = b""
    """Sum of squares of what each input is multiplied by; empty where that is not known."""


class _Units(NamedTuple):
    """What is known of the units in a part, float64."""

    largest: Array
    squares: Array
    by_input: Array

    def add(self, other: "_Units") -> None:
        """Take in those of another part."""
        np.maximum(self.largest, other.largest, out=self.largest)
        with np.errstate(all="ignore"):
            np.add(self.squares, other.squares, out=self.squares)
            np.add(self.by_input, other.by_input, out=self.by_input)


_Measured = tuple[Part, _Units | None]
"""A part, and its units where it has any."""

Progress = Callable[[int, int], None]
"""Called now and then in a pass with the bytes that are measured, and with those of all."""


def pieces_of(tensors: Sequence[tuple[Tensor, UnitView | None]]) -> list[Piece]:
    """Cut tensors into parts; those of each follow each other."""
    return [
        Piece(index, start, min(start + PART, size))
        for index, (tensor, _) in enumerate(tensors)
        for size in (prod(tensor.shape),)
        for start in range(0, size, PART)
    ]


def measure_pieces(
    tensors: Sequence[tuple[Tensor, UnitView | None]],
    pieces: Sequence[Piece],
    threads: int = 1,
    *,
    histograms: bool = False,
    progress: Progress | None = None,
) -> dict[int, PartRun]:
    """Measure some consecutive parts.

    Args:
        tensors: the values of weights, each with its units.
        pieces: the parts, in the order of the tensors.
        threads: how many parts are measured at once, if there is enough to measure.
        histograms: whether to count all values for a histogram.
        progress: called after each part.

    Returns:
        What is in them of each tensor, by its place in the sequence.
    """
    faulty: set[int] = set()

    def measured(piece: Piece) -> _Measured:
        if piece.tensor in faulty:  # the first fault is the one that is reported
            return Part(0.0, fault="not read after a fault"), None
        tensor, units = tensors[piece.tensor]
        try:
            return _measure_part(tensor, piece.start, piece.stop, units, histograms)
        except UnreadableModelError as error:
            faulty.add(piece.tensor)
            return Part(0.0, fault=str(error)), None

    def reported(parts: Iterable[_Measured]) -> Iterable[_Measured]:
        return parts if progress is None else _reported(tensors, pieces, parts, progress)

    values = sum(piece.stop - piece.start for piece in pieces)
    if threads == 1 or values <= max(WORTH_THREADS, WORTH_WAITING * len(pieces)):
        return _stretches(pieces, reported(map(measured, pieces)))
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - small models need none

    def in_turn(batch: list[Piece]) -> list[_Measured]:
        return list(map(measured, batch))

    with ThreadPoolExecutor(threads) as pool:
        results = chain.from_iterable(pool.map(in_turn, _batches(pieces)))
        return _stretches(pieces, reported(results))


def _reported(
    tensors: Sequence[tuple[Tensor, UnitView | None]],
    pieces: Sequence[Piece],
    measured: Iterable[_Measured],
    progress: Progress,
) -> Iterator[_Measured]:
    """Pass measured parts through and report how many bytes are done."""
    sizes = [(stop - start) * tensors[index][0].dtype.itemsize for index, start, stop in pieces]
    whole, done = sum(sizes), 0
    for size, part in zip(sizes, measured, strict=True):
        yield part
        done += size
        progress(done, whole)


def _batches(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Gather small parts that follow each other: threads that take one at a time would wait."""
    batches: list[list[Piece]] = []
    room = 0
    for piece in pieces:
        if room <= 0:
            batches.append([])
            room = PART
        batches[-1].append(piece)
        room -= piece.stop - piece.start
    return batches


def _stretches(pieces: Sequence[Piece], measured: Iterable[_Measured]) -> dict[int, PartRun]:
    """Gather measured parts by tensor, as they come: their maxima may be large."""
    found = {}
    pairs = zip(pieces, measured, strict=True)
    for tensor, group in groupby(pairs, key=lambda pair: pair[0].tensor):
        parts: list[Part] = []
        units: _Units | None = None
        for _, (part, found_there) in group:
            parts.append(part)
            if units is None or found_there is None:
                units = found_there if units is None else units
            else:
                units.add(found_there)
        raw = (one.tobytes() for one in units) if units else (b"",)
        found[tensor] = PartRun(tuple(parts), *raw)
    return found


def _measure_part(
    tensor: Tensor, start: int, stop: int, view: UnitView | None, histograms: bool
) -> _Measured:
    """Measure values `start` to `stop`, and of the units what is among them."""
    part = Part(0.0)
    near: Counts = np.zeros(BINADES, np.int64)
    grid: Grid | None = None
    spread = Spread() if histograms else None
    for block in tensor.blocks(start, stop):
        values = _as_floats(block)
        if grid is None:
            grid = _grid(values.dtype, view)
        if not part.seen_below:
            part.seen_below = _seen_below(values[:_SAMPLE])
        if spread:
            spread.add(values)
        _add_block(part, values, sums(values, part.seen_below, near, grid, start))
        start += len(values)
    exponents = np.flatnonzero(near)
    part.near = np.stack((exponents, near[exponents])).tobytes()
    part.spread = spread.tobytes() if spread else b""
    if grid is None:
        return part, None
    part.largest = float(grid.maxima.max())
    return part, None if view is None else _units(grid, view)


def _grid(dtype: np.dtype[Any], view: UnitView | None) -> Grid:
    """Return rows of columns that are wide enough to be gone through at once."""
    width = max(view.units * view.inner, 1) if view else 1
    columns = width * max(1, _WIDE // width)
    if view is None or _by_columns(view):
        return Grid.of(dtype, columns)
    return Grid.of(dtype, columns, view.inputs, max(view.each, 1))


def _by_columns(view: UnitView) -> bool:
    """Whether each column is of one input, as in a transposed convolution."""
    return view.each == 1 and view.inputs == view.inner > 1


def _units(grid: Grid, view: UnitView) -> _Units:
    """Fold columns into units."""
    by_input = grid.by_input
    largest = grid.maxima.reshape(-1, view.units, view.inner)
    squares = grid.by_column.reshape(-1, view.units, view.inner)
    with np.errstate(all="ignore"):
        if _by_columns(view):
            by_input = np.add.reduce(squares, axis=(0, 1))
        # One axis after the other, and only where there is one: for small weights this counts.
        for axis in (2, 0):
            if squares.shape[axis] > 1:
                largest = np.maximum.reduce(largest, axis=axis, keepdims=True)
                squares = np.add.reduce(squares, axis=axis, keepdims=True)
    return _Units(largest.ravel().astype(np.float64), squares.ravel(), by_input)


def _as_floats(block: Array) -> Array:
    """Return the values as float32 or float64, exactly, in the byte order of this machine."""
    exact = np.float32 if block.dtype.itemsize <= 2 or block.dtype == np.float32 else np.float64
    if block.dtype == exact and block.flags.aligned and block.flags.c_contiguous:
        return block
    return block.astype(exact)


def _seen_below(values: Array) -> float:
    """Return a bound that leaves room for later values four times as large as these."""
    found = sums(values, 0.0, np.zeros(BINADES, np.int64), Grid.of(values.dtype, _WIDE))
    count = len(values) - found.nonfinite
    return 4 * near_zero_threshold(sqrt(found.squares / max(count, 1)))


def _add_block(part: Part, values: Array, found: Sums) -> None:
    count = len(values) - found.nonfinite
    mean = found.total / count if count else 0.0
    deviations = found.squares - found.total * mean
    if deviations < 1e-6 * found.squares and count == len(values):
        # The two terms nearly cancel: take the deviations themselves.
        deviations = float(np.square(values.astype(np.float64) - mean).sum())
    if part.count and count:
        shift = mean - part.total / part.count
        deviations += shift * shift * part.count * count / (part.count + count)
    part.deviations += max(deviations, 0.0)
    part.count += count
    part.total += found.total
    part.absolute += found.absolute
    part.squares += found.squares
    part.nonfinite += found.nonfinite
    part.zeros += found.zeros
    part.small += found.small
