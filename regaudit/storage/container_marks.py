"""By which bytes files are told that may hold others: compressed ones, tar and zip archives."""

from regaudit.storage.location import Location

BLOCK = 512
"""Bytes of a block of tar, in which its first header is."""
GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
LONGEST_MARK = len(XZ)
_NAMES = {GZIP: "gzip", BZIP2: "bzip2", XZ: "xz"}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def head_of(file: Location) -> bytes:
    """Return the bytes of a file by which it is told."""
    with file.open("rb") as stream:
        return stream.read(BLOCK)


def compression_of(head: bytes) -> str:
    """Return the name of the compression of a file that begins like this; empty for none."""
    return next((name for mark, name in _NAMES.items() if head.startswith(mark)), "")


def is_zip(head: bytes) -> bool:
    """Whether a file that begins like this is a zip archive."""
    return head.startswith(_ZIP)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins like this is a tar archive: its first checksum says so."""
    return len(head) >= BLOCK and is_sound(head[:BLOCK])


def is_sound(header: bytes) -> bool:
    """Whether the checksum of a header of tar is right, by bytes or by signed ones as of old."""
    try:
        said = int(header[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    fields = header[:148] + b" " * 8 + header[156:]
    total = sum(fields)
    return said == total or said == total - 256 * sum(byte > 127 for byte in fields)


def may_be_container(file: Location) -> bool:
    """Whether a file holds others, unless it is a `.keras` archive of another name.

    Raises:
        OSError: it cannot be read.
    """
    if not file.is_file():
        return False
    head = head_of(file)
    if is_zip(head):
        return not file.name.endswith(".keras")
    return bool(compression_of(head)) or is_tar(head)
