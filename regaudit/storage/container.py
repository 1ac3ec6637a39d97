"""Files that hold other files: tar and zip archives, and whatever is compressed as a whole.

A container is looked into as if it were a folder, and read where it lies: a member is some bytes of
a file. What is compressed is unpacked into a temporary file without a name. Nothing is ever written
where an archive says.
"""

import io
import os
import stat
import unicodedata
import zipfile
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

from msgspec import Struct

from regaudit.errors import UnreadableModelError, UnsafeFileError, did_you_mean
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.compression import unpacked
from regaudit.storage.container_marks import compression_of, head_of, is_tar, is_zip
from regaudit.storage.kept_container import Kept, forget
from regaudit.storage.location import Location, Window
from regaudit.storage.spool import Spool
from regaudit.storage.tar_members import tar_members
from regaudit.storage.zip_archive import DAMAGED, fault_of, located, members_of, refuse_end

_TWICE = "is in the archive twice: readers may take either"
_CASE = "differs only in case from another member"
_BELOW = "lies below a file or a link"
_HIDDEN = "has a name with characters that are not shown"

_OF_KERAS = frozenset({"metadata.json", "model.weights.h5", "model.weights.json"})
"""What an archive of Keras has beside its configuration."""
_NEAR = 1000
"""Names that one which is not there is compared with."""


class Part(NamedTuple):
    """A member."""

    offset: int
    size: int
    fault: str = ""
    """Why it is not read; empty for a plain file."""
    info: zipfile.ZipInfo | None = None
    """Of a zip archive: where it lies is looked up when it is opened."""


class Container:
    """A file with others in it."""

    def __init__(self, source: Location, kind: str, spool: Spool | None = None) -> None:
        """Make one without members.

        Args:
            source: where the bytes of the members lie.
            kind: as messages call it.
            spool: keeps them there as long as this lives.
        """
        self.source, self.kind = source, kind
        self.only = ""
        """The one member of what is no archive, but a compressed file."""
        self._spool = spool
        self._unzipped = ExitStack()
        self._parts: dict[str, Part] = {}
        self._folders: dict[str, list[str]] = {"": []}
        self._places: dict[str, tuple[Location, int]] = {}
        self._room = 0

    def add(self, name: str, part: Part) -> None:
        """Put a member in.

        Raises:
            UnsafeFileError: its name leads out of the archive, or there are too many or too long
                ones.
        """
        path = _cleaned(name)
        enforce_limit("key_bytes", len(path), "an archive member's name is longer than {limit}")
        if path in self._parts:
            part = part._replace(fault=_TWICE)
        else:
            self._put(path)
        self._parts[path] = part

    def _put(self, path: str) -> None:
        """Note where in which folder a path lies."""
        enforce_limit("group_depth", path.count("/"), "its folders are nested deeper than {limit}")
        while True:
            folder, _, last = path.rpartition("/")
            self._room += len(path)
            enforce_limit("index_bytes", self._room, "the archive's names take more than {limit}")
            known = folder in self._folders
            self._folders.setdefault(folder, []).append(last)
            enforce_limit(
                "objects", len(self._folders), "the archive has more than {limit} folders"
            )
            if known:
                return
            path = folder

    def sealed(self) -> "Container":
        """Return it once all members are in: those that readers may take for others are marked."""
        seen: dict[str, str] = {}
        for path, part in self._parts.items():
            folded = unicodedata.normalize("NFC", path).casefold()
            if (other := seen.setdefault(folded, path)) != path:
                self._mark(path, _CASE)
                self._mark(other, _CASE)
            above = path
            while above := above.rpartition("/")[0]:
                if above in self._parts:
                    self._mark(path, _BELOW)
            if not part.fault and not path.isprintable():
                self._mark(path, _HIDDEN)
        return self

    def _mark(self, path: str, fault: str) -> None:
        part = self._parts[path]
        self._parts[path] = part._replace(fault=part.fault or fault)

    @property
    def names(self) -> list[str]:
        """Paths of all members that are no folders."""
        return list(self._parts)

    def at(self, path: str) -> "Member":
        """Return what lies at a path; it need not exist."""
        return Member(self, path)

    def part(self, path: str) -> Part | None:
        """Return a member; None if there is none, or it is a folder."""
        return self._parts.get(path)

    def below(self, path: str) -> list[str] | None:
        """Return the names in a folder; None if it is none."""
        return self._folders.get(path)

    def place(self, path: str) -> tuple[Location, int]:
        """Return where the bytes of a member lie: a file, and how far from its start.

        Raises:
            UnsafeFileError: it is no plain file, or not what the archive's list says.
            UnreadableModelError: it is damaged.
        """
        part = self._parts[path]
        if part.fault:
            raise UnsafeFileError(f"{path!r} {part.fault}")
        if part.info is None:
            return self.source, part.offset
        if path not in self._places:
            try:
                with self.source.open("rb") as stream, zipfile.ZipFile(stream) as archive:
                    there = located(archive, part.info, self.source, fetched=True)
                    self._places[path] = self._unzipped.enter_context(there)
            except DAMAGED as error:
                raise UnreadableModelError(f"{path!r} is damaged ({error})") from error
        return self._places[path]


class _Status(Struct, frozen=True):
    """As `os.stat` puts it."""

    st_size: int
    st_mode: int


