"""How many bytes a model takes, before it is opened."""

from pathlib import Path
from stat import S_ISDIR, S_ISREG

from regaudit.errors import (
    RegauditError,
    UnreadableModelError,
    UnsafeFileError,
)
from regaudit.limits import enforce_limit
from regaudit.storage.location import Location, is_url
from regaudit.storage.siblings import hub_blob


def size_of(name: str) -> int:
    """Return the bytes of a file, or of all files below a directory; 0 where there is none."""
    try:
        if is_url(name):
            from regaudit.storage.remote_file import size_of as remote_size  # noqa: PLC0415 - as above

            return remote_size(name)
        return size_on_disk(Path(name)) or 0
    except (RegauditError, OSError, ValueError):
        return 0


def size_on_disk(file: Location) -> int | None:
    """Return the bytes of a file or a directory; None for a folder of a store: it may be huge."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise UnreadableModelError("no such file") from error
    if S_ISREG(mode):
        return file.stat().st_size
    if not S_ISDIR(mode):
        raise UnsafeFileError("a pipe, a socket or a device, not a file: it is not opened")
    if not isinstance(file, Path):
        return None
    size = 0
    for count, part in enumerate(file.rglob("*")):
        enforce_limit("objects", count, "the directory has more than {limit} files")
        status = (hub_blob(part) or part).lstat() if part.is_symlink() else part.lstat()
        size += status.st_size if S_ISREG(status.st_mode) else 0
    return size
