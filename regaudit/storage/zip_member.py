"""One member of a zip archive replaced; every other byte stays as it is and where it was.

The standard library can only append. Here headers are patched in place: checksum and sizes of the
member, and the offsets of what lies behind it.

Source: APPNOTE.TXT, the .ZIP File Format Specification, PKWARE, sections 4.3 and 4.5.3.
"""

import io
import struct
import zipfile
from pathlib import Path
from typing import IO
from zlib import crc32

from msgspec import Struct

from regaudit.errors import RefusedEditError

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCATOR_64, _END_64, _DESCRIPTOR = b"PK\x06\x07", b"PK\x06\x06", b"PK\x07\x08"
_SIZES_FOLLOW = 0x8
"""Flag of a member whose checksum and sizes stand behind its data."""
_IN_EXTRA = 0xFFFFFFFF
"""Stands for a number that did not fit and is in the extra field."""


class _Numbers(Struct, frozen=True):
    """What the headers say of a member's data."""

    crc: int
    packed: int
    """Bytes as stored."""
    size: int
    """Bytes when unpacked."""


def replace_member(file: Path, name: str, content: bytes, out: IO[bytes]) -> None:
    """Copy an archive with other content in one member, packed the way it was.

    Args:
        file: the archive, with nothing before it in the file.
        name: the member.
        content: its new bytes.
        out: where the copy goes.

    Raises:
        RefusedEditError: the archive's headers do not say what they should.
    """
    with zipfile.ZipFile(file) as archive, file.open("rb") as source:
        info = archive.getinfo(name)
        packed = _packed(content, info.compress_type)
        numbers = _Numbers(crc32(content), len(packed), len(content))
        header, flags = _local(source, info, numbers)
        old_end = info.header_offset + len(header) + info.compress_size
        if info.flag_bits & _SIZES_FOLLOW:
            source.seek(old_end)
            old_end += _descriptor_length(source.read(4), header)
        new_end = info.header_offset + len(header) + len(packed)
        shift = new_end - old_end
        source.seek(0)
        _copy(source, out, info.header_offset)
        out.write(header)
        out.write(packed)
        source.seek(old_end)
        _copy(source, out, archive.start_dir - old_end)
        source.seek(archive.start_dir)
        out.write(_directory(source.read(), info, numbers, flags, shift))


def _packed(content: bytes, method: int) -> bytes:
    """Return the bytes packed by a method of zip, as the standard library does it."""
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x"), content, method)
        size = archive.getinfo("x").compress_size
    return holder.getvalue()[31 : 31 + size]


def _copy(source: IO[bytes], out: IO[bytes], count: int) -> None:
    while count:
        piece = source.read(min(count, 1 << 20))
        if not piece:
            raise RefusedEditError("the archive is cut short")
        out.write(piece)
        count -= len(piece)


def _local(source: IO[bytes], info: zipfile.ZipInfo, numbers: _Numbers) -> tuple[bytes, int]:
    """Return the member's own header and its flags, with numbers that no longer follow the data."""
    source.seek(info.header_offset)
    header = bytearray(source.read(30))
    if header[:4] != _LOCAL:
        raise RefusedEditError(f"the archive has no header before {info.filename}")
    name, extra = struct.unpack_from("<HH", header, 26)
    header += source.read(name + extra)
    flags = struct.unpack_from("<H", header, 6)[0] & ~_SIZES_FOLLOW
    struct.pack_into("<H", header, 6, flags)
    _set_numbers(header, 14, header[30 + name :], 30 + name, numbers)
    return bytes(header), flags


def _set_numbers(
    header: bytearray, at: int, extra: bytes | bytearray, extra_at: int, numbers: _Numbers
) -> None:
    """Put checksum and sizes into a header, the sizes into its extra field where they are there."""
    _, packed, size = struct.unpack_from("<III", header, at)
    wide = _wide_at(extra)
    if wide is not None and _IN_EXTRA in {packed, size}:
        where = extra_at + wide
        if size == _IN_EXTRA:
            struct.pack_into("<Q", header, where, numbers.size)
            where += 8
        if packed == _IN_EXTRA:
            struct.pack_into("<Q", header, where, numbers.packed)
    packed = _IN_EXTRA if packed == _IN_EXTRA and wide is not None else numbers.packed
    size = _IN_EXTRA if size == _IN_EXTRA and wide is not None else numbers.size
    struct.pack_into("<III", header, at, numbers.crc, packed, size)


def _wide_at(extra: bytes | bytearray) -> int | None:
    """Return where in an extra field the 64-bit numbers stand; None if there are none."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            return at + 4
        at += 4 + length
    return None


def _descriptor_length(start: bytes, header: bytes) -> int:
    """Return the bytes behind the data that repeat its checksum and sizes."""
    name = struct.unpack_from("<H", header, 26)[0]
    sizes = 16 if _wide_at(header[30 + name :]) is not None else 8
    return (4 if start == _DESCRIPTOR else 0) + 4 + sizes


def _directory(
    raw: bytes, info: zipfile.ZipInfo, numbers: _Numbers, flags: int, shift: int
) -> bytes:
    """Return the list of members and what ends the archive, patched."""
    tail = bytearray(raw)
    first = info.header_offset
    at = 0
    while tail[at : at + 4] == _CENTRAL:
        name, extra, comment = struct.unpack_from("<HHH", tail, at + 28)
        below = at + 46 + name
        offset_at, kind = _offset_at(tail, at, below, extra)
        offset = struct.unpack_from(kind, tail, offset_at)[0]
        if offset > first:
            _add(tail, offset_at, kind, shift)
        elif offset == first:
            struct.pack_into("<H", tail, at + 8, flags)
            _set_numbers(tail, at + 16, tail[below : below + extra], below, numbers)
        at = below + extra + comment
    if tail[at : at + 4] == _END_64:
        _add(tail, at + 48, "<Q", shift)
        at += 12 + int(struct.unpack_from("<Q", tail, at + 4)[0])
        if tail[at : at + 4] == _LOCATOR_64:
            _add(tail, at + 8, "<Q", shift)
            at += 20
    if tail[at : at + 4] != _END:
        raise RefusedEditError("the archive's list of members does not end where it should")
    if struct.unpack_from("<I", tail, at + 16)[0] != _IN_EXTRA:
        _add(tail, at + 16, "<I", shift)
    return bytes(tail)


def _offset_at(tail: bytearray, at: int, below: int, extra: int) -> tuple[int, str]:
    """Return where an entry keeps the member's offset, and in which form."""
    packed, size = struct.unpack_from("<II", tail, at + 20)
    if struct.unpack_from("<I", tail, at + 42)[0] != _IN_EXTRA:
        return at + 42, "<I"
    wide = _wide_at(tail[below : below + extra])
    if wide is None:
        raise RefusedEditError("the archive's list of members has no offset for one of them")
    before = [number for number in (size, packed) if number == _IN_EXTRA]
    return below + wide + 8 * len(before), "<Q"


def _add(tail: bytearray, at: int, kind: str, shift: int) -> None:
    value = struct.unpack_from(kind, tail, at)[0] + shift
    if value < 0 or (kind == "<I" and value >= _IN_EXTRA):
        raise RefusedEditError("the edited archive is too large for its headers")
    struct.pack_into(kind, tail, at, value)
