"""Outputs that are written as models are audited: nothing waits for the last model.

What one report adds, its part, is made where the model is audited, perhaps on another machine; a
stream puts the parts of a run together, in order.
"""

import re
from typing import IO, Protocol

_CONTROLS = bytes({*range(32), 127} - {9, 10})
_MORE_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]")
"""What no text format writes: a terminal would act on it."""


class Stream(Protocol):
    """One output of a run, as it is written."""

    def add(self, part: bytes) -> None:
        """Write what the next report adds, or keep what cannot be written yet."""

    def end(self) -> None:
        """Write the rest. It may come at any time: what was written is whole then."""


class Joined:
    """A stream of parts with something in front, between and behind them."""

    def __init__(
        self, file: IO[bytes], head: bytes = b"", between: bytes = b"", tail: bytes = b""
    ) -> None:
        self._file = file
        self._before = head
        self._between = between
        self._tail = tail
        self._begun = False

    def add(self, part: bytes) -> None:
        """Copy the part."""
        self._file.write(self._before + part)
        self._before, self._begun = self._between, True

    def end(self) -> None:
        """Close what was begun."""
        self._file.write(self._tail if self._begun else self._before + self._tail)


def as_bytes(text: str) -> bytes:
    """Return text as every output has it: what is no Unicode is shown by its number."""
    return text.encode("utf-8", "backslashreplace")


def acts(part: bytes) -> bool:
    """Whether a terminal would act on a text."""
    more = b"\xc2" in part and _MORE_CONTROLS.search(part)  # a search alone takes longest of all
    return bool(more) or len(part.translate(None, _CONTROLS)) != len(part)
