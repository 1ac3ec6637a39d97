"""Quantized weights as the numbers they stand for, block by block."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct

from regaudit.tensors.tensor import BLOCK, Array, Tensor


class DequantizedTensor(Struct, frozen=True):
    """A weight of 8-bit codes, or of 4-bit ones that share bytes, scaled back.

    W = q / scale or, with zero points, W = (q - zero) * scale. Scales, zero points and divisors
    have as many axes as the weight: along each they have its length, or 1, or one entry a group.
    """

    codes: Tensor
    shape: tuple[int, ...]
    """Of the weight, before packing."""
    scale: Array
    zero: Array | None = None
    packed: int | None = None
    """The axis along which two codes of four bits share a byte, the lower bits first."""
    groups: Array | None = None
    """Which scale holds at each place of the grouped axis."""
    grouped: int = 0
    """The axis that has groups."""
    divisor: Array | None = None
    """What the scaled values are divided by in the end."""

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the values in C order, some rows of the first axis at a time."""
        size = prod(self.shape)
        stop = size if stop is None else min(stop, size)
        if start >= stop:
            return
        width = prod(self.shape[1:])
        step = max(BLOCK // width, 1)
        last = -(-stop // width)
        for row in range(start // width, last, step):
            rows = np.arange(row, min(row + step, last))
            values = self._scaled(self._unpacked(rows), rows).reshape(-1)
            first = row * width
            yield values[max(start - first, 0) : stop - first]

    def _unpacked(self, rows: Array) -> Array:
        """Return the codes in some rows of the first axis, one a value."""
        first, last = int(rows[0]), int(rows[-1]) + 1
        if self.packed is None:
            return self._stored(first, last)
        if self.packed > 0:
            codes = _nibbles(self._stored(first, last), self.packed)
            return np.take(codes, np.arange(self.shape[self.packed]), axis=self.packed)
        pairs = _nibbles(self._stored(first // 2, -(-last // 2)), 0)
        return pairs[first % 2 : first % 2 + len(rows)]

    def _stored(self, first: int, last: int) -> Array:
        """Return some rows as they are stored."""
        width = prod(self.codes.shape[1:])
        found = [np.array(block) for block in self.codes.blocks(first * width, last * width)]
        return np.concatenate(found).reshape(-1, *self.codes.shape[1:])

    def _scaled(self, codes: Array, rows: Array) -> Array:
        values = codes.astype(np.float64)
        with np.errstate(all="ignore"):  # a scale of zero is not ours to hide
            if self.zero is None:
                values = values / self._for_rows(self.scale, rows)
            else:
                values = (values - self._for_rows(self.zero, rows)) * self._for_rows(
                    self.scale, rows
                )
            return values if self.divisor is None else values / self._for_rows(self.divisor, rows)

    def _for_rows(self, factors: Array, rows: Array) -> Array:
        """Return the factors of some rows, to be broadcast over their values."""
        groups = None if factors is self.divisor else self.groups
        if groups is not None and self.grouped == 0:
            return factors[groups[rows]]
        if factors.shape[0] > 1:
            factors = factors[rows]
        return factors if groups is None else np.take(factors, groups, axis=self.grouped)


def _nibbles(packed: Array, axis: int) -> Array:
    """Return the two codes in every byte side by side; signed ones if the bytes are."""
    pairs = np.stack(((packed << 4) >> 4, packed >> 4), axis=axis + 1)
    shape = list(packed.shape)
    shape[axis] *= 2
    return pairs.reshape(shape)
