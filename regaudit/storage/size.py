"""How many bytes a model takes, before it is opened."""

import os
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from regaudit.errors import (
    RegauditError,
    UnreadableModelError,
    UnsafeFileError,
)
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.checkpoint_files import shards_of
from regaudit.storage.container_names import split_name
from regaudit.storage.location import FileStatus, Location, is_url
from regaudit.storage.plain_file import open_plain
from regaudit.storage.presence import near
from regaudit.storage.search import everything_below
from regaudit.storage.siblings import hub_blob

_BLOCK = 512
"""Bytes of what `st_blocks` counts."""
_STRETCHES = 1000
"""Most stretches between holes that are looked at."""


def size_of(name: str) -> int:
    """Return the bytes that buy time: of a file, or of all files below a directory.

    Of a model in an archive those of the archive; what is unpacked counts as it comes.

    0 where there is none. Holes of sparse files are not stored, and do not count. Nor do those of a
    store, whatever it claims: they count as they arrive, and it is not even asked.
    """
    if is_url(name):
        return 0
    try:
        return size_on_disk(Path(split_name(name)[0]), stored=True) or 0
    except (RegauditError, OSError, ValueError):
        return 0


def load_library(name: str) -> None:
    """Import what reads a URL, if it is one: that takes a second, and is not the store's doing."""
    if is_url(name):
        from regaudit.storage.object_store import imported  # noqa: PLC0415 - only URLs need it

        imported(name)


def size_on_disk(file: Location, *, stored: bool = False) -> int | None:
    """Return the bytes of a file or a directory; None for a folder of a store: it may be huge.

    Those of a checkpoint's index are its shards' as well.

    Args:
        file: or directory.
        stored: whether to count only what is not a hole.
    """
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, ValueError) as error:  # a zero byte in its name
        hint = near(file) if isinstance(file, Path) else ""
        raise UnreadableModelError(f"no such file{hint}") from error
    if S_ISREG(mode):
        return sum(_bytes(part, part.stat(), stored) for part in (file, *shards_of(file)))
    if not S_ISDIR(mode):
        raise UnsafeFileError("a pipe, a socket or a device, not a file: it is not opened")
    if not isinstance(file, Path):
        return getattr(file, "bytes_below", None)  # of what lies in an archive
    size = 0
    for count, (part, depth) in enumerate(everything_below(file)):
        enforce_limit("objects", count, "the directory has more than {limit} files")
        enforce_limit("group_depth", depth, "its folders are nested deeper than {limit}")
        real = (hub_blob(part) or part) if part.is_symlink() else part
        status = real.lstat()
        size += _bytes(real, status, stored) if S_ISREG(status.st_mode) else 0
    return size


def refuse_holes(file: Location, size: int | None) -> None:
    """Refuse a model of which far too little is stored: to read holes takes time, too.

    Args:
        file: or directory.
        size: its bytes, holes included.

    Raises:
        UnsafeFileError: it is one.
    """
    limits = allowed()
    if size is None or size <= limits.unstored_bytes or not isinstance(file, Path):
        return
    stored = size_on_disk(file, stored=True) or 0
    if size > max(limits.inflation * stored, limits.unstored_bytes):
        what = f"only {stored:,} of its {size:,} bytes are stored, and the rest is holes"
        raise UnsafeFileError(f"{what}; --limit inflation=N allows more")


def _bytes(file: Location, status: FileStatus, stored: bool) -> int:
    """Return the size of a file, or what is stored of it if the file system says so."""
    blocks: int = getattr(status, "st_blocks", 0) * _BLOCK
    if not stored or not blocks or not isinstance(file, Path):
        return status.st_size
    if blocks * allowed().inflation < status.st_size:  # some systems count what is new late
        blocks = max(blocks, _data(file))
    return min(status.st_size, blocks)


def _data(file: Path) -> int:
    """Return the bytes of a file that are not in holes; all, where the system knows of none."""
    found, at = 0, 0
    with open_plain(file) as stream, suppress(OSError):  # the last one: there are no more
        for _ in range(_STRETCHES):
            start = os.lseek(stream.fileno(), at, os.SEEK_DATA)
            at = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
            found += at - start
    return found
