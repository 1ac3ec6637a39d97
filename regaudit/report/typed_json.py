"""Values of our own classes as JSON and back, exactly.

Annotations decide which classes are made, never the text: unlike a pickle, no text
makes or runs anything else. What would not come back equal is not written.
"""

import json
from typing import Any, TypeVar

from regaudit.report.json_codecs import codec_of, read_inside

_T = TypeVar("_T")


def to_json(kind: Any, value: Any) -> bytes:
    """Return a value of a type as one line of JSON.

    Raises:
        TypeError: something in it is of another type than its annotation says, or cannot be
            written.
    """
    try:
        plain = codec_of(kind).write(value)
        # Unescaped: the escaped halves of a surrogate pair would come back as one character.
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError) as error:  # too deep, or a number of too many digits
        raise TypeError(str(error)) from error
    return text.encode("utf-8", "surrogatepass")


def from_json(kind: Any, text: bytes | bytearray | str) -> Any:
    """Return the value that was written; equal to it in every field.

    Raises:
        ValueError: it is not such a text.
    """
    try:
        return made(kind, json.loads(text))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def made(kind: type[_T], value: Any) -> _T:
    """Make a value of a type from JSON, strictly, but for keys that it does not know.

    Raises:
        ValueError: it is of another type; the message says where.
    """
    any_kind: Any = kind  # the cache takes what can be hashed, which mypy does not see of `type`
    found: _T = read_inside(
        codec_of(any_kind), value, "{}", getattr(kind, "__name__", "it").lower().lstrip("_")
    )
    return found
