"""Reports as JSON and back, whole: what a cache keeps and a cluster sends.

Which classes are made is told by the annotations of our own, never by the text: unlike a pickle,
no text makes anything but a report.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from regaudit.finding import Report

_T = TypeVar("_T")


def report_to_json(report: Report) -> str:
    """Return a report as one line of JSON.

    Raises:
        TypeError: it holds something that is not part of a report.
    """
    return json.dumps(_plain(report), separators=(",", ":"))


def report_from_json(text: str | bytes) -> Report:
    """Return the report that was written; equal to it in every field.

    Raises:
        ValueError: it is no such text.
    """
    try:
        return made(Report, json.loads(text))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):  # before numbers and texts, which some are
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is no text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not part of a report")


def made(kind: type[_T], value: Any) -> _T:
    """Make a value of a type from JSON, strictly, but for keys that it does not know.

    Raises:
        ValueError: it is of another type; the message says where.
    """
    found: _T = _made(kind, value, kind.__name__.lower())
    return found


def _made(kind: Any, value: Any, where: str) -> Any:  # noqa: C901 - a table of types
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in {Any, object}:
        return value
    if origin in {Union, UnionType}:
        return _one_of(arguments, value, where)
    if origin is tuple:
        return _made_tuple(arguments, value, where)
    if origin is Mapping:
        return {
            key: _made(arguments[1], item, f"{where}[{key!r}]")
            for key, item in _a(dict, value, where).items()
        }
    if is_dataclass(kind):
        return _made_of_fields(kind, _a(dict, value, where), where)
    if hasattr(kind, "_fields"):
        return kind(*_made_tuple(tuple(_hints(kind).values()), value, where))
    if issubclass(kind, Enum):
        names = {str(member): member for member in kind}
        if value not in names:
            raise ValueError(f"{where} is not one of {', '.join(names)}")
        return names[value]
    if kind is bytes:
        return b64decode(_a(str, value, where), validate=True)
    if kind is date:
        return date.fromisoformat(_a(str, value, where))
    return _a(kind, value, where)


def _a(kind: Any, value: Any, where: str) -> Any:
    """Return a value of JSON's own types if it is of this one."""
    if kind is float and type(value) is int:
        return value
    if type(value) is not kind and not (kind is NoneType and value is None):
        raise ValueError(f"{where} is not of type {kind.__name__}")
    return value


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """Make a value of the only one of some types that it can be."""
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:
        return _made(others[0], value, where)
    if type(value) not in others and not (type(value) is int and float in others):
        raise ValueError(f"{where} is of none of its types")
    return value


def _made_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    items = _a(list, value, where)
    if kinds[1:] == (...,):
        return tuple(_made(kinds[0], item, f"{where}[{n}]") for n, item in enumerate(items))
    # A named tuple may lack the last ones, which have defaults.
    if len(items) > len(kinds):
        raise ValueError(f"{where} is too long")
    return tuple(
        _made(kind, item, f"{where}[{n}]")
        for n, (kind, item) in enumerate(zip(kinds, items, strict=False))
    )


def _made_of_fields(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints = _hints(kind)
    for field in fields(kind):
        if field.name not in value and _required(field):
            raise ValueError(f"{where} has no {field.name}")
    known = {key: item for key, item in value.items() if key in hints}
    return kind(**{key: _made(hints[key], item, f"{where}.{key}") for key, item in known.items()})


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
