"""Files that are opened only if they are plain: no pipe, device or folder, and not too large."""

import errno
import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

_FLAGS = ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC", "O_NOCTTY")
"""A pipe without a writer is opened at once, and then refused; not every system knows each."""


_BLOCK = 1 << 20
"""Bytes that are read at once."""


def open_plain(file: Path, most: int | None = None, *, follow_links: bool = True) -> BinaryIO:
    """Open a file for reading.

    Args:
        file: its path.
        most: bytes that it may have.
        follow_links: whether a link to a file is one.

    Raises:
        OSError: it cannot be read, is no plain file, or is larger; `strerror` says which.
    """
    flags = sum(getattr(os, name, 0) for name in _FLAGS)
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        number = os.open(file, os.O_RDONLY | flags)
    except ValueError as error:  # a zero byte in its name
        raise OSError(errno.EINVAL, "not the name of a file", str(file)) from error
    except OSError as error:
        if error.errno == errno.ENXIO or (error.errno == errno.ELOOP and not follow_links):
            raise _not_plain(file) from error
        raise
    status = os.fstat(number)
    fault = None
    if S_ISDIR(status.st_mode):
        fault = OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    elif not S_ISREG(status.st_mode):
        fault = _not_plain(file)
    elif most is not None and status.st_size > most:
        fault = _too_large(file, most)
    if fault:
        os.close(number)
        raise fault
    return os.fdopen(number, "rb")


def read_plain(file: Path, most: int, *, follow_links: bool = True) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: as `open_plain` does.
    """
    with open_plain(file, most, follow_links=follow_links) as stream:
        content = bytearray()
        # Block by block: files of /proc and growing ones say too little, and room for all that is
        # allowed may be more memory than there is.
        while len(content) <= most and (block := stream.read(min(_BLOCK, most + 1))):
            content += block
    if len(content) > most:
        raise _too_large(file, most)
    return bytes(content)


def _not_plain(file: Path) -> OSError:
    return OSError(errno.EINVAL, "a link, a pipe, a socket or a device, not a file", str(file))


def _too_large(file: Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {most:,} bytes", str(file))
