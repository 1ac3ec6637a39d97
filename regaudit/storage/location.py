"""Where a model lies: a path on disk, or what a URL leads to. Readers take either."""

import io
import re
from abc import abstractmethod
from typing import Any, BinaryIO, Literal, Protocol

from regaudit.limits import enforce_limit

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CREDENTIALS_BEFORE_AT = re.compile(r"^[^/]*@")


class FileStatus(Protocol):
    """What is known of a file without opening it."""

    @property
    def st_size(self) -> int: ...

    @property
    def st_mode(self) -> int: ...


class Location(Protocol):
    """What readers ask of a `pathlib.Path`, which is one."""

    @property
    def name(self) -> str: ...

    @property
    def parent(self) -> "Location": ...

    def __truediv__(self, name: str, /) -> "Location": ...

    def with_name(self, name: str) -> "Location": ...

    def exists(self) -> bool: ...

    def is_file(self) -> bool: ...

    def is_dir(self) -> bool: ...

    def is_symlink(self) -> bool: ...

    def stat(self) -> FileStatus: ...

    def open(self, mode: Literal["rb"], buffering: int = -1) -> BinaryIO:
        """Open for reading; without buffering for values, which are read in large pieces."""
        ...

    def read_bytes(self) -> bytes: ...


class SizedStream(io.RawIOBase):
    """A stream to read from, of a size that is known."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    @abstractmethod
    def fill(self, at: int, view: memoryview) -> int:
        """Put bytes from `at` on into a view that does not go beyond the size; return how many."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(min(len(view), self._size - self._at), 0)
        count = self.fill(self._at, view[:wanted])
        self._at += count
        return count


def read_bounded(file: Location, limit: str) -> bytes:
    """Return the content of a file.

    Raises:
        UnsafeFileError: it is larger than the limit of that name allows.
    """
    enforce_limit(limit, file.stat().st_size, f"{file.name} is larger than {{limit}} bytes")
    return file.read_bytes()


def is_url(name: str) -> bool:
    """Whether a name is a URL, and not a path."""
    return _URL.match(name) is not None


def redacted_name(name: str) -> str:
    """Return how reports call a model: a URL without user, password and token."""
    if not is_url(name):
        return name
    scheme, _, rest = name.partition("://")
    rest = rest.partition("?")[0]
    if scheme.startswith("http"):
        rest = rest.partition("#")[0]
    if scheme != "hf":  # there a revision stands behind the @
        rest = _CREDENTIALS_BEFORE_AT.sub("", rest)
    return f"{scheme}://{rest}"
