"""The groups and datasets of an HDF5 file, as tensors whose values stay on disk.

Only plain datasets of numbers that lie inside the file are let through. Links that leave their
place, external and virtual storage and sizes far beyond what is stored are refused by name.
"""

from math import prod
from typing import Any

import numpy as np
from msgspec import Struct

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.location import Location
from regaudit.tensors.hdf5 import damage, refuse_parts
from regaudit.tensors.hdf5_attributes import decoded
from regaudit.tensors.hdf5_dataset import DatasetTensor
from regaudit.tensors.hdf5_library import h5py
from regaudit.tensors.tensor import ArrayTensor, StoredTensor, Tensor, TensorGroup

_MORE = "; --limit inflation=N allows more"
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Numbers of the filters that HDF5 and h5py bring along; for others HDF5 looks for a library."""


def read_tree(hdf5: h5py.File, file: Location, offset: int = 0) -> TensorGroup:
    """List all groups and datasets; the values stay on disk.

    Args:
        hdf5: the opened file.
        file: where its bytes lie, `offset` bytes from the start.
        offset: see `file`.

    Raises:
        UnsafeFileError: a link, external or virtual storage, a size beyond the limits, or a file
            that holds more than this.
        UnreadableModelError: the file is damaged or cut short.
    """
    refuse_parts(hdf5, file, offset)
    with damage():
        return _Tree(file, offset, file.stat().st_size).group(
            hdf5.id, h5py.h5o.get_info(hdf5.id).addr, "", 0
        )


def names_at_root(hdf5: h5py.File) -> list[str]:
    """Return the names of what lies at the root; none where there are more than in any model."""
    names: list[str] = []
    with damage():
        root = h5py.h5g.open(hdf5.id, b"/")
        if root.get_num_objs() <= allowed().objects:
            root.links.iterate(lambda raw: names.append(raw.decode("utf-8", "backslashreplace")))
    return names


class _Tree(Struct):
    """One reading of a file: what was visited and where the bytes lie."""

    file: Location
    offset: int
    end: int
    """Size of the file in bytes."""
    visited: set[int] = set()
    """Addresses of groups."""
    objects: int = 0
    declared: int = 0
    """Bytes of all datasets by their shapes ..."""
    stored: int = 0
    """... and as they are stored, compressed perhaps."""
    dtypes: list[tuple[h5py.h5t.TypeID, np.dtype[Any] | str]] = []

    def group(self, gid: h5py.h5g.GroupID, address: int, path: str, depth: int) -> TensorGroup:
        if address in self.visited:
            raise UnsafeFileError(f"HDF5 group {path!r} is linked from more than one place")
        self.visited.add(address)
        enforce_limit("group_depth", depth, "HDF5 groups are nested deeper than {limit} levels")
        tensors: dict[str, Tensor] = {}
        groups: dict[str, TensorGroup] = {}
        unreadable: dict[str, str] = {}
        for raw, kind, child_address in _links(gid):
            self.objects += 1
            enforce_limit("objects", self.objects, "the file has more than {limit} HDF5 objects")
            key = raw.decode("utf-8", "backslashreplace")
            below = f"{path}/{key}"
            if kind != h5py.h5l.TYPE_HARD:
                raise UnsafeFileError(
                    f"HDF5 link {below!r} leads elsewhere: links are not followed"
                )
            if b"/" in raw or raw in {b"", b".", b".."} or key in groups or key in tensors:
                raise UnsafeFileError(
                    f"HDF5 name {below!r} occurs twice in its group, or is a path"
                )
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
        """Compare what all datasets claim with the size of the file."""
        self.declared += declared
        self.stored += stored
        if self.stored > self.end:
            message = (
                f"datasets overlap: they claim {self.stored:,} bytes of a file of {self.end:,}"
            )
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
    # HDF5 lists them all before it names the first.
    enforce_limit("objects", gid.get_num_objs(), "a group has more than {limit} HDF5 objects")

    def note(name: bytes, link: h5py.h5l.LinkInfo) -> None:
        links.append((name, link.type, link.u))
        if len(links) > most:
            enforce_limit("objects", len(links), "a group has more than {limit} HDF5 objects")

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
        raise UnsafeFileError(f"dataset {path!r} is virtual: its values are in other files")
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
    return decoded(value.item())
