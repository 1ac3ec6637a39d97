"""Quantized weights as the numbers they stand for, block by block."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from regaudit.tensor import BLOCK, Array, Tensor

MATRICES = ("kernel", "embeddings", "reverse_embeddings")
"""Roles that Keras quantizes."""


@dataclass(frozen=True, slots=True)
class DequantizedTensor:
    """An int8 or packed int4 weight, scaled back.

    Ungrouped: W = q / scale. Grouped int4 (Keras 3.14 and later): W = (q - zero) * scale, scale and
    zero of the group of each input. Measured on Keras 3.2 to 3.15.
    """

    codes: Tensor
    columns: int
    """Length of the last axis before packing."""
    packed: bool
    """Whether two int4 share a byte, the lower one first, along the last axis."""
    scale: Array
    """Ungrouped: shape `(period, columns)`, or `(rows, 1)` for embeddings; grouped: see above."""
    zero: Array | None = None
    groups: Array | None = None
    """Group of each row, or for embeddings of each column."""
    by_column: bool = False
    """Whether groups run along the columns."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.codes.shape[:-1], self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the values in C order, some rows at a time."""
        size = prod(self.shape)
        stop = size if stop is None else min(stop, size)
        if start >= stop:
            return
        width = self.codes.shape[-1]
        step = max(BLOCK // max(self.columns, 1), 1)
        last = -(-stop // self.columns)
        for row in range(start // self.columns, last, step):
            end = min(row + step, last)
            raw = [np.array(block) for block in self.codes.blocks(row * width, end * width)]
            values = self._scaled(np.concatenate(raw).reshape(-1, width), row).reshape(-1)
            first = row * self.columns
            yield values[max(start - first, 0) : stop - first]

    def _scaled(self, raw: Array, row: int) -> Array:
        """Return the values of some rows of codes, the first of which is number `row`."""
        if self.packed:
            pair = np.stack(((raw << 4) >> 4, raw >> 4), axis=-1)
            raw = pair.reshape(len(raw), -1)[:, : self.columns]
        codes = raw.astype(np.float64)
        rows = np.arange(row, row + len(codes))
        if self.zero is None or self.groups is None:
            return codes / self.scale[rows % len(self.scale)]
        if self.by_column:
            return (codes - self.zero[rows][:, self.groups]) * self.scale[rows][:, self.groups]
        at = self.groups[rows]
        return (codes - self.zero[at]) * self.scale[at]


def dequantized(
    role: str, siblings: Mapping[str, Tensor], mode: str, config: Mapping[str, Any]
) -> DequantizedTensor | None:
    """Return a quantized weight scaled back; None where the file does not tell how.

    Args:
        role: of the weight, one of `MATRICES`.
        siblings: all that is stored for its sublayer, by role.
        mode: `int8` or `int4`.
        config: of the layer.
    """
    codes, stored = siblings[role], siblings.get(f"{role}_scale")
    if stored is None or codes.dtype != np.int8 or not codes.shape:
        return None
    scale, embeddings = _values(stored), role == "embeddings"
    packed = mode == "int4"
    groups = siblings.get("g_idx")
    columns = codes.shape[-1] if not packed else _columns(scale, groups, config, embeddings)
    if packed and -(-columns // 2) != codes.shape[-1]:
        return None  # packed along another axis: Keras 3.11 to 3.13
    zero = siblings.get(f"{role}_zero")
    if zero is not None:
        if groups is None or len(codes.shape) != 2:
            return None
        index, zeros = _values(groups), _values(zero)
        if not _grouped(codes.shape[0], columns, scale, zeros, index, by_column=embeddings):
            return None
        at = index.astype(np.int64)
        return DequantizedTensor(codes, columns, packed, scale, zeros, at, embeddings)
    rows = prod(codes.shape[:-1])
    if embeddings:
        fits = scale.size == rows
        return DequantizedTensor(codes, columns, packed, scale.reshape(-1, 1)) if fits else None
    if not columns or scale.size % columns or rows % (scale.size // columns or 1) or not scale.size:
        return None
    return DequantizedTensor(codes, columns, packed, scale.reshape(-1, columns))


def _grouped(
    rows: int, columns: int, scale: Array, zero: Array, groups: Array, *, by_column: bool
) -> bool:
    """Whether scales, zero points and groups fit the codes: a file may hold anything."""
    if scale.ndim != 2 or scale.shape != zero.shape or groups.ndim != 1:
        return False
    count = scale.shape[1] if by_column else scale.shape[0]
    sizes = (rows, columns) if by_column else (columns, rows)
    fits = (scale.shape[0] if by_column else scale.shape[1], len(groups)) == sizes
    return fits and bool(np.all((groups >= 0) & (groups < count)))


def _columns(scale: Array, groups: Tensor | None, config: Mapping[str, Any], along: bool) -> int:
    """Length of the last axis before int4 was packed along it; 0 if unknown."""
    if not along:
        return int(scale.shape[-1]) if scale.ndim else 0
    if groups is not None:
        return prod(groups.shape)
    dimension = config.get("output_dim")
    return dimension if isinstance(dimension, int) else 0


def _values(tensor: Tensor) -> Array:
    """Return a small tensor as a float64 array."""
    blocks = [np.array(block, np.float64) for block in tensor.blocks()]
    flat = np.concatenate(blocks) if blocks else np.empty(0)
    return flat.reshape(tensor.shape)
