"""Keras's JSON parsed within limits: what is too large or too deep is refused."""

import json
import re
from typing import Any

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.limits import enforce_limit

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Perhaps lone: one half of a pair looks the same."""


def parse_json(raw: bytes, member: str) -> Serialized:
    """Parse one of Keras's JSON files.

    Raises:
        UnreadableModelError: it is not a JSON object.
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
    if not isinstance(value, dict):
        raise UnreadableModelError(f"{member} is not a JSON object")
    _check_depth(value, member)
    return value


def parse_architecture(raw: bytes, name: str) -> Serialized:
    """Parse what `model.to_json()` returns, also where that text was dumped as JSON once more.

    Raises:
        UnreadableModelError: it is not the configuration of a model.
        UnsafeFileError: see `parse_json`.
    """
    enforce_limit("json_bytes", len(raw), f"{name} is larger than {{limit}} bytes")
    try:
        again = json.loads(raw) if raw.lstrip()[:1] == b'"' else None
    except ValueError as error:
        raise UnreadableModelError(f"{name} is not valid JSON ({error})") from error
    config = parse_json(again.encode() if isinstance(again, str) else raw, name)
    if not isinstance(config.get("class_name"), str) or "config" not in config:
        raise UnreadableModelError(f"{name} is not the configuration of a Keras model")
    return config


def _check_depth(value: Serialized, member: str) -> None:
    """Refuse what is nested deeper than any model, level by level."""
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        enforce_limit("json_depth", depth, f"{member} is nested deeper than {{limit}} levels")
        level = [
            below
            for above in level
            for below in (above.values() if isinstance(above, dict) else above)
            if isinstance(below, dict | list)
        ]
