"""HDF5 datasets as tensors: the one door to h5py.

Only plain datasets of numbers that lie inside the file are let through. Links that leave their
place, external and virtual storage and sizes far beyond what is stored are refused by name.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from regaudit.dataclass import dataclass, field
from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.location import Location, SizedStream
from regaudit.tensors.tensor import BLOCK, Array, ArrayTensor, StoredTensor, Tensor, TensorGroup

_MORE = "; --limit inflation=N allows more"
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Numbers of the filters that HDF5 and h5py bring along; for others HDF5 looks for a library."""
_METADATA = 4 << 20
"""Bytes of metadata that HDF5 keeps, which take about ten times as much memory; its own 32 MB are
200 MB in a model of 10,000 layers. The names of all members of a group should fit."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = 512
"""Smallest block of foreign bytes that may precede the HDF5 content; larger ones are doubled."""


@dataclass(frozen=True, slots=True)
class DatasetTensor:
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
        except (OSError, RuntimeError, ValueError) as error:
            message = f"a weight cannot be decoded ({_one_line(error)})"
            raise UnreadableModelError(message) from error

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


@contextmanager
def opened(file: Location, offset: int = 0, size: int | None = None) -> Iterator[h5py.File]:
    """Open the HDF5 file that lies in `size` bytes from `offset` of `file`.

    Raises:
        UnreadableModelError: it is damaged or cut short.
    """
    stream: Any = file
    if offset or size is not None or not isinstance(file, Path):
        whole = file.stat().st_size - offset
        stream = _Window(file, offset, whole if size is None else size)
        if isinstance(file, Path):
            # HDF5 reads some hundred bytes at a time: a buffer answers most of that by itself.
            # What is fetched from a store is kept already, in pieces of a size that was measured.
            stream = io.BufferedReader(stream)
    try:
        with _damage():
            hdf5 = h5py.File(stream, "r")
        try:
            _bound_cache(hdf5)
            yield hdf5
        finally:
            with suppress(OSError, RuntimeError):
                hdf5.close()
    finally:
        if stream is not file:
            stream.close()


def _bound_cache(hdf5: h5py.File) -> None:
    """Keep little of the metadata that was read: each piece is asked for once or a few times."""
    config = hdf5.id.get_mdc_config()
    config.max_size = _METADATA
    hdf5.id.set_mdc_config(config)


@contextmanager
def _damage() -> Iterator[None]:
    """Say of what HDF5 raises that the file is damaged.

    Raises:
        UnreadableModelError: HDF5 raised something.
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        message = f"its HDF5 content is damaged or cut short ({_one_line(error)})"
        raise UnreadableModelError(message) from error


def read_tree(hdf5: h5py.File, file: Location, offset: int = 0) -> TensorGroup:
    """List all groups and datasets; the values stay on disk.

    Args:
        hdf5: the opened file.
        file: where its bytes lie, `offset` bytes from the start.
        offset: see `file`.

    Raises:
        UnsafeFileError: a link, external or virtual storage, or a size beyond the limits.
        UnreadableModelError: the file is damaged or cut short.
    """
    with _damage():
        return _Tree(file, offset).group(hdf5.id, h5py.h5o.get_info(hdf5.id).addr, "", 0)


def is_hdf5(file: Location) -> bool:
    """Whether the HDF5 signature stands at the start or behind a user block."""
    if not file.is_file():
        return False
    size = file.stat().st_size
    with file.open("rb") as stream:
        at = 0
        while at + len(SIGNATURE) <= size:
            stream.seek(at)
            if stream.read(len(SIGNATURE)) == SIGNATURE:
                return True
            at = at * 2 or _USER_BLOCK
    return False


def root_attributes(file: Location) -> frozenset[str] | None:
    """Return the names of the root group's attributes; None if HDF5 cannot open the file."""
    try:
        with opened(file) as hdf5:
            root = h5py.h5g.open(hdf5.id, b"/")
            count = min(h5py.h5a.get_num_attrs(root), allowed().objects)
            names = (h5py.h5a.open(root, index=index).name for index in range(count))
            return frozenset(name.decode("utf-8", "backslashreplace") for name in names)
    except (UnreadableModelError, OSError, RuntimeError, KeyError, ValueError):
        return None


def read_texts(hdf5: h5py.File, path: str, key: str) -> list[str] | None:
    """Return the texts in an attribute, or in its parts `key0`, `key1`, ... if it was split.

    Args:
        hdf5: the opened file.
        path: of a group that `read_tree` has found, empty for the root.
        key: name of the attribute.

    Returns:
        None where there is no such attribute. A single text is a list of one.

    Raises:
        UnreadableModelError: it holds something else than texts.
        UnsafeFileError: it holds more of them than any model needs.
    """
    with _damage():
        gid = _group_id(hdf5, path)
        if h5py.h5a.exists(gid, key.encode()):
            return _texts(gid, key)
        if not h5py.h5a.exists(gid, f"{key}0".encode()):
            return None
        texts: list[str] = []
        part = 0
        while h5py.h5a.exists(gid, f"{key}{part}".encode()):
            texts.extend(_texts(gid, f"{key}{part}"))
            part += 1
            enforce_limit(
                "objects", len(texts), f"HDF5 attribute {key!r} holds more than {{limit}} texts"
            )
        return texts


