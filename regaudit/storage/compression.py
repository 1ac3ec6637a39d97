"""Compressed files unpacked as a stream: gzip, bzip2 and xz, told by how they begin."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.limits import allowed, enforce_limit
from regaudit.storage.arrivals import arrived
from regaudit.storage.container_marks import LONGEST_MARK, compression_of
from regaudit.storage.glued import refuse_glued

_READ = 1 << 16
"""Bytes read at once: a file may be made of millions of streams, and each copies what is left."""
_PIECE = 1 << 20
"""Most bytes unpacked at once."""


class _Decoder(Protocol):
    """Unpacks one stream; a file may hold several, one behind the other."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decoder, with the interface of the other two."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


def _xz() -> _Decoder:
    # What is behind a header decides how much memory is taken.
    return lzma.LZMADecompressor(memlimit=allowed().memory_bytes // 2)


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": _xz,
}


def unpacked(stream: BinaryIO, stored: int) -> Iterator[bytes]:
    """Yield what a compressed file holds, piece by piece, within the limits.

    Args:
        stream: the file, at its start.
        stored: its bytes.

    Raises:
        UnsafeFileError: it unpacks to far more than it holds, or something lies behind it.
        UnreadableModelError: it is damaged or cut short.
    """
    size, most = 0, max(allowed().inflation * stored, allowed().unstored_bytes)
    try:
        for piece in _pieces(stream):
            size += len(piece)
            if size > most:
                raise UnsafeFileError(
                    f"it unpacks from {stored:,} to more than {most:,} bytes; "
                    "--limit inflation=N allows more"
                )
            enforce_limit("spooled_bytes", size, "it unpacks to more than {limit} bytes")
            arrived(len(piece))
            yield piece
    except (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # of the system
        if "emory" in str(error):
            text = (
                "unpacking it takes more memory than is allowed; --limit memory_bytes=N allows more"
            )
            raise UnsafeFileError(text) from error
        message = f"its compressed content is damaged or cut short ({error})"
        raise UnreadableModelError(message) from error


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the content of all streams that a file holds."""
    raw = stream.read(_READ)
    while raw:
        decoder = _DECODERS[compression_of(raw)]()
        while not decoder.eof:
            if decoder.needs_input:
                raw = raw or stream.read(_READ)
            piece = decoder.decompress(raw, _PIECE)
            if piece:
                yield piece
            elif not raw and decoder.needs_input:
                raise EOFError("its end is missing")
            raw = b""
        raw = _next(decoder.unused_data, stream)


def _next(rest: bytes, stream: BinaryIO) -> bytes:
    """Return the start of the next stream; zeros may fill a file up behind the last one.

    Raises:
        UnsafeFileError: something else stands there.
    """
    while not (rest := rest.lstrip(b"\0")):
        rest = stream.read(_READ)
        if not rest:
            return b""
    if len(rest) < LONGEST_MARK:
        rest += stream.read(_READ)
    if not compression_of(rest):
        refuse_glued(
            len(rest) + sum(len(more) for more in iter(lambda: stream.read(_READ), b"")), "behind"
        )
    return rest
