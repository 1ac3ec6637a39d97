"""Where a model lies: a path on disk, or what a URL leads to. Readers take either."""

import io
import re
from abc import abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol
from urllib.parse import unquote, urlsplit

from regaudit.limits import enforce_limit

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LIKE_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+:)[/\\]|[/\\]{2}[^/\\]*@"
    r"|.*(?:://|::/|::[A-Za-z][A-Za-z0-9+.-]+:[/\\])",
    re.DOTALL,
)
"""What looks like a URL, even if it is not one: it may hold a secret."""
_IN_TEXT = re.compile(
    r"""(?:[\w.+-]{1,30}::){0,4}[A-Za-z][A-Za-z0-9+.-]{0,30}:[/\\]+|[\w+.-]{1,30}::/"""
    r"""|[A-Za-z][\w+.-]{0,30}%(?:25)*3a(?:/|%)|(?<![/\\])[/\\]{2}(?=[^\s/\\]*@)"""
    r"""|[^\s/\\'"`:@]{1,100}:(?=[^\s/\\'"`@]{1,500}@[^\s/\\'"`:]{0,300}[:/\\])""",
    re.IGNORECASE,
)
"""Where in a message a URL may begin. Bounded: a name may be made to take long."""
_AFTER = re.compile(r"""[\s'"`]|$""")
_CLOSED = {quote: re.compile(rf"{quote}(?!\w)") for quote in "'\"`"}
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_KEYS_WITH_AT = frozenset({"s3", "gs", "gcs", "az", "abfs", "hf"})
"""Stores whose keys may hold an @; behind it stands the revision of `hf`."""
NOT_SHOWN = "(URL hidden: it may hold a password)"
"""Stands for what may hold a secret that cannot be told from the rest."""


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


class Window(SizedStream):
    """Some bytes of a file as a file of its own."""

    def __init__(self, file: Location, offset: int, size: int, buffering: int = -1) -> None:
        super().__init__(size)
        self._stream = file.open("rb", buffering=buffering)
        self._offset = offset

    def fill(self, at: int, view: memoryview) -> int:
        self._stream.seek(self._offset + at)
        # The stub of BinaryIO leaves `readinto` out; every file opened in binary mode has it.
        return int(self._stream.readinto(view))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._stream.close()
        super().close()


def read_bounded(file: Location, limit: str) -> bytes:
    """Return the content of a file.

    Raises:
        UnsafeFileError: it is larger than the limit of that name allows.
    """
    enforce_limit(limit, file.stat().st_size, f"{file.name} is larger than {{limit}} bytes")
    return file.read_bytes()


def is_local(file: Location) -> bool:
    """Whether its bytes lie on this machine."""
    return isinstance(file, Path) or getattr(file, "local", False)


def is_url(name: str) -> bool:
    """Whether a name is a URL, and not a path."""
    return _URL.match(name) is not None


def redacted_name(name: str) -> str:
    """Return how reports call a model: a URL without user, password, query and fragment.

    A URL of which it is not certain where they begin and end is not shown at all.
    """
    found = _LIKE_URL.match(name)
    if found is None:
        return NOT_SHOWN if _is_odd(name) else name
    scheme = found["scheme"]
    hidden = f"{scheme.lower()}//{NOT_SHOWN}" if scheme else NOT_SHOWN
    return _shown(name) or hidden


def without_secrets(message: str) -> str:
    """Return a message in which each URL is as `redacted_name` has it."""
    parts, done, seen, last = [], 0, 0, message.rfind("@")
    for found in _IN_TEXT.finditer(message):
        if found.start() < seen or message.startswith(NOT_SHOWN, found.end()):
            continue
        seen = end = _end(message, found, last)
        url = message[found.start() : end]
        bare = "://" not in url and not any(char in url for char in "@?#%")
        if bare:  # such as html:/out.html or C:\model.keras
            continue
        parts += [message[done : found.start()], redacted_name(url)]
        done = end
    return "".join((*parts, message[done:]))


def _end(message: str, found: re.Match[str], last: int) -> int:
    """Return where a URL ends: behind its last @, as a password may hold anything."""
    start = max(found.end(), last + 1)
    closed = _CLOSED.get(message[found.start() - 1 : found.start()], _AFTER).search(message, start)
    end = closed.start() if closed else len(message)
    while message[end - 1] in ":;.,)" and end > start:
        end -= 1
    return end


def _is_odd(name: str) -> bool:
    """Whether a name is like `user:password@host:path`, or a URL whose every character is %XX."""
    first = re.split(r"[/\\]", name, maxsplit=1)
    user, _, host = first[0].rpartition("@")
    if ":" in user and (":" in host or len(first) > 1):
        return True
    decoded = _decoded(name)
    if decoded == name or not any(char in decoded for char in "@?#"):
        return False
    return _LIKE_URL.match(decoded) is not None


def _decoded(text: str) -> str:
    """Undo percent-encoding, also that of what was encoded already."""
    for _ in range(3):
        text = unquote(text)
    return text


def _shown(name: str) -> str | None:
    """Return a URL without its secrets; None where it can be read in more ways than one."""
    if not is_url(name) or not name.isprintable() or "\\" in name:
        return None
    try:
        parts = urlsplit(name)
    except ValueError:
        return None
    user, _, host = parts.netloc.rpartition("@")
    path = parts.path.partition(";")[0]
    decoded = _decoded(path)
    if " " in name and "@" in _decoded(name):
        return None
    if not _HOST.fullmatch(host) and parts.netloc:
        return None
    if "://" in decoded or "::" in decoded or ("&" in decoded and "=" in decoded):
        return None
    if user and parts.scheme == "hf":
        return None
    # A password with a slash ends the host before its time: the @ then stands in the path.
    before = f"{parts.netloc}{decoded}".rpartition("@")[0]
    if "@" in decoded and (":" in before or user or parts.scheme not in _KEYS_WITH_AT):
        return None
    if decoded != path and any(char in decoded for char in "?#;@\\"):
        return None
    return f"{parts.scheme}://{host}{path}"
