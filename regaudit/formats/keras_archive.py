"""The `.keras` archive of Keras 3: a zip of `config.json`, `metadata.json`, `model.weights.h5`."""

import io
import json
import lzma
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar

from msgspec.structs import replace

from regaudit.errors import UnknownFormatError, UnreadableModelError, UnsafeFileError
from regaudit.formats.interface import Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe, shards_of
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.foreign import foreign_archive
from regaudit.storage.glued import refuse_glued
from regaudit.storage.lfs_pointer import LONGEST, is_pointer, pointer
from regaudit.storage.location import Location
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree
from regaudit.tensors.tensor import TensorGroup, merged

WEIGHTS = "model.weights.h5"
SHARDS = "model.weights.json"
_LOCAL_HEADER = 30
_ENCRYPTED, _SIZES_FOLLOW, _UTF_8 = 0x1, 0x8, 0x800
"""Flags of a member."""
_ZIP64 = 0xFFFFFFFF
"""Stands for a size that did not fit and is written elsewhere."""
_COPY = 1 << 20
_TAIL = 22 + (1 << 16) + 76
"""Bytes in which the end of an archive stands, with its longest comment."""
_SHORTEST = 46 + 1
"""Bytes that a member takes in the list of members."""
_MORE = "; --limit inflation=N allows more"
_DAMAGED = (
    *(zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, OverflowError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What the standard library raises on what is not an archive."""


class KerasArchive(Format):
    """Members are stored uncompressed, so the weights are read in place, inside the archive."""

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras",)
    one_file: ClassVar[bool] = True

    def sniff(self, file: Location) -> bool:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            # One with something before it is refused by name; one that is cut short has no end.
            return stream.read(4) == b"PK\x03\x04" or zipfile.is_zipfile(stream)

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(file.open("rb"))
                _refuse_end(stream)
                archive = stack.enter_context(zipfile.ZipFile(stream))
                members = _members(archive)
                config = self.edited.get("config.json") or _json(archive, members, "config.json")
                metadata: Serialized = {}
                if "metadata.json" in members:
                    metadata = _json(archive, members, "metadata.json")
                names = _weights(archive, members)
                trees = [_tree(archive, members[name], file, stack) for name in names]
            except _DAMAGED as error:
                message = f"the archive is damaged or cut short ({' '.join(str(error).split())})"
                raise UnreadableModelError(message) from error
            found = describe(config, metadata, merged(trees))
            inflated = any(members[name].compress_type != zipfile.ZIP_STORED for name in names)
            yield replace(Artifact.of(found, {"config.json": config}), inflated=inflated)

    def write(
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        from regaudit.storage.atomic_write import replacing  # noqa: PLC0415 - only edits write
        from regaudit.storage.zip_member import replace_member  # noqa: PLC0415 - the same

        content = json.dumps(documents["config.json"]).encode()
        with replacing(out, like=file, seal=seal) as copy:
            replace_member(file, "config.json", content, copy)


def _refuse_end(stream: BinaryIO) -> None:
    """Refuse an archive by its end, before the standard library lists its members.

    Raises:
        UnsafeFileError: its list of members is too long, or it is only a part of the file.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(size - _TAIL, 0))
    tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(tail):
        return
    listed: int = struct.unpack_from("<I", tail, end + 12)[0]
    if listed == _ZIP64 and tail[max(end - 76, 0) :][:4] == b"PK\x06\x06":
        listed = struct.unpack_from("<Q", tail, end - 36)[0]
    message = "the archive has more than {limit} members"
    enforce_limit("objects", min(listed, size) // _SHORTEST, message)
    comment: int = struct.unpack_from("<H", tail, end + 20)[0]
    refuse_glued(len(tail) - end - 22 - comment, "behind")


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members by exact name.

    Raises:
        UnsafeFileError: readers may disagree on what a name means or where its bytes lie, or the
            archive is not one that may be unpacked anywhere.
    """
    infos = archive.infolist()
    enforce_limit("objects", len(infos), "the archive has more than {limit} members")
    stored = archive.start_dir
    declared = sum(info.file_size for info in infos)
    if declared > max(allowed().inflation * stored, allowed().unstored_bytes):
        raise UnsafeFileError(f"the archive inflates from {stored:,} to {declared:,} bytes{_MORE}")
    members: dict[str, zipfile.ZipInfo] = {}
    names: set[str] = set()
    for info in infos:
        fault = _fault(info)
        if fault:
            raise UnsafeFileError(f"archive member {info.filename!r} {fault}")
        name = unicodedata.normalize("NFC", info.filename).casefold()
        if name in names:
            raise UnsafeFileError(f"the archive has {info.filename!r} twice")
        names.add(name)
        members[info.filename] = info
    refuse_glued(min((info.header_offset for info in infos), default=0), "before")
    if "config.json" not in members and (said := foreign_archive(members)):
        raise UnknownFormatError(said)
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise UnsafeFileError(f"archive member {info.filename!r} overlaps the one before it")
        end = info.header_offset + _LOCAL_HEADER + len(info.filename) + info.compress_size
    if end > stored:
        raise UnreadableModelError("the archive's list of members overlaps its members")
    return members


def _fault(info: zipfile.ZipInfo) -> str:
    """Say why a member is not one that Keras writes; empty if it may be."""
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link that may lead anywhere: it is not followed"
    parts = re.split(r"[/\\]", info.orig_filename)
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in info.orig_filename:
        return "leads out of the archive"
    return ""


def _json(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> Serialized:
    """Return the content of a JSON member."""
    if name not in members:
        raise UnreadableModelError(f"the archive has no {name}: it was not saved by Keras 3")
    info = members[name]
    enforce_limit("json_bytes", info.file_size, f"{name} is larger than {{limit}} bytes")
    _refuse_bomb(info)
    raw = archive.read(info)
    _refuse_pointer(raw, name)
    return parse_json(raw, name)


def _refuse_pointer(raw: bytes, name: str) -> None:
    if is_pointer(raw):
        raise UnreadableModelError(f"{name} in the archive is {pointer('the file')}")


def _refuse_bomb(info: zipfile.ZipInfo) -> None:
    most = max(allowed().inflation * info.compress_size, allowed().unstored_bytes)
    if info.file_size > most:
        message = (
            f"archive member {info.filename!r} inflates from {info.compress_size:,} "
            f"to {info.file_size:,} bytes{_MORE}"
        )
        raise UnsafeFileError(message)


def _weights(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> list[str]:
    """Return the members that hold the weights: one, or several shards."""
    if WEIGHTS in members:
        return [WEIGHTS]
    if SHARDS in members:
        names = shards_of(_json(archive, members, SHARDS))
        missing = [name for name in names if name not in members]
        if missing:
            raise UnreadableModelError(f"the archive has no {missing[0]}, a shard of its weights")
        return names
    raise UnreadableModelError(f"the archive has no {WEIGHTS}: {_instead(members)}")


def _tree(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Location, stack: ExitStack
) -> TensorGroup:
    """Return what is in an HDF5 member, which stays open as long as `stack`."""
    if info.file_size < LONGEST:
        _refuse_pointer(archive.read(info), info.filename)
    place, offset = stack.enter_context(_located(archive, info, file))
    hdf5 = stack.enter_context(opened(place, offset, info.file_size))
    return read_tree(hdf5, place, offset)


def _instead(members: dict[str, zipfile.ZipInfo]) -> str:
    """Say what the archive has in place of the weights."""
    if "model.weights.npz" in members:
        return "its weights are a pickled NPZ, which is not safe to open: save the model again"
    return "there is nothing to audit"


@contextmanager
def _located(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Location
) -> Iterator[tuple[Location, int]]:
    """Yield where the member's bytes lie: in the archive, or inflated into a temporary file."""
    if info.compress_type == zipfile.ZIP_STORED:
        yield file, _start(info, file)
        return
    _refuse_bomb(info)
    if not isinstance(file, Path):
        raise UnreadableModelError(
            f"{info.filename} is compressed and cannot be read from a store without writing to "
            "disk: download it and audit the copy"
        )
    # A file without a name is gone with the process, whatever ends it.
    unnamed = Path("/proc/self/fd").is_dir()
    import tempfile  # noqa: PLC0415 - what Keras writes is stored as it is

    make = tempfile.TemporaryFile if unnamed else tempfile.NamedTemporaryFile
    with make(prefix="regaudit-", suffix=".h5") as inflated:
        with archive.open(info) as member:
            while piece := member.read(_COPY):
                inflated.write(piece)
        inflated.flush()
        yield Path(f"/proc/self/fd/{inflated.fileno()}" if unnamed else inflated.name), 0


def _start(info: zipfile.ZipInfo, file: Location) -> int:
    """Return where the bytes of an uncompressed member start.

    Raises:
        UnsafeFileError: the header before them disagrees with the list of members.
    """
    with file.open("rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile(f"no local header for {info.filename}")
        flags, method = struct.unpack_from("<HH", header, 6)
        packed, size, length, extra = struct.unpack_from("<IIHH", header, 18)
        name = stream.read(length)
    known = not flags & _SIZES_FOLLOW and _ZIP64 not in {packed, size}
    wrong = known and (packed, size) != (info.compress_size, info.file_size)
    encoding = "utf-8" if flags & _UTF_8 else "cp437"
    if wrong or method or name.decode(encoding, "replace") != info.orig_filename:
        message = f"the archive has two descriptions of {info.filename!r} that disagree"
        raise UnsafeFileError(message)
    start: int = info.header_offset + _LOCAL_HEADER + length + extra
    if info.compress_size != info.file_size or start + info.file_size > file.stat().st_size:
        raise UnreadableModelError(f"the archive ends in the middle of {info.filename}")
    return start
