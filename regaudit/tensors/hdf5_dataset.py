"""HDF5 datasets that do not lie in one piece, as tensors."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct

from regaudit.storage.location import Location
from regaudit.tensors.hdf5 import FAULTS, fault
from regaudit.tensors.hdf5_library import h5py
from regaudit.tensors.tensor import BLOCK, Array


class DatasetTensor(Struct, frozen=True):
    """A chunked or compressed dataset, read through HDF5 while its file is open."""

    dataset: h5py.Dataset
    dtype: np.dtype[Any]
    file: Location
    """Where its bytes lie."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.dataset.shape)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the values in C order, some rows of chunks at a time.

        Raises:
            UnreadableModelError: a chunk cannot be decoded.
        """
        size = prod(self.shape)
        stop = size if stop is None else min(stop, size)
        if start >= stop:
            return
        try:
            yield from self._slabs((), start, stop)
        except FAULTS as error:
            raise fault("a weight cannot be decoded", error) from error

    def _slabs(self, index: tuple[int, ...], start: int, stop: int) -> Iterator[Array]:
        """Yield values `start` to `stop` of the subarray at `index`."""
        shape = self.shape[len(index) :]
        row = prod(shape[1:])
        if shape and row > 8 * BLOCK:
            for at in range(start // row, -(-stop // row)):
                low, high = max(start - at * row, 0), min(stop - at * row, row)
                yield from self._slabs((*index, at), low, high)
            return
        if not shape:
            yield self._as_flat(self.dataset[index])
            return
        chunk = self.dataset.chunks[len(index)] if self.dataset.chunks else 1
        rows = max(BLOCK // max(row, 1), min(chunk, 8 * BLOCK // max(row, 1)), 1)
        for at in range(start // row, -(-stop // row), rows):
            flat = self._as_flat(self.dataset[(*index, slice(at, at + rows))])
            yield flat[max(start - at * row, 0) : stop - at * row]

    def _as_flat(self, values: Any) -> Array:
        return np.atleast_1d(np.asarray(values)).reshape(-1).view(self.dtype)
