"""Models in object stores and on web servers, read by ranges; nothing is written to disk.

Only a URL that the user names leads here.
"""

import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, cast

from msgspec import Struct

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.storage.checkpoint_files import in_order
from regaudit.storage.location import Location
from regaudit.storage.object_store import Store, connected, marks
from regaudit.storage.range_reader import RangeStream
from regaudit.storage.search import LEFT_OUT

Chosen = Callable[[list[str], Callable[[str], Location]], set[str]]
"""Takes the paths of files and what leads to one, and returns those of the models among them."""


@contextmanager
def reached(url: str, *, values: bool = True) -> Iterator["RemoteFile"]:
    """Yield what a URL leads to.

    Args:
        url: as the user named it.
        values: whether values of weights are read, which is done in large pieces.

    Raises:
        UnreadableModelError: the store cannot be reached or does not give it, it takes a library
            that is not installed, or the file changed while it was read.
    """
    store, path = connected(url)
    store.values = values
    try:
        yield RemoteFile(store, path)
        store.verify()
    except Exception as error:  # noqa: BLE001 - whatever it is, the store may be behind it
        raise _explained(error, store) from None
    finally:
        store.close()


def _explained(error: Exception, store: Store) -> Exception:
    """Return what failed first, with the hosts that the user did not name."""
    try:
        store.verify()  # damage is what a file looks like that failed or changed meanwhile
    except UnreadableModelError as failed:
        error = failed
    led = str(store.redirects)
    if led and isinstance(error, UnreadableModelError):
        return type(error)(f"{error} ({led})")
    return error


def models_below(url: str, models_among: Chosen) -> Iterator[str]:
    """Yield the URLs of the models in a folder of a store, or that a pattern with `*` matches.

    Args:
        url: ends with a slash, or holds a star.
        models_among: finds the models among the files of a folder.

    Raises:
        UnreadableModelError: the store does not say.
    """
    store, path = connected(url)
    if "*" in path:
        names = store.with_retries(lambda: store.system.expand_path(path, recursive=False))
        found: set[str] = set()
        for name in names:
            below = store.names(name)
            found |= _chosen(store, name, below, models_among) if below != [name] else {name}
    else:
        found = _chosen(store, path, store.names(path), models_among)
    yield from (f"{store.scheme}://{name}" for name in in_order(found))


def _chosen(store: Store, folder: str, names: list[str], models_among: Chosen) -> set[str]:
    """Return the models among files below a folder; hidden and installed folders are left out."""
    start = len(folder.rstrip("/"))
    shown = [name for name in names if not LEFT_OUT.search(name, start)]
    return models_among(shown, lambda path: RemoteFile(store, path))


class _Status(Struct, frozen=True):
    """As `os.stat` puts it."""

    st_size: int
    st_mode: int


class RemoteFile:
    """A file or a folder of a store, to read from: it answers as a `pathlib.Path` does."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path

    @property
    def name(self) -> str:
        return self._bare.rpartition("/")[2]

    @property
    def parent(self) -> "RemoteFile":
        return RemoteFile(self._store, self._bare.rpartition("/")[0])

    @property
    def _bare(self) -> str:
        """The path without a token behind it."""
        path = self._path.partition("?")[0] if self._store.scheme != "hf" else self._path
        return path.rstrip("/")

    def __truediv__(self, name: str) -> "RemoteFile":
        if not re.fullmatch(r"[^/\\?#%*\[\]\0]+", name) or name in {".", ".."}:
            raise UnsafeFileError(f"{name!r} is not a valid name for a part of a model in a store")
        return RemoteFile(self._store, f"{self._bare}/{name}")

    def with_name(self, name: str) -> "RemoteFile":
        return self.parent / name

    def exists(self) -> bool:
        return self._known is not None

    def is_file(self) -> bool:
        return self._known is not None and self._known.get("type") == "file"

    def is_dir(self) -> bool:
        return self._known is not None and self._known.get("type") == "directory"

    def is_symlink(self) -> bool:
        return False

    @property
    def redirected(self) -> str:
        """Which hosts its server sent us to; empty if to none."""
        return str(self._store.redirects)

    @property
    def identity(self) -> object:
        """What differs once another file has taken the place of this one."""
        return self._store.scheme, self._path, marks(self._known)

    def stat(self) -> _Status:
        if self._known is None:
            raise FileNotFoundError
        if self.is_dir():
            return _Status(0, stat.S_IFDIR)
        size = self._known.get("size")
        if not isinstance(size, int):
            raise UnreadableModelError("the server does not say how large it is")
        return _Status(size, stat.S_IFREG)

    def open(self, mode: Literal["rb"], buffering: int = -1) -> BinaryIO:  # noqa: ARG002
        size = self.stat().st_size
        parts = self._store.parts(self._path, size, values=buffering == 0)
        return cast(BinaryIO, RangeStream(parts, size))

    def names(self) -> list[str]:
        """Return the names of what lies in this folder."""
        return self._store.names_in(self._bare)

    def read_bytes(self) -> bytes:
        return self.open("rb").read(self.stat().st_size)

    @property
    def _known(self) -> Mapping[str, Any] | None:
        return self._store.info(self._path)
