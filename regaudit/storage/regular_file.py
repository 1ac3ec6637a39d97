"""Files that are opened only if they are what they seem: no link, pipe, device or folder."""

import errno
import os
from pathlib import Path
from stat import S_ISREG

_FLAGS = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
"""No link is followed, and no pipe waited for; not every system knows each."""


def open_regular(file: Path) -> int:
    """Open a file for reading.

    Returns:
        Its descriptor.

    Raises:
        OSError: it is not there, cannot be read, or is not a regular file.
    """
    flags = sum(getattr(os, name, 0) for name in _FLAGS)
    try:
        opened = os.open(file, os.O_RDONLY | flags)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise _irregular() from error
        raise
    if S_ISREG(os.fstat(opened).st_mode):
        return opened
    os.close(opened)
    raise _irregular()


def read_regular(file: Path, most: int) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: as for `open_regular`, or it is larger than that.
    """
    with open(open_regular(file), "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content


def _irregular() -> OSError:
    return OSError(errno.EINVAL, "it is a link, a folder, a pipe or a device, not a file")
