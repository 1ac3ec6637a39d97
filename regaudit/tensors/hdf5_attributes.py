"""The attributes of an HDF5 file: read, and texts in them replaced in the form they were stored in.

A text is replaced in the file itself, so work on a copy: attributes are metadata, and the values
of datasets are not touched.
"""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from regaudit.errors import UnreadableModelError
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.location import Location
from regaudit.tensors.hdf5 import FAULTS, damage, fault, opened
from regaudit.tensors.hdf5_library import h5py


def root_attributes(file: Location) -> frozenset[str] | None:
    """Return the names of the root group's attributes; None if HDF5 cannot open the file."""
    try:
        with opened(file) as hdf5:
            root = h5py.h5g.open(hdf5.id, b"/")
            count = min(h5py.h5a.get_num_attrs(root), allowed().objects)
            names = (h5py.h5a.open(root, index=index).name for index in range(count))
            return frozenset(name.decode("utf-8", "backslashreplace") for name in names)
    except (UnreadableModelError, *FAULTS):
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
    with damage():
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
                "objects", len(texts), f"HDF5 attribute {key!r} has more than {{limit}} texts"
            )
        return texts


def read_integer(hdf5: h5py.File, path: str, key: str) -> int | None:
    """Return the number in an attribute of a group; None where there is none."""
    with damage():
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
    enforce_limit("objects", count, f"HDF5 attribute {key!r} has more than {{limit}} texts")
    stored = attribute.get_storage_size()
    enforce_limit("json_bytes", stored, f"HDF5 attribute {key!r} is larger than {{limit}} bytes")
    if attribute.get_type().get_class() != h5py.h5t.STRING:
        raise UnreadableModelError(f"HDF5 attribute {key!r} is not text")
    values = np.empty(attribute.shape, attribute.dtype)
    attribute.read(values)
    return [decoded(value) for value in values.reshape(-1).tolist()]


def decoded(value: Any) -> str:
    """Decode a name or JSON just as the names of groups are decoded."""
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "backslashreplace")


def write_text(file: Path, key: str, text: str) -> None:
    """Replace the text of a root attribute, or of its parts `key0`, `key1`, ... if it was split.

    Raises:
        UnreadableModelError: the file cannot be opened for writing.
    """
    try:
        # Whoever writes the file has locked it already, see `temporary_beside`.
        with h5py.File(file, "r+", locking=False) as hdf5:
            if key in hdf5.attrs:
                _put(hdf5, key, key, text)
            else:
                _put_parts(hdf5, key, text)
    except FAULTS as error:
        raise fault("its HDF5 content cannot be edited", error) from error


def _put_parts(hdf5: h5py.File, key: str, text: str) -> None:
    """Split a text as it was split before, into one part more or less where its length asks it."""
    keys: list[str] = []
    while f"{key}{len(keys)}" in hdf5.attrs:
        keys.append(f"{key}{len(keys)}")
    length = max([1, *(len(_joined(hdf5.attrs[part])) for part in keys)])
    pieces = [text[at : at + length] for at in range(0, len(text), length)]
    for number, piece in enumerate(pieces):
        _put(hdf5, f"{key}{number}", f"{key}{min(number, len(keys) - 1)}", piece)
    for surplus in keys[len(pieces) :]:
        del hdf5.attrs[surplus]


def _joined(value: Any) -> str:
    values = np.asarray(value, dtype=object).reshape(-1).tolist()
    return "".join(v.decode() if isinstance(v, bytes) else str(v) for v in values)


def _put(hdf5: h5py.File, key: str, like: str, text: str) -> None:
    """Write a text into an attribute of the form that the attribute `like` has."""
    old = h5py.h5a.open(hdf5.id, like.encode())
    kind, shape = old.get_type(), old.shape
    raw = text.encode("utf-8", "backslashreplace")
    if kind.is_variable_str():
        dtype = old.dtype
        value: Any = text if h5py.check_string_dtype(dtype).encoding == "utf-8" else raw
    else:
        kind = kind.copy()
        kind.set_size(max(len(raw), 1))
        dtype, value = np.dtype(f"S{max(len(raw), 1)}"), raw
    array = np.empty(shape, dtype)
    array.reshape(-1)[:] = [value, *[value[:0]] * (array.size - 1)]
    space = old.get_space()
    del old
    if key in hdf5.attrs:
        h5py.h5a.delete(hdf5.id, key.encode())
    attribute = h5py.h5a.create(hdf5.id, key.encode(), kind, space)
    attribute.write(array, mtype=None if kind.is_variable_str() else kind)
