"""Texts in the attributes of an HDF5 file replaced, in the form in which they were stored.

The file is changed where it lies, so work on a copy: attributes are metadata, and the values of
datasets are not touched.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from regaudit.errors import UnreadableModelError


def write_text(file: Path, key: str, text: str) -> None:
    """Replace the text of a root attribute, or of its parts `key0`, `key1`, ... if it was split.

    Raises:
        UnreadableModelError: the file cannot be opened for writing.
    """
    try:
        with h5py.File(file, "r+") as hdf5:
            if key in hdf5.attrs:
                _put(hdf5, key, key, text)
            else:
                _put_parts(hdf5, key, text)
    except (OSError, RuntimeError, KeyError) as error:
        message = f"its HDF5 content cannot be edited ({' '.join(str(error).split())})"
        raise UnreadableModelError(message) from error


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
