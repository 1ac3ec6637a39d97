"""Keras's JSON parsed within limits: what is too large or too deep is refused."""

import json
import re
from typing import Any

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.limits import allowed, enforce_limit

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Perhaps lone: one half of a pair looks the same."""

_NAMES = ("name", "class_name", "registered_name")
"""Keys of what is or becomes part of a path, or of a message."""


def parse_json(raw: bytes, member: str) -> Serialized:
    """Parse one of Keras's JSON files.

    Raises:
        UnreadableModelError: it is not a JSON object.
        UnsafeFileError: it is larger or nested deeper than any model.
    """
    value = parse_value(raw, member)
    if not isinstance(value, dict):
        raise UnreadableModelError(f"{member} is not a JSON object")
    return value


def parse_value(raw: bytes, member: str) -> Any:
    """Parse JSON of any kind, within the same limits.

    Raises:
        UnreadableModelError: it is not JSON.
        UnsafeFileError: it is larger or nested deeper than any model.
    """
    enforce_limit("json_bytes", len(raw), f"{member} is larger than {{limit}} bytes")
    most = sum(map(raw.count, (b",", b"[", b"{")))
    enforce_limit("json_values", most, f"{member} has more than {{limit}} values")
    try:
        value = json.loads(raw)
        if _LONE_SURROGATE.search(raw):  # no file and no terminal can be given one
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError as error:
        raise UnsafeFileError(f"{member} is nested too deeply") from error
    except ValueError as error:
        raise UnreadableModelError(f"{member} is not valid JSON ({error})") from error
    if isinstance(value, dict | list):
        check_nesting(value, member, named=_may_have_long_names(raw))
    return value


def _may_have_long_names(raw: bytes) -> bool:
    """Whether to look at every name, which takes as long as parsing: quotes are too far apart."""
    half = max(allowed().key_bytes // 2, 1)  # a long name spans one of such windows
    return any(mark in raw for mark in (b'\\"', b"\0")) or any(
        raw.find(b'"', at, at + half) < 0 for at in range(0, len(raw), half)
    )


def check_nesting(value: Serialized | list[Any], member: str, *, named: bool) -> None:
    """Refuse what is nested deeper than any model, level by level.

    Args:
        value: as it was parsed.
        member: what it is.
        named: whether to refuse names that are too long, too.
    """
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        enforce_limit("json_depth", depth, f"{member} is nested deeper than {{limit}} levels")
        for one in level if named else ():
            if isinstance(one, dict) and one:
                _check_names(one, member)
        level = [
            below
            for above in level
            for below in (above.values() if isinstance(above, dict) else above)
            if isinstance(below, dict | list)
        ]


def _check_names(one: dict[str, Any], member: str) -> None:
    """Refuse long names before paths are made of them, one for each layer and call."""
    names = [name for key in _NAMES if isinstance(name := one.get(key), str)]
    longest = max(map(len, (*one, *names)))
    enforce_limit("key_bytes", longest, f"{member} has a name longer than {{limit}} characters")
