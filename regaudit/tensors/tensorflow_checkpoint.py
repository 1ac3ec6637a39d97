"""TensorFlow checkpoints without TensorFlow: an index of tensors, and where their bytes lie.

`X.index` is a table of LevelDB; its values say where in `X.data-00000-of-0000N` a tensor lies, raw
and in one piece.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import ml_dtypes
import numpy as np
from msgspec import Struct

from regaudit.errors import UnreadableModelError, shown
from regaudit.limits import enforce_limit
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.siblings import beside
from regaudit.tensors.leveldb_table import masked_crc32c, table
from regaudit.tensors.protobuf import Message, varint
from regaudit.tensors.tensor import StoredTensor

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Key of the object graph, which says whose variable each key is."""
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
"""How the key of a variable ends."""

CHECKED = 1 << 15
"""Bytes of tensors whose checksums are looked at."""

_STRING = 7

_DTYPES: Mapping[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    4: np.dtype("u1"),
    5: np.dtype("<i2"),
    6: np.dtype("i1"),
    9: np.dtype("<i8"),
    10: np.dtype("?"),
    14: np.dtype(ml_dtypes.bfloat16),
    17: np.dtype("<u2"),
    19: np.dtype("<f2"),
    22: np.dtype("<u4"),
    23: np.dtype("<u8"),
}
"""TensorFlow's numbers of the types that a weight can have."""


class BundleEntry(Struct, frozen=True):
    """What the index says about one tensor."""

    dtype: int
    """TensorFlow's number."""
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    """Bytes."""
    checksum: int
    """Of the bytes: equal sizes and checksums mean equal values."""
    sliced: bool
    """Whether it is partitioned over several entries, as TensorFlow 1 could."""


class Checkpoint(Struct, frozen=True):
    """An index that has been read."""

    prefix: Location
    """Path of its files up to `.index` and `.data-...`."""
    shards: int
    entries: Mapping[str, BundleEntry]

    def tensor(self, key: str) -> StoredTensor:
        """Return the values under a key that `unfit` finds nothing against."""
        entry = self.entries[key]
        dtype = _DTYPES[entry.dtype]
        return StoredTensor(self.shard(entry.shard), entry.offset, entry.shape, dtype)

    def unfit(self, key: str) -> str | None:
        """Say why the values under a key cannot be measured; None if they can."""
        entry = self.entries[key]
        if entry.sliced:
            return "partitioned over several tensors, as TensorFlow 1 did: not measured"
        if entry.dtype not in _DTYPES:
            return f"holds no plain numbers (TensorFlow's type {entry.dtype}): not measured"
        if prod(entry.shape) * _DTYPES[entry.dtype].itemsize != entry.size:
            return "its size does not match its shape: the checkpoint's index is damaged"
        return None

    def is_count(self, key: str) -> bool:
        """Whether the values under a key are one whole number."""
        entry = self.entries[key]
        whole = entry.dtype in _DTYPES and _DTYPES[entry.dtype].kind in "iu"
        return whole and entry.shape == () and self.unfit(key) is None

    def number(self, key: str) -> float | None:
        """Return the one number under a key; None for anything else."""
        entry = self.entries[key]
        if entry.shape != () or self.unfit(key) or _DTYPES[entry.dtype].kind not in "iuf":
            return None
        return float(next(self.tensor(key).blocks())[0])

    def refuse_other_values(self) -> None:
        """Hold the smallest tensors against their checksums, as TensorFlow does with all of them.

        That tells data of another checkpoint: counters and biases differ. A checksum of all would
        take longer than all else.

        Raises:
            UnreadableModelError: one does not match.
        """
        left = CHECKED
        for key, entry in sorted(self.entries.items(), key=lambda item: item[1].size):
            left -= entry.size
            if left < 0:
                break
            if not entry.checksum or not entry.size or entry.sliced or entry.dtype == _STRING:
                continue
            with self.shard(entry.shard).open("rb") as stream:
                stream.seek(entry.offset)
                if masked_crc32c(stream.read(entry.size)) == entry.checksum:
                    continue
            raise UnreadableModelError(
                f"{self.shard(entry.shard).name} is damaged, or of another checkpoint: the "
                f"checksum of {shown(key)} does not match"
            )

    def shard(self, number: int) -> Location:
        """Return the file of a shard: its name is derived, never read."""
        name = f"{self.prefix.name}.data-{number:05d}-of-{self.shards:05d}"
        return self.prefix.with_name(name)

    def variables(self) -> dict[int, str]:
        """Return the key of each variable by its node in the object graph; empty without one.

        Raises:
            UnreadableModelError: the object graph is damaged.
        """
        if OBJECT_GRAPH not in self.entries:
            return {}
        keys: dict[int, str] = {}
        for number, node in enumerate(Message.of(self.text(OBJECT_GRAPH)).messages(1)):
            for attribute in node.messages(2):
                key = attribute.text(3)
                if attribute.text(1) == "VARIABLE_VALUE" and key in self.entries:
                    keys[number] = key
        return keys

    def text(self, key: str) -> bytes:
        """Read a tensor that is one string: its length, a checksum, its bytes.

        Raises:
            UnreadableModelError: it is none, or damaged.
            UnsafeFileError: it is longer than any.
        """
        entry = self.entries[key]
        if entry.dtype != _STRING or entry.shape != ():
            raise UnreadableModelError(f"{key} in the checkpoint is not a string")
        enforce_limit("json_bytes", entry.size, f"{key} is larger than {{limit}} bytes")
        with self.shard(entry.shard).open("rb") as stream:
            stream.seek(entry.offset)
            raw = stream.read(entry.size)
        size, at = varint(raw, 0)
        if size + at + 4 != len(raw):
            raise UnreadableModelError(f"{key} in the checkpoint is cut short")
        return raw[at + 4 :]


