"""Values of our own classes as bytes and back: what a cache keeps, and processes send each other.

MessagePack, which keeps NaN and infinities. Annotations decide which classes are made, never the
bytes: unlike a pickle, nothing that is read makes or runs anything else.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")


def to_bytes(value: Any) -> bytes:
    """Return a struct or a named tuple as bytes.

    Raises:
        TypeError: something in it cannot be written.
    """
    try:
        try:
            return msgspec.msgpack.encode(value, enc_hook=_plain)
        except (UnicodeEncodeError, OverflowError):
            # MessagePack has neither names that are no Unicode nor integers of over 64 bits.
            plain = msgspec.to_builtins(value, enc_hook=_plain, str_keys=True)
            text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
            return text.encode("utf-8", "surrogatepass")
    except (RecursionError, ValueError) as error:  # too deep, or a number of too many digits
        raise TypeError(str(error)) from error


def from_bytes(kind: type[_T], raw: bytes | bytearray) -> _T:
    """Return the value that was written.

    Raises:
        ValueError: it is no such value.
    """
    try:
        if raw[:1] in (b"{", b"["):
            plain = json.loads(raw.decode("utf-8", "surrogatepass"))
            return msgspec.convert(plain, kind, str_keys=True, dec_hook=_made)
        return msgspec.msgpack.decode(raw, type=kind, dec_hook=_made)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _plain(value: Any) -> Any:
    """Return what stands for a value of a type that MessagePack does not have."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


def _made(kind: Any, value: Any) -> Any:
    """Return what such a value stands for."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"{kind.__name__} cannot be read")
