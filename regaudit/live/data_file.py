"""The arrays of an NPZ file, read once it is known that they are what their headers claim."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from regaudit.errors import shown
from regaudit.storage.plain_file import open_plain
from regaudit.storage.size import size_on_disk
from regaudit.tensors.tensor import Array

ARRAYS = 1000
"""Most arrays in a file: one for each input, and the truth."""

INFLATION, UNSTORED = 200, 64 << 20
"""Most bytes of arrays for one that is stored, and how many need not be stored at all."""

_DAMAGED = (
    *(OSError, ValueError, TypeError, RuntimeError, LookupError, EOFError, ArithmeticError),
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError, tokenize.TokenError),
)
"""What NumPy and the standard library raise on what is no such file."""


class DataError(Exception):
    """The data do not fit the model, or cannot be read."""


def check_arrays(file: Path) -> None:
    """Read the headers of all arrays, and none of their values.

    Raises:
        DataError: they are not what they claim, or of objects; or it is no NPZ file.
    """
    with _members(file):
        pass


def read_arrays(file: Path) -> Mapping[str, Array]:
    """Return the arrays by name.

    Raises:
        DataError: as `check_arrays` does.
    """
    with _members(file) as members:
        return {
            name: np.lib.format.read_array(stream, allow_pickle=False) for name, stream in members
        }


@contextmanager
def _members(file: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Open the arrays of a file, one after the other, after a look at all headers."""
    try:
        with open_plain(file) as stream, zipfile.ZipFile(stream) as archive:
            infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            if len(infos) > ARRAYS:
                raise DataError(f"{file} has more than {ARRAYS:,} arrays")
            declared = sum(_declared(archive, info, file) for info in infos)
            if declared > max(INFLATION * (size_on_disk(file, stored=True) or 0), UNSTORED):
                what = "far more than it stores: save them with np.savez"
                raise DataError(f"{file} declares arrays of {declared:,} bytes, {what}")
            yield ((info.filename.removesuffix(".npy"), archive.open(info)) for info in infos)
    except MemoryError as error:
        raise DataError(f"{file} takes more memory than there is") from error
    except _DAMAGED as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise DataError(f"{file} cannot be read as an NPZ file of plain arrays: {why}") from error


def _declared(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path) -> int:
    """Return the bytes of an array, by its header and by the archive's list of members."""
    name = shown(info.filename.removesuffix(".npy"))
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in {(1, 0), (2, 0)}:  # a later one is for names of fields
            raise DataError(f"{file} cannot be read: the array {name} has fields")
        old = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        header = stream.tell()
    if dtype.hasobject:
        raise DataError(f"{file} has objects in {name}: only plain arrays of numbers are read")
    size = prod(shape) * dtype.itemsize
    empty = size == 0 and shape[:1] != (0,)
    if empty or min(shape, default=0) < 0 or size != info.file_size - header:
        raise DataError(
            f"{file} is damaged: the array {name} has other values than its header says"
        )
    return info.file_size