def read_integer(hdf5: h5py.File, path: str, key: str) -> int | None:
    """Return the number in an attribute of a group; None where there is none."""
    with _damage():
        gid = _group_id(hdf5, path)
        if not h5py.h5a.exists(gid, key.encode()):
            return None
        attribute = h5py.h5a.open(gid, key.encode())
        if attribute.shape != () or attribute.get_type().get_class() != h5py.h5t.INTEGER:
            return None
        value = np.empty((), attribute.dtype)
        attribute.read(value)
        return int(value)


def _group_id(hdf5: h5py.File, path: str) -> h5py.h5g.GroupID:
    return h5py.h5g.open(hdf5.id, path.encode() or b"/")


def _texts(gid: h5py.h5g.GroupID, key: str) -> list[str]:
    attribute = h5py.h5a.open(gid, key.encode())
    count = prod(attribute.shape or ())
    if attribute.get_space().get_simple_extent_type() == h5py.h5s.NULL or not count:
        return []  # Keras writes an empty list as an array of no floats
    enforce_limit("objects", count, f"HDF5 attribute {key!r} holds more than {{limit}} texts")
    stored = attribute.get_storage_size()
    enforce_limit("json_bytes", stored, f"HDF5 attribute {key!r} is larger than {{limit}} bytes")
    if attribute.get_type().get_class() != h5py.h5t.STRING:
        raise UnreadableModelError(f"HDF5 attribute {key!r} holds no text")
    values = np.empty(attribute.shape, attribute.dtype)
    attribute.read(values)
    return [_text(value) for value in values.reshape(-1).tolist()]


