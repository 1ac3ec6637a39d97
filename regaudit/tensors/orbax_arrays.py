"""Arrays of an Orbax checkpoint: Zarr inside of OCDBT, a database in files, read by TensorStore.

TensorStore alone knows these formats, and JAX is not needed. It opens files below the folder that
it is told, and none elsewhere: it refuses keys with `..` in them, and links are refused here.
"""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.extras import pip_install
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.search import everything_below
from regaudit.tensors.tensor import BLOCK, Array

_ALONE: Mapping[str, Any] = {
    "cache_pool": {"total_bytes_limit": 0},
    "data_copy_concurrency": {"limit": 1},
    "file_io_concurrency": {"limit": 1},
}
"""One thread of each kind, and no cache: what is read once is not kept."""

_COPIES = 8
"""Of a chunk that TensorStore allocates while reading it, as measured: more would abort."""


class OrbaxTensor(Struct, frozen=True):
    """One array: plain data, so it can be sent to another process."""

    folder: str
    key: str
    """Below which it lies in the database."""
    driver: str
    """`zarr` or `zarr3`."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: int
    """Along the first axis, of its chunks."""

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the values in C order, chunks along the first axis one after the other.

        Raises:
            UnreadableModelError: what is stored is damaged.
        """
        size = prod(self.shape)
        stop = size if stop is None else min(stop, size)
        if start >= stop:
            return
        array = _opened(self.folder, self.key, self.driver)
        row = prod(self.shape[1:])
        at = start // row // self.rows * self.rows if self.shape else 0
        while at * row < stop:
            part = array[at : at + self.rows] if self.shape else array
            values = _told(part.read).reshape(-1)
            first = at * row
            own = values[max(start - first, 0) : stop - first]
            yield from (own[step : step + BLOCK] for step in range(0, len(own), BLOCK))
            at += self.rows


def read_arrays(folder: Path, keys: Mapping[str, str], driver: str) -> dict[str, OrbaxTensor]:
    """Return arrays by what they are called, without their values.

    Args:
        folder: of the database.
        keys: in it, by what the arrays are called.
        driver: `zarr` or `zarr3`.

    Raises:
        UnreadableModelError: one is not there, or what is stored is damaged.
        UnsafeFileError: there are links in the folder, or far more is declared than stored.
    """
    stored = 0
    for count, (file, _) in enumerate(everything_below(folder)):
        enforce_limit("objects", count, "the checkpoint has more than {limit} files")
        if file.is_symlink():
            raise UnsafeFileError(f"{file.name} is a link, and links are not followed")
        stored += file.lstat().st_size
    found, declared = {}, 0
    for name, key in keys.items():
        array = _opened(str(folder), key, driver)
        dtype = array.dtype.numpy_dtype
        shape, chunk = tuple(array.shape), tuple(array.chunk_layout.read_chunk.shape or ())
        at_once = prod((*chunk[:1], *shape[1:])) * dtype.itemsize
        enforce_limit(
            "chunk_bytes",
            at_once,
            f"{name} lies in chunks of more than {{limit}} bytes, and is read chunk by chunk",
        )
        enforce_limit(
            "memory_bytes",
            at_once * _COPIES,
            f"a chunk of {name} takes more than {{limit}} bytes of memory to be read",
        )
        declared += prod(shape) * dtype.itemsize
        found[name] = OrbaxTensor(str(folder), key, driver, shape, dtype, (*chunk, 1)[0])
    limits = allowed()
    if declared > max(limits.inflation * stored, limits.unstored_bytes):
        what = f"only {stored:,} bytes are stored of {declared:,} that are declared"
        raise UnsafeFileError(f"{what}; --limit inflation=N allows more")
    return found


def _opened(folder: str, key: str, driver: str) -> Any:
    """Return an array of TensorStore's."""
    try:
        import tensorstore as store  # noqa: PLC0415 - an extra
    except ImportError as error:
        message = "an Orbax checkpoint, and reading it takes TensorStore, which is not installed: "
        raise UnreadableModelError(message + pip_install("orbax")) from error
    base = {"driver": "file", "path": f"{folder}/"}
    spec = {
        "driver": driver,
        "kvstore": {"driver": "ocdbt", "base": base, "path": f"{key}/"},
        "context": _ALONE,
    }
    return _told(lambda: store.open(spec, open=True, read=True))


def _told(start: Any) -> Any:
    """Return what TensorStore comes to, or its fault in one line."""
    try:
        return start().result()
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        why = " ".join(str(error).partition("[")[0].split())
        raise UnreadableModelError(f"an array cannot be read: {why[:300]}") from error
