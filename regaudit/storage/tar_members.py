"""What is in a tar archive and where, told from its headers alone; nothing is unpacked.

Not `tarfile`: it keeps an object for each member and reads headers of any length that a file
claims. Here both are limited, and where readers disagree, nothing is read.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; the manual of GNU tar,
"Basic Tar Format" and "Storing Sparse Files".
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.limits import enforce_limit
from regaudit.storage.container_marks import BLOCK, is_sound
from regaudit.storage.glued import refuse_glued

_LONGEST_HEADER = 1 << 20
"""Bytes of a header that names a member, or says more of it: names are far shorter."""
_PIECE = 1 << 20
_PAX_OF_ALL, _GNU_NAME, _GNU_LINK, _GNU_SPARSE = b"g", b"L", b"K", b"S"
_ABOUT = b"xXgLK"
"""Kinds of headers that say more of the next member: of pax, of Solaris, of GNU tar."""
_FILE = b"0\x007"
_FAULTS = {
    b"1": "is a link, and links in an archive are not followed",
    b"2": "is a link, and links in an archive are not followed",
    b"3": "is a device, a pipe or another file that is not plain",
    b"4": "is a device, a pipe or another file that is not plain",
    b"6": "is a device, a pipe or another file that is not plain",
}
_FOLDER = b"5"
_SPARSE = "is a sparse file, which is not read in an archive"
_UNKNOWN = "is of an unknown kind"
_RECORD = re.compile(rb"(\d{1,8}) ([^=\n]{1,256})=")
_CUT, _DAMAGED = "the tar archive is cut short", "the tar archive is damaged"


class TarMember(NamedTuple):
    """One member that is no folder."""

    name: str
    """As the archive has it."""
    offset: int
    size: int
    fault: str
    """Why it is not read; empty for a plain file."""


def tar_members(stream: BinaryIO, size: int) -> Iterator[TarMember]:
    """Yield the members of an archive.

    Args:
        stream: to read from.
        size: its bytes.

    Raises:
        UnsafeFileError: it has too many, or something that no archive should have.
        UnreadableModelError: it is damaged or cut short.
    """
    at = count = 0
    told: dict[bytes, bytes] = {}
    while (header := _read(stream, at, BLOCK)).strip(b"\0"):
        at += BLOCK
        count += 1
        enforce_limit("objects", count, "the archive has more than {limit} members")
        if not is_sound(header):
            raise UnreadableModelError(f"{_DAMAGED}: the checksum of a header is wrong")
        kind, length = header[156:157], _number(header[124:136])
        if kind in _ABOUT:
            told |= _said(kind, _header(stream, at, length))
            at += _blocks(length)
            continue
        if b"size" in told:
            length = _decimal(told[b"size"])
        if kind == _GNU_SPARSE:
            at = _behind_sparse(stream, at, header)
        member = _member(header, kind, told, at, length)
        if member.offset + member.size > size:
            raise UnreadableModelError(f"{_CUT} in the middle of {member.name!r}")
        told = {}
        if kind != _FOLDER and not (kind in _FILE and member.name.endswith("/")):
            yield member
        at += _blocks(member.size)
    _refuse_more(stream, at)


def _said(kind: bytes, raw: bytes) -> dict[bytes, bytes]:
    """Return what a header says of the member behind it.

    Raises:
        UnsafeFileError: it says of all what only one can have: readers differ on that.
    """
    if kind == _GNU_NAME:
        return {b"path": raw.partition(b"\0")[0]}
    if kind == _GNU_LINK:
        return {}
    records = _records(raw)
    if kind != _PAX_OF_ALL:
        return records
    for key in (b"path", b"size", b"linkpath"):
        if key in records:
            raise UnsafeFileError(f"the archive has a {key.decode()} for all of its members")
    return {}


def _member(
    header: bytes, kind: bytes, told: dict[bytes, bytes], at: int, length: int
) -> TarMember:
    """Return what a header and those before it say."""
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0" and (prefix := header[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    name = told.get(b"path", name)
    if b"\0" in name:
        raise UnsafeFileError("an archive member has a zero byte in its name")
    fault = _FAULTS.get(kind, "" if kind in _FILE else _UNKNOWN)
    if kind == _GNU_SPARSE or any(key.startswith(b"GNU.sparse.") for key in told):
        fault = _SPARSE
    stored = length if kind not in _FAULTS and kind != _FOLDER else 0
    return TarMember(name.decode("utf-8", "surrogateescape"), at, stored, fault)


def _read(stream: BinaryIO, at: int, count: int) -> bytes:
    stream.seek(at)
    raw = stream.read(count)
    if len(raw) < count:
        raise UnreadableModelError(_CUT)
    return raw


def _header(stream: BinaryIO, at: int, length: int) -> bytes:
    """Return the content of a member that says more of the next one."""
    if length > _LONGEST_HEADER:
        raise UnsafeFileError(f"the archive has a header of {length:,} bytes")
    return _read(stream, at, length)


def _number(field: bytes) -> int:
    """Return a number of a header: octal digits, or bytes behind a mark."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise UnreadableModelError(f"{_DAMAGED}: the size of a member is no number")
    return int(digits or b"0", 8)


def _decimal(text: bytes) -> int:
    if not re.fullmatch(rb"\d{1,19}", text):
        raise UnreadableModelError(f"{_DAMAGED}: the size of a member is no number")
    return int(text)


def _records(raw: bytes) -> dict[bytes, bytes]:
    """Return what a pax header says: `LENGTH KEY=VALUE` lines, each with its length in front."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(raw) and raw[at]:
        record = _RECORD.match(raw, at)
        end = at + int(record[1]) if record else 0
        if record is None or not record.end() < end <= len(raw) or raw[end - 1 : end] != b"\n":
            raise UnreadableModelError(f"{_DAMAGED}: a pax header is malformed")
        found[record[2]] = raw[record.end() : end - 1]
        at = end
    return found


def _behind_sparse(stream: BinaryIO, at: int, header: bytes) -> int:
    """Return where the data of a sparse member start: maps may stand before them."""
    more = header[482]
    while more:
        more = _read(stream, at, BLOCK)[504]
        at += BLOCK
    return at


def _refuse_more(stream: BinaryIO, at: int) -> None:
    """Refuse what stands behind the end: some readers list it, some do not."""
    stream.seek(at)
    while piece := stream.read(_PIECE):
        if rest := len(piece.lstrip(b"\0")):
            refuse_glued(rest, "behind")


def _blocks(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
