"""A reader of the protobuf wire format: numbered fields, as far as saved models need them.

There is no schema and no recursion: to ask for a submessage is to read one more level.
"""

from collections.abc import Iterator
from typing import Self

from msgspec import Struct

from regaudit.errors import UnreadableModelError
from regaudit.limits import allowed, enforce_limit

Value = int | memoryview

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES = 10


def varint(raw: memoryview | bytes, at: int) -> tuple[int, int]:
    """Read a varint at position `at`.

    Returns:
        Its value, unsigned, and the position behind it.

    Raises:
        UnreadableModelError: the bytes end within it, or it is longer than any.
    """
    value = 0
    for index in range(_VARINT_BYTES):
        if at + index >= len(raw):
            raise UnreadableModelError("a protobuf number is cut short")
        byte = raw[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise UnreadableModelError("a protobuf number is longer than 10 bytes")


def fields(raw: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message in the order they are written.

    Raises:
        UnreadableModelError: a field reaches beyond the message, or is of no known kind.
        UnsafeFileError: there are more than any model needs.
    """
    at = count = 0
    most = allowed().objects
    while at < len(raw):
        count += 1
        if count > most:
            enforce_limit("objects", count, "a protobuf message has more than {limit} fields")
        tag, at = varint(raw, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = varint(raw, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = varint(raw, at)
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise UnreadableModelError(f"a protobuf field has the unknown wire type {kind}")
        if size > len(raw) - at:
            raise UnreadableModelError("a protobuf field is cut short")
        piece = raw[at : at + size]
        yield tag >> 3, piece if kind == _BYTES else int.from_bytes(piece, "little")
        at += size


class Message(Struct, frozen=True):
    """The fields of one message by number; a field may occur more than once."""

    values: dict[int, list[Value]] = {}

    @classmethod
    def of(cls, raw: memoryview | bytes) -> Self:
        """Parse one level of a message.

        Raises:
            UnreadableModelError: it is damaged.
        """
        values: dict[int, list[Value]] = {}
        for number, value in fields(memoryview(raw)):
            values.setdefault(number, []).append(value)
        return cls(values)

    def integer(self, number: int, default: int = 0) -> int:
        """Return the last value of an integer field, signed; the default if it is absent."""
        value = self.values.get(number, [default])[-1]
        if not isinstance(value, int):
            raise UnreadableModelError(f"protobuf field {number} is not a number")
        return value - (1 << 64) if value >= 1 << 63 else value

    def raw(self, number: int) -> memoryview:
        """Return the last value of a field of bytes; empty if it is absent."""
        return next(reversed(self.every(number)), memoryview(b""))

    def text(self, number: int) -> str:
        """Return a field of bytes as text; what is not UTF-8 is replaced."""
        return str(bytes(self.raw(number)), "utf-8", "replace")

    def every(self, number: int) -> list[memoryview]:
        """Return all values of a repeated field of bytes."""
        found = self.values.get(number, [])
        pieces = [value for value in found if isinstance(value, memoryview)]
        if len(pieces) != len(found):
            raise UnreadableModelError(f"protobuf field {number} is a number")
        return pieces

    def messages(self, number: int) -> Iterator["Message"]:
        """Yield the submessages of a repeated field."""
        for piece in self.every(number):
            yield Message.of(piece)