class Member:
    """A file or a folder in a container, to read from: it answers as a `pathlib.Path` does."""

    def __init__(self, container: Container, path: str) -> None:
        self.container = container
        self.path = path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> "Member":
        return Member(self.container, self.path.rpartition("/")[0])

    def __truediv__(self, name: str) -> "Member":
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise UnsafeFileError(f"{name!r} is not a valid name for a part of a model")
        return Member(self.container, f"{self.path}/{name}".lstrip("/"))

    def with_name(self, name: str) -> "Member":
        return self.parent / name

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        return not self.is_dir() and self.container.part(self.path) is not None

    def is_dir(self) -> bool:
        return self.container.below(self.path) is not None

    def is_symlink(self) -> bool:
        return False

    @property
    def local(self) -> bool:
        """Whether its bytes lie on this machine."""
        return isinstance(self.container.source, Path)

    @property
    def redirected(self) -> str:
        """To which hosts a server sent us."""
        return getattr(self.container.source, "redirected", "")

    def stat(self) -> _Status:
        if self.is_dir():
            return _Status(self.bytes_below, stat.S_IFDIR)
        part = self.container.part(self.path)
        if part is None:
            raise FileNotFoundError(self.path)
        if part.fault:
            raise UnsafeFileError(f"{self.path!r} {part.fault}")
        return _Status(part.size, stat.S_IFREG)

    @property
    def bytes_below(self) -> int:
        """The size of all files in this folder."""
        start = f"{self.path}/" if self.path else ""
        parts = (
            self.container.part(name) for name in self.container.names if name.startswith(start)
        )
        return sum(part.size for part in parts if part is not None)

    def open(self, mode: Literal["rb"], buffering: int = -1) -> BinaryIO:  # noqa: ARG002
        size = self.stat().st_size
        source, offset = self.container.place(self.path)
        stream = Window(source, offset, size, 0 if self.local else buffering)
        if buffering and self.local:
            return io.BufferedReader(stream)
        return cast(BinaryIO, stream)

    def names(self) -> list[str]:
        """Return the names of what lies in this folder."""
        return sorted(self.container.below(self.path) or ())

    def read_bytes(self) -> bytes:
        with self.open("rb") as stream:
            return stream.read(self.stat().st_size)


def opened(file: Location) -> Container | None:
    """Look into a file.

    Returns:
        The container; None for any other file, among them a `.keras` archive.

    Raises:
        UnreadableModelError: it is one, and damaged or unsafe.
        OSError: it cannot be read.
    """
    head = head_of(file)
    if not compression_of(head):
        return _archive(file, head)
    key = (_identity(file), allowed())
    if Kept.key != key:
        forget()  # before there is another one
        Kept.container, Kept.key = _unpacked(file, compression_of(head)), key
    container: Container = Kept.container
    return container


def _identity(file: Location) -> object:
    """Return what differs once a file has changed."""
    if isinstance(file, Path):
        status = file.stat()
        path = os.path.realpath(file)
        return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return getattr(file, "identity", object())


def _unpacked(file: Location, kind: str) -> Container:
    """Unpack a file that is compressed as a whole, and look at what comes of it."""
    with file.open("rb", buffering=0) as stream:
        spool = Spool(unpacked(stream, file.stat().st_size))
    head = head_of(spool.file)
    if is_tar(head):
        return _of_tar(spool.file, spool)
    container = Container(spool.file, f"a file compressed by {kind}", spool)
    container.only = Path(file.name).stem.strip("/") or "content"
    container.add(container.only, Part(0, spool.file.stat().st_size))
    return container


def _archive(file: Location, head: bytes) -> Container | None:
    if is_tar(head):
        return _of_tar(file)
    return _of_zip(file) if is_zip(head) else None


def _of_tar(file: Location, spool: Spool | None = None) -> Container:
    container = Container(file, "a tar archive", spool)
    with file.open("rb") as stream:
        for name, offset, size, fault in tar_members(stream, file.stat().st_size):
            container.add(name, Part(offset, size, fault))
    return container.sealed()


def _of_zip(file: Location) -> Container | None:
    """Look into a zip archive, unless it is one of Keras: that is a model in itself."""
    container = Container(file, "a zip archive")
    try:
        with file.open("rb") as stream:
            refuse_end(stream)
            with zipfile.ZipFile(stream) as archive:
                if "config.json" in archive.NameToInfo and _OF_KERAS & archive.NameToInfo.keys():
                    return None
                for name, info in members_of(archive, plain=False).items():
                    if not info.is_dir():
                        part = Part(info.header_offset, info.file_size, fault_of(info), info)
                        container.add(name, part)
    except DAMAGED as error:
        text = f"the archive is damaged or cut short ({' '.join(str(error).split())})"
        raise UnreadableModelError(text) from error
    return container.sealed()


def _cleaned(name: str) -> str:
    """Return a name without what changes nothing in it.

    Raises:
        UnsafeFileError: it leads out of the archive.
    """
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in name.replace("\\", "/").split("/") or not parts:
        raise UnsafeFileError(f"archive member {name!r} leads out of the archive")
    return "/".join(parts)


def missing(container: Container, path: str) -> str:
    """Say that a container has no such member."""
    near = list(islice(container.names, _NEAR))
    folders = {name.rpartition("/")[0] for name in near} - {""}
    return f"{container.kind} without {path!r}{did_you_mean(path, {*near, *folders})}"