def _text(value: Any) -> str:
    """Decode a name or JSON just as the names of groups are decoded."""
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class _Tree:
    """One reading of a file: what was visited and where the bytes lie."""

    file: Location
    offset: int
    end: int = field(init=False)
    visited: set[int] = field(default_factory=set)
    """Addresses of groups."""
    objects: int = 0
    declared: int = 0
    """Bytes of all datasets by their shapes ..."""
    stored: int = 0
    """... and as they are stored, compressed perhaps."""
    dtypes: list[tuple[h5py.h5t.TypeID, np.dtype[Any] | str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end = self.file.stat().st_size

    def group(self, gid: h5py.h5g.GroupID, address: int, path: str, depth: int) -> TensorGroup:
        if address in self.visited:
            raise UnsafeFileError(f"HDF5 group {path!r} is linked from more than one place")
        self.visited.add(address)
        enforce_limit("group_depth", depth, "HDF5 groups are nested more than {limit} deep")
        tensors: dict[str, Tensor] = {}
        groups: dict[str, TensorGroup] = {}
        unreadable: dict[str, str] = {}
        for raw, kind, child_address in _links(gid):
            self.objects += 1
            enforce_limit("objects", self.objects, "the file holds more than {limit} HDF5 objects")
            key = raw.decode("utf-8", "backslashreplace")
            below = f"{path}/{key}"
            if kind != h5py.h5l.TYPE_HARD:
                raise UnsafeFileError(
                    f"HDF5 link {below!r} leads elsewhere: links are not followed"
                )
            if b"/" in raw or raw in {b"", b".", b".."} or key in groups or key in tensors:
                raise UnsafeFileError(f"HDF5 name {below!r} is twice in its group, or is a path")
            enforce_limit(
                "key_bytes", len(raw), "the file has an HDF5 name longer than {limit} bytes"
            )
            child = h5py.h5o.open(gid, raw)
            if isinstance(child, h5py.h5g.GroupID):
                groups[key] = self.group(child, child_address, below, depth + 1)
            elif isinstance(child, h5py.h5d.DatasetID):
                found = self.dataset(child, below)
                if isinstance(found, str):
                    unreadable[key] = found
                else:
                    tensors[key] = found
        return TensorGroup(tensors, groups, unreadable, None if groups else _name_attribute(gid))

    def dataset(self, dsid: h5py.h5d.DatasetID, path: str) -> Tensor | str:
        """Return where the values lie, or why the dataset holds no array of numbers."""
        space = dsid.get_space()
        if space.get_simple_extent_type() == h5py.h5s.NULL:
            return "it holds no values"
        dtype = self.dtype(dsid.get_type())
        if isinstance(dtype, str):
            return dtype
        shape = tuple(space.get_simple_extent_dims())
        declared = prod(shape) * dtype.itemsize
        stored = dsid.get_storage_size()
        self._account(declared, stored)
        offset = dsid.get_offset()  # None unless the values lie in one piece in this file
        if offset is not None and stored >= declared:
            if self.offset + offset + declared > self.end:
                raise UnreadableModelError(
                    f"it ends before the values of {path!r}: it is cut short"
                )
            return StoredTensor(self.file, self.offset + offset, shape, dtype)
        return _scattered(dsid, path, shape, dtype, self.file)

    def _account(self, declared: int, stored: int) -> None:
        """Hold all datasets together against the size of the file."""
        self.declared += declared
        self.stored += stored
        if self.stored > self.end:
            message = f"datasets share their bytes: they claim {self.stored:,} of {self.end:,}"
            raise UnsafeFileError(message)
        if self.declared > max(allowed().inflation * self.stored, 2 * allowed().unstored_bytes):
            raise UnsafeFileError(
                f"datasets declare {self.declared:,} bytes but store {self.stored:,}{_MORE}"
            )

    def dtype(self, kind: h5py.h5t.TypeID) -> np.dtype[Any] | str:
        """Return NumPy's dtype, or why there is none; few types occur in one file."""
        for known, dtype in self.dtypes:
            if known == kind:
                return dtype
        dtype = _dtype(kind)
        self.dtypes.append((kind, dtype))
        return dtype


def _links(gid: h5py.h5g.GroupID) -> list[tuple[bytes, int, int]]:
    """Return name, kind and, of a hard link, address of all members of a group, by name."""
    links: list[tuple[bytes, int, int]] = []

    most = allowed().objects

    def note(name: bytes, link: h5py.h5l.LinkInfo) -> None:
        links.append((name, link.type, link.u))
        if len(links) > most:
            enforce_limit("objects", len(links), "a group holds more than {limit} HDF5 objects")

    gid.links.iterate(note, info=True)
    return links


def _scattered(
    dsid: h5py.h5d.DatasetID,
    path: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    file: Location,
) -> Tensor | str:
    """Return a tensor whose values do not lie in one piece, if they lie in this file at all."""
    plist = dsid.get_create_plist()
    layout = plist.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        raise UnsafeFileError(f"dataset {path!r} is virtual: its values lie in other files")
    if plist.get_external_count():
        raise UnsafeFileError(f"dataset {path!r} keeps its values in another file")
    declared, stored = prod(shape) * dtype.itemsize, dsid.get_storage_size()
    if declared > max(allowed().inflation * stored, allowed().unstored_bytes):
        message = f"dataset {path!r} declares {declared:,} bytes but stores {stored:,}{_MORE}"
        raise UnsafeFileError(message)
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    for number in filters:
        if number not in _FILTERS:
            return f"compressed by filter {number}, whose plug-in is not loaded: not measured"
    dataset = h5py.Dataset(dsid)
    if declared <= allowed().unstored_bytes and layout != h5py.h5d.CHUNKED:
        return ArrayTensor(np.asarray(dataset[()]).view(dtype).reshape(shape))
    if dataset.chunks:
        chunk = prod(dataset.chunks) * dtype.itemsize
        enforce_limit(
            "chunk_bytes", chunk, f"dataset {path!r} has chunks of more than {{limit}} bytes"
        )
    return DatasetTensor(dataset, dtype, file)


def _dtype(kind: h5py.h5t.TypeID) -> np.dtype[Any] | str:
    """Return NumPy's dtype, or why there is none.

    Two opaque bytes are Keras's way to store bfloat16.
    """
    number = kind.get_class() in {h5py.h5t.INTEGER, h5py.h5t.FLOAT}
    if number and (size := kind.get_size()) > 8:
        return f"numbers of {size} bytes are not supported"
    try:
        dtype: np.dtype[Any] = kind.dtype
    except (TypeError, ValueError):
        return "it does not hold numbers"
    if dtype == np.dtype("V2"):
        import ml_dtypes  # noqa: PLC0415 - takes 25 ms, and few files need it

        dtype = np.dtype(ml_dtypes.bfloat16)
    elif dtype.kind not in "fiub":
        return "it does not hold numbers"
    return dtype


def _name_attribute(gid: h5py.h5g.GroupID) -> str | None:
    if not h5py.h5a.exists(gid, b"name"):
        return None
    attribute = h5py.h5a.open(gid, b"name")
    if attribute.shape != () or attribute.get_type().get_class() != h5py.h5t.STRING:
        return None
    value = np.empty((), attribute.dtype)
    attribute.read(value)
    return _text(value.item())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


class _Window(SizedStream):
    """Some bytes of a file as a file of its own."""

    def __init__(self, file: Location, offset: int, size: int) -> None:
        super().__init__(size)
        # `opened` has a buffer before it; a store takes an unbuffered stream for one of values.
        self._stream: BinaryIO = file.open("rb", buffering=0 if isinstance(file, Path) else -1)
        self._offset = offset

    def fill(self, at: int, view: memoryview) -> int:
        self._stream.seek(self._offset + at)
        # The stub of BinaryIO leaves `readinto` out; every file opened in binary mode has it.
        return int(self._stream.readinto(view))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._stream.close()
        super().close()
