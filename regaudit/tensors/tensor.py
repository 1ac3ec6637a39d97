"""Arrays that stay on disk and are read block by block."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from msgspec import Struct

from regaudit.errors import UnreadableModelError
from regaudit.storage.location import Location

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

BLOCK = 1 << 18
"""Values read at once: a block and its float64 copy fill about an L2 cache, and the work on one is
long enough that threads seldom wait for each other."""


class Tensor(Protocol):
    """An array of any origin whose values are handed out in C order."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield values `start` to `stop` as flat arrays of at most about `BLOCK` values.

        A block is only valid until the next one is asked for.
        """
        ...


class TensorGroup(Struct, frozen=True):
    """A folder of tensors in a weights file."""

    tensors: Mapping[str, Tensor] = {}
    groups: Mapping[str, "TensorGroup"] = {}
    unreadable: Mapping[str, str] = {}
    """Datasets that hold no numbers, with the reason."""
    name: str | None = None
    """The `name` attribute of a group without groups: Keras 3.6 and later note the layer's name
    there. Anybody's text."""

    def walk(self, path: str = "") -> Iterator[tuple[str, "TensorGroup"]]:
        """Yield this group and all below it, each with its path; the root's is empty."""
        yield path, self
        for key, group in self.groups.items():
            yield from group.walk(f"{path}/{key}" if path else key)


def merged(trees: Iterable[TensorGroup]) -> TensorGroup:
    """Return one folder with what is in any of them: the shards of one weights file."""
    tensors: dict[str, Tensor] = {}
    unreadable: dict[str, str] = {}
    groups: dict[str, list[TensorGroup]] = {}
    name = None
    for tree in trees:
        tensors.update(tree.tensors)
        unreadable.update(tree.unreadable)
        name = name or tree.name
        for key, group in tree.groups.items():
            groups.setdefault(key, []).append(group)
    return TensorGroup(
        tensors, {key: merged(parts) for key, parts in groups.items()}, unreadable, name
    )


class StoredTensor(Struct, frozen=True):
    """Values that lie in one piece in a file: plain data, so it can be sent to another process.

    Blocks are read, not mapped: as fast, the pages never count as this process's memory, and a
    file that is cut short is an error instead of a bus fault.
    """

    file: Location
    offset: int
    """Bytes from the start of `file`."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the values in C order.

        Raises:
            UnreadableModelError: the file ends before the values do.
        """
        size = int(np.prod(self.shape, dtype=object))
        stop = size if stop is None else min(stop, size)
        buffer = np.empty(min(BLOCK, max(stop - start, 0)), self.dtype)
        raw = memoryview(buffer.view(np.uint8).data)
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.offset + start * self.dtype.itemsize)
            while start < stop:
                count = min(len(buffer), stop - start)
                _read_fully(stream, raw[: count * self.dtype.itemsize])
                yield buffer[:count]
                start += count


class ArrayTensor(Struct, frozen=True):
    """Values already in memory."""

    values: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        flat = self.values.reshape(-1)
        stop = flat.size if stop is None else min(stop, flat.size)
        for at in range(start, stop, BLOCK):
            yield flat[at : min(at + BLOCK, stop)]


def _read_fully(stream: Any, raw: memoryview) -> None:
    """Fill `raw`; a single `readinto` may return less."""
    got = 0
    while got < len(raw):
        count = stream.readinto(raw[got:])
        if not count:
            raise UnreadableModelError("the file ends in the middle of a weight: it is cut short")
        got += count


Stored = Mapping[str, tuple[str, Tensor]]
"""Of a group in a legacy file: names of its weights, stored path and values, in stored order."""
