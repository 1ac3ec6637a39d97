"""HDF5 files: what is one, and how it is opened."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EIO, ELOOP, EMFILE, ENFILE, ENOENT, EPERM
from pathlib import Path
from typing import Any

from regaudit.errors import UnreadableModelError
from regaudit.storage.glued import refuse_glued
from regaudit.storage.location import Location, Window
from regaudit.tensors.hdf5_library import h5py

_METADATA = 4 << 20
"""Bytes of metadata that HDF5 keeps, which take about ten times as much memory; its own 32 MB are
200 MB in a model of 10,000 layers. The names of all members of a group should fit."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
FAULTS = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, SystemError)
"""What HDF5 and h5py raise on damaged files."""
_OF_SYSTEM = (EACCES, EPERM, ENOENT, ELOOP, EIO, EMFILE, ENFILE)
"""What is no fault of the content."""
_USER_BLOCK = 512
"""Smallest block of foreign bytes that may precede the HDF5 content; larger ones are doubled."""
_SUPERBLOCK, _SUPERBLOCK_2 = 64, 2
"""Bytes at the start that tell where the content ends, and the version that changed their order."""


@contextmanager
def opened(file: Location, offset: int = 0, size: int | None = None) -> Iterator[h5py.File]:
    """Open the HDF5 file that lies in `size` bytes from `offset` of `file`.

    Raises:
        UnreadableModelError: it is damaged or cut short.
    """
    stream: Any = file
    if offset or size is not None or not isinstance(file, Path):
        whole = file.stat().st_size - offset
        # The buffer below is enough; a store takes an unbuffered stream for one of values.
        buffering = 0 if isinstance(file, Path) else -1
        stream = Window(file, offset, whole if size is None else size, buffering)
        if isinstance(file, Path):
            # HDF5 reads some hundred bytes at a time: a buffer answers most of that by itself.
            # What is fetched from a store is kept already, in pieces of a size that was measured.
            stream = io.BufferedReader(stream)
    try:
        with damage():
            hdf5 = h5py.File(stream, "r")
        try:
            _bound_cache(hdf5)
            yield hdf5
        finally:
            with suppress(*FAULTS):
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
def damage() -> Iterator[None]:
    """Say of what HDF5 raises that the file is damaged, or may not be read.

    Raises:
        UnreadableModelError: HDF5 raised something.
    """
    try:
        yield
    except FAULTS as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in _OF_SYSTEM:
            raise UnreadableModelError(f"cannot be read: {os.strerror(number)}") from error
        raise fault("its HDF5 content is damaged or cut short", error) from error


def fault(what: str, error: BaseException) -> Exception:
    """Return what to raise for what HDF5 raised: that memory ran out, or that it is damaged.

    Args:
        what: could not be done.
        error: one of `FAULTS`. h5py hides others in a SystemError.
    """
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, MemoryError) or "emory allocation failed" in str(below):
            return MemoryError(one_line(error))
        below = below.__cause__ or below.__context__
    return UnreadableModelError(f"{what} ({one_line(error)})")


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


def refuse_parts(hdf5: h5py.File, file: Location, offset: int = 0) -> None:
    """Refuse HDF5 that is only a part of its file; a user block that it knows of is none.

    Args:
        hdf5: the opened file.
        file: where its bytes lie, `offset` bytes from the start.
        offset: see `file`.

    Raises:
        UnsafeFileError: there is something before or behind it.
    """
    with damage():
        start, size = hdf5.userblock_size, hdf5.id.get_filesize()
    with file.open("rb") as stream:
        stream.seek(offset + start)
        head = stream.read(_SUPERBLOCK)
    # Up to version 1, the sizes of two numbers and of two trees stand before the addresses.
    width, at = (head[13], 24 + 4 * head[8]) if head[8] < _SUPERBLOCK_2 else (head[9], 12)
    base, end = (
        int.from_bytes(head[place : place + width], "little") for place in (at, at + 2 * width)
    )
    refuse_glued(start - base, "before")
    refuse_glued(size - end - start + base, "behind")


def one_line(error: BaseException) -> str:
    """Return the message of an error of HDF5 without its line breaks."""
    return " ".join(str(error).split())
