"""How the values of a weight are spread: exact counts in bins of one width, from a single pass.

Nobody knows their range before the pass. So it counts them by the leading bits of a float: the
sign, the exponent and four bits of the fraction, which are sixteen bins for each power of two. Bins
of one width are made of these afterwards, without a rest, if the width is a power of two.
"""

from collections.abc import Iterable, Sequence
from math import ldexp

import numpy as np
from msgspec import Struct

from regaudit.tensors.tensor import Array

BEYOND = 0.002
"""Share of the values that may lie so far out that no bins reach them."""

_FRACTION = 4
"""Bits."""

_SIGN, _BIAS = 1 << 15, 1023
"""Of the 16 leading bits of a float64."""

_CACHED = 1 << 16
"""Values that are counted at once: their bits stay in an L2 cache."""

_FEW = 1 << 12
"""Fewer values than this are sorted to count them: there are more places than values."""


class Histogram(Struct, frozen=True):
    """Counts of finite values in bins of one width, exact zeros left out."""

    exponent: int
    """A bin is `2**exponent` wide."""
    first: int
    """The first begins at so many widths from zero."""
    counts: tuple[int, ...]
    """From the first bin that has a value to the last; none where all values are zero."""
    below: int = 0
    above: int = 0
    """Values beyond all bins."""

    @property
    def width(self) -> float:
        """Of a bin."""
        return ldexp(1.0, self.exponent)

    def coarser(self, exponent: int) -> "Histogram":
        """Return the same counts in bins at least as wide."""
        by = max(exponent - self.exponent, 0)
        if not by or not self.counts:
            return self
        places = np.array([(self.first + n) >> by for n in range(len(self.counts))])
        counts = _added(places - places[0], np.asarray(self.counts))
        return Histogram(exponent, int(places[0]), counts, self.below, self.above)


class Spread:
    """Counts of values by their leading bits."""

    def __init__(self) -> None:
        self._found: list[tuple[Array, Array]] = []

    def add(self, values: Array) -> None:
        """Count some more, float32 or float64."""
        bits, dropped = (np.uint32, 19) if values.dtype == np.float32 else (np.uint64, 48)
        for at in range(0, len(values), _CACHED):
            leading = np.right_shift(values[at : at + _CACHED].view(bits), dropped)
            leading = leading.astype(np.int64)
            if len(leading) < _FEW:
                places, counts = np.unique(leading, return_counts=True)
            else:
                counts = np.bincount(leading)
                places = np.flatnonzero(counts)
                counts = counts[places]
            if bits is np.uint32:
                places = _as_of_float64(places)
            self._found.append((places, counts))

    def tobytes(self) -> bytes:
        """Return those that occur, as in a float64, and their counts, all int64."""
        return np.stack(_merged(self._found)).astype(np.int64).tobytes()


def _as_of_float64(places: Array) -> Array:
    """Return what begins a float64 where a float32 begins so."""
    sign, exponent, fraction = places >> 12, places >> 4 & 255, places & 15
    biased = np.where(exponent == 255, 2047, np.where(exponent, exponent - 127 + _BIAS, 0))
    return sign << 15 | biased << _FRACTION | fraction


def _merged(found: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Add up the counts of each place."""
    if len(found) == 1:
        return found[0]
    places = np.concatenate([np.zeros(0, np.int64), *(places for places, _ in found)])
    unique, where = np.unique(places, return_inverse=True)
    counts = np.zeros(len(unique), np.int64)
    np.add.at(counts, where, np.concatenate([np.zeros(0, np.int64), *(each for _, each in found)]))
    return unique, counts


def histogram(spreads: Iterable[bytes], zeros: int) -> Histogram:
    """Make bins of one width of what was counted in the parts of a weight.

    Args:
        spreads: as `Spread.tobytes` has them.
        zeros: how many of the values are exactly zero.
    """
    pairs = (np.frombuffer(spread, np.int64).reshape(2, -1) for spread in spreads)
    places, counts = _merged([(pair[0], pair[1]) for pair in pairs])
    biased = (places & (_SIGN - 1)) >> _FRACTION
    tiny = int(counts[biased == 0].sum()) - zeros  # too small for an exponent
    known = (biased > 0) & (biased < 2047)
    places, counts, exponents = places[known], counts[known], biased[known] - _BIAS
    if not len(places):
        return Histogram(-_BIAS, 0, (tiny,) if tiny else ())
    # From the largest exponent on, as long as what lies there is next to nothing.
    order = np.argsort(exponents)[::-1]
    far = np.cumsum(counts[order]) <= BEYOND * (counts.sum() + tiny)
    usual = int(exponents[order][~far][0])
    top = min(int(exponents.max()), usual + 1)
    inside = exponents <= top
    size = (1 << _FRACTION) + (places & 15)
    negative = places >= _SIGN
    bins = size[inside] >> np.minimum(top - exponents[inside], _FRACTION + 1)
    bins = np.append(np.where(negative[inside], -1 - bins, bins), [0] if tiny else [])
    shown = np.append(counts[inside], [tiny] if tiny else [])
    first = int(bins.min())
    return Histogram(
        top - _FRACTION,
        first,
        _added((bins - first).astype(np.int64), shown),
        int(counts[~inside & negative].sum()),
        int(counts[~inside & ~negative].sum()),
    )


def _added(places: Array, counts: Array) -> tuple[int, ...]:
    found = np.zeros(int(places.max()) + 1, np.int64)
    np.add.at(found, places, counts)
    return tuple(map(int, found))
