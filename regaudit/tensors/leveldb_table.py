"""Tables of LevelDB: blocks of sorted keys, each key sharing a prefix with the one before.

TensorFlow keeps the indexes of its checkpoints in them.
"""

from collections.abc import Iterator

from regaudit.errors import UnreadableModelError
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.location import Location
from regaudit.tensors.protobuf import varint

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_TRAILER = 5
"""Bytes behind a block: its compression and its checksum."""


def has_footer(file: Location) -> bool:
    """Whether a file ends as a table of LevelDB does."""
    size = file.stat().st_size
    if size < _FOOTER:
        return False
    with file.open("rb") as stream:
        stream.seek(size - len(_MAGIC))
        return stream.read(len(_MAGIC)) == _MAGIC


def table(raw: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the keys and values of a table of LevelDB, in order.

    Raises:
        UnreadableModelError: it is damaged, or compressed.
        UnsafeFileError: it unfolds into far more than it holds.
    """
    if len(raw) < _FOOTER or not raw.endswith(_MAGIC):
        raise UnreadableModelError("the checkpoint's index is damaged or cut short (no footer)")
    view = memoryview(raw)
    footer = view[-_FOOTER:]
    _, at = _handle(footer, 0)  # of the meta index, which is empty
    (start, size), _ = _handle(footer, at)
    body = view[:-_FOOTER]
    previous, last, unfolded, count = 0, None, 0, 0
    for _, value in _entries(_block(body, start, size)):
        (start, size), _ = _handle(value, 0)
        if start < previous:  # else a small file could name one block a million times
            raise UnreadableModelError("blocks of the checkpoint's index overlap")
        previous = start + size + _TRAILER
        for key, found in _entries(_block(body, start, size)):
            count += 1
            unfolded += len(key)
            enforce_limit("objects", count, "the checkpoint's index has more than {limit} keys")
            enforce_limit(
                "index_bytes", unfolded, "the checkpoint's index expands to more than {limit} bytes"
            )
            if last is not None and key <= last:
                raise UnreadableModelError("keys of the checkpoint's index are out of order")
            last = key
            yield key, found


def _handle(raw: memoryview, at: int) -> tuple[tuple[int, int], int]:
    """Read the offset and the size of a block."""
    offset, at = varint(raw, at)
    size, at = varint(raw, at)
    return (offset, size), at


def _block(body: memoryview, start: int, size: int) -> memoryview:
    """Return the content of a block after a look at its compression and its checksum."""
    end = start + size
    if end + _TRAILER > len(body):
        raise UnreadableModelError("a block of the checkpoint's index lies outside the file")
    if body[end] != 0:
        kind = "Snappy" if body[end] == 1 else f"kind {body[end]}"
        message = f"the checkpoint's index is compressed ({kind}); TensorFlow never does that"
        raise UnreadableModelError(message)
    stored = int.from_bytes(body[end + 1 : end + _TRAILER], "little")
    if end < allowed().checked_bytes and masked_crc32c(body[start : end + 1]) != stored:
        raise UnreadableModelError("the checkpoint's index is damaged (a checksum is wrong)")
    return body[start:end]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the keys and values of one block."""
    restarts = int.from_bytes(block[-4:], "little") if len(block) >= 4 else len(block)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise UnreadableModelError("a block of the checkpoint's index is cut short")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or unshared + length > end - at:
            raise UnreadableModelError("an entry of the checkpoint's index is cut short")
        enforce_limit(
            "key_bytes", shared + unshared, "the checkpoint has a key longer than {limit} bytes"
        )
        key = key[:shared] + bytes(block[at : at + unshared])
        at += unshared
        yield key, block[at : at + length]
        at += length


def _crc_table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)


_CRC = _crc_table()


def masked_crc32c(raw: memoryview | bytes) -> int:
    """Return the checksum that LevelDB and TensorFlow write: CRC-32C, rotated and shifted."""
    crc = 0xFFFFFFFF
    for byte in raw:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
