"""A weight as the matrix it is to its layer, read some rows at a time."""

from collections.abc import Iterator
from math import frexp, prod

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from regaudit.model import UnitView
from regaudit.tensors.tensor import Tensor

BAND = 1 << 22
"""Values read and held at once, in float64."""

_FAR = 200
"""Binary exponents beyond which values are scaled, so that no sum of squares overflows."""

Floats = npt.NDArray[np.float64]


class Matrix(Struct, frozen=True):
    """A matrix of `(slabs * inner, columns)`; a slab lies in one piece, as `(columns, inner)`.

    Its singular values are those of the weight times `scale`.
    """

    tensor: Tensor
    slabs: int
    columns: int
    inner: int
    scale: float = 1.0
    """A power of two."""

    @property
    def rows(self) -> int:
        return self.slabs * self.inner

    @property
    def together(self) -> int:
        """Slabs in a band."""
        return max(1, BAND // max(self.columns * self.inner, 1))

    def bands(self, first: int = 0) -> Iterator[tuple[int, Floats]]:
        """Yield bands of whole rows from a slab on, each with the row it starts at.

        A band is only valid until the next one is asked for.
        """
        # One buffer for all: fresh memory of that size costs more than what is read into it.
        room = np.empty(min(self.together, self.slabs - first) * self.columns * self.inner)
        for slab in range(first, self.slabs, self.together):
            yield slab * self.inner, self._read(slab, min(slab + self.together, self.slabs), room)

    def _read(self, start: int, stop: int, room: Floats) -> Floats:
        size = self.columns * self.inner
        values = room[: (stop - start) * size]
        at = 0
        for block in self.tensor.blocks(start * size, stop * size):
            np.copyto(values[at : at + len(block)], block, casting="unsafe")
            at += len(block)
        if self.scale != 1.0:
            values *= self.scale
        if self.inner == 1:
            return values.reshape(-1, self.columns)
        slabs = values.reshape(-1, self.columns, self.inner)
        return slabs.transpose(0, 2, 1).reshape(-1, self.columns)


def shape_of(shape: tuple[int, ...], view: UnitView) -> tuple[int, int]:
    """Return rows and units of the matrix that a weight with these outputs is.

    All that stands before or behind the outputs makes the rows. The gates of a recurrent kernel
    are columns next to each other, as the layer multiplies them, though each unit has all of them.
    """
    if _has_gates(shape, view):
        return prod(shape[:-1]), shape[-1]
    return view.rows * view.inner, view.units


def matrix_of(tensor: Tensor, view: UnitView, largest: float) -> Matrix:
    """Return a weight as a matrix, or its transpose where that is how it lies in the file.

    Args:
        tensor: its values, all finite.
        view: where the outputs of the layer are in it.
        largest: of the absolute values.
    """
    exponent = frexp(largest)[1]
    scale = 2.0 ** -max(min(exponent, 1000), -1000) if abs(exponent) > _FAR else 1.0
    if _has_gates(tensor.shape, view):
        rows, units = shape_of(tensor.shape, view)
        return Matrix(tensor, rows, units, 1, scale)
    if view.rows == 1:
        return Matrix(tensor, view.units, view.inner, 1, scale)
    return Matrix(tensor, view.rows, view.units, view.inner, scale)


def _has_gates(shape: tuple[int, ...], view: UnitView) -> bool:
    """Whether the outputs repeat along the last axis, which the view counts as rows."""
    return view.inner == 1 and view.rows > prod(shape[:-1])