def read_checkpoint(prefix: Location) -> Checkpoint:
    """Read the index of a checkpoint.

    Args:
        prefix: path of its files up to `.index` and `.data-...`.

    Raises:
        UnreadableModelError: the index or one of its shards is missing or damaged.
        UnsafeFileError: the index is larger than any, or a file is a link.
    """
    index = beside(prefix.parent, f"{prefix.name}.index")
    pairs = list(table(read_bounded(index, "index_bytes")))
    if not pairs or pairs[0][0] != b"":
        raise UnreadableModelError("the checkpoint's index has no header")
    header = Message.of(pairs[0][1])
    shards = header.integer(1)
    if header.integer(2) != 0:
        raise UnreadableModelError("the checkpoint is big-endian: load it and save it again")
    if not 0 < shards < 100_000:
        raise UnreadableModelError(f"the checkpoint claims to have {shards:,} shards")
    entries = {
        str(key, "utf-8", "replace"): _entry(value, shards)
        for key, value in pairs[1:]
        if not key.startswith(b"\0")  # a slice of a partitioned tensor, which is unfit anyway
    }
    checkpoint = Checkpoint(prefix, shards, entries)
    _check_shards(checkpoint)
    return checkpoint


def _check_shards(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint whose tensors do not follow each other in the files next to its index."""
    ends: dict[int, int] = {}
    sums: dict[int, int] = {}
    for entry in checkpoint.entries.values():
        end = entry.offset + entry.size
        ends[entry.shard] = max(ends.get(entry.shard, 0), end)
        sums[entry.shard] = sums.get(entry.shard, 0) + entry.size
    for number in sorted(ends):
        file = beside(checkpoint.prefix.parent, checkpoint.shard(number).name)
        size, needed = file.stat().st_size, max(ends[number], sums[number])
        if needed > size:
            message = f"{file.name} is cut short: its tensors take {needed:,} bytes of {size:,}"
            raise UnreadableModelError(message)


def _entry(raw: memoryview, shards: int) -> BundleEntry:
    """Parse a BundleEntryProto."""
    message = Message.of(raw)
    shape = next(message.messages(2), Message())
    entry = BundleEntry(
        dtype=message.integer(1),
        shape=tuple(dimension.integer(1) for dimension in shape.messages(2)),
        shard=message.integer(3),
        offset=message.integer(4),
        size=message.integer(5),
        checksum=message.integer(6),
        sliced=7 in message.values,
    )
    negative = min(entry.offset, entry.size, entry.shard, *entry.shape) < 0
    if negative or entry.shard >= shards or len(entry.shape) > 32:
        raise UnreadableModelError("the checkpoint's index places a tensor outside its files")
    return entry
