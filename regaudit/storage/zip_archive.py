"""What is in a zip archive and where: read by its list of members, and by each one's own header.

Readers of zip disagree on what the list may say; what they would read differently is refused.

Source: APPNOTE.TXT, the .ZIP File Format Specification, PKWARE, sections 4.3 and 4.5.3.
"""

import io
import lzma
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.glued import refuse_glued
from regaudit.storage.location import Location, is_local
from regaudit.storage.spool import Spool

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
DAMAGED = (
    *(zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, OverflowError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
"""What the standard library raises on what is not an archive."""


def refuse_end(stream: BinaryIO) -> None:
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


def members_of(archive: zipfile.ZipFile, *, plain: bool = True) -> dict[str, zipfile.ZipInfo]:
    """Return the members by exact name.

    Args:
        archive: opened, its end looked at.
        plain: whether to refuse it for any member that cannot be read.

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
        fault = _leads_out(info) or (fault_of(info) if plain else "")
        if fault:
            raise UnsafeFileError(f"archive member {info.filename!r} {fault}")
        name = unicodedata.normalize("NFC", info.filename).casefold()
        if name in names:
            raise UnsafeFileError(f"the archive has {info.filename!r} twice")
        names.add(name)
        members[info.filename] = info
    refuse_glued(min((info.header_offset for info in infos), default=0), "before")
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise UnsafeFileError(f"archive member {info.filename!r} overlaps the one before it")
        end = info.header_offset + _LOCAL_HEADER + len(info.filename) + info.compress_size
    if end > stored:
        raise UnreadableModelError("the archive's list of members overlaps its members")
    return members


def fault_of(info: zipfile.ZipInfo) -> str:
    """Say why a member cannot be read; empty if it can."""
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link that may lead anywhere: it is not followed"
    return ""


def _leads_out(info: zipfile.ZipInfo) -> str:
    """Say that a member is named as none may be; empty if it is not."""
    parts = re.split(r"[/\\]", info.orig_filename)
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in info.orig_filename:
        return "leads out of the archive"
    return ""


def refuse_bomb(info: zipfile.ZipInfo) -> None:
    """Refuse a member that unpacks to far more than is stored.

    Raises:
        UnsafeFileError: it is one.
    """
    most = max(allowed().inflation * info.compress_size, allowed().unstored_bytes)
    if info.file_size > most:
        message = (
            f"archive member {info.filename!r} inflates from {info.compress_size:,} "
            f"to {info.file_size:,} bytes{_MORE}"
        )
        raise UnsafeFileError(message)


@contextmanager
def located(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Location, *, fetched: bool = False
) -> Iterator[tuple[Location, int]]:
    """Yield where the member's bytes lie: in the archive, or inflated into a temporary file.

    Args:
        archive: opened.
        info: of the member.
        file: the archive.
        fetched: whether what is compressed in a store is written to disk, too.
    """
    if info.compress_type == zipfile.ZIP_STORED:
        yield file, _start(info, file)
        return
    refuse_bomb(info)
    if not fetched and not is_local(file):
        raise UnreadableModelError(
            f"{info.filename} is compressed and cannot be read from a store without writing to "
            "disk: download it and audit the copy"
        )
    enforce_limit("spooled_bytes", info.file_size, "it unpacks to more than {limit} bytes")
    inflated = Spool(_pieces(archive, info))
    yield inflated.file, 0


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as member:
        while piece := member.read(_COPY):
            yield piece


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
