"""How values of each type are written as JSON and read back: a codec for each, by annotations."""

import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

_OWN = (bool, int, float, str)
"""Types that JSON has as well."""
_LARGEST = int(sys.float_info.max)


class Codec(NamedTuple):
    """How values of one type are written and read; worked out once a type."""

    write: Callable[[Any], Any]
    """Returns what JSON can hold, or raises a TypeError."""
    read: Callable[[Any], Any]
    """Returns the value again, or raises a `WrongError`."""


class WrongError(ValueError):
    """Something is of another type than its place; every container adds where that is."""

    def __init__(self, what: str) -> None:
        self.what, self.where = what, ""

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


@cache
def codec_of(kind: Any) -> Codec:
    """Return the codec of a type, which must not contain itself."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in {Any, object}:
        return Codec(_json, lambda value: value)
    if kind in _OWN:
        return _own(kind)
    if origin in {Union, UnionType}:
        return _union(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return _sequence(codec_of(arguments[0]))
    if origin is tuple:
        return _tuple(tuple, arguments, len(arguments))
    if origin is Mapping:
        return _mapping(*arguments)
    if hasattr(kind, "__fields__"):
        return _data_class(kind)
    if hasattr(kind, "_fields"):
        hints = get_type_hints(kind).values()
        least = len(hints) - len(kind._field_defaults)
        return _tuple(lambda items: kind(*items), hints, least)
    return _text(kind)


def _json(value: Any) -> Any:
    """Return a value of any of JSON's own types."""
    if isinstance(value, _OWN) or value is None:
        return value
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _json(item) for key, item in value.items()}
    raise TypeError(f"JSON has nothing like this {type(value).__name__}")


def _is_own(value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a value is of one of these types of JSON's own; a bool is not a number."""
    return isinstance(value, kinds) and (type(value) is not bool or bool in kinds)


def _own(kind: type) -> Codec:
    kinds = (float, int) if kind is float else (kind,)

    def write(value: Any) -> Any:
        if type(value) is not kind and not _is_own(value, kinds):
            raise TypeError(f"{type(value).__name__} is not {kind.__name__}")
        return value

    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise WrongError(f"is not of type {kind.__name__}")
        if kind is float and type(value) is int and abs(value) > _LARGEST:
            raise WrongError("is beyond the largest float")
        return value

    return Codec(write, read)


def _text(kind: Any) -> Codec:
    """Return the codec of a type whose values are written as texts."""
    say, parse = _spelling(kind)

    def write(value: Any) -> str:
        _check(value, kind)
        return say(value)

    def read(value: Any) -> Any:
        try:
            return parse(_a(str, value))
        except (KeyError, ValueError):
            raise WrongError(f"is not of type {kind.__name__}") from None

    return Codec(write, read)


def _spelling(kind: Any) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    if issubclass(kind, Enum):
        return str, {str(member): member for member in kind}.__getitem__
    if kind is bytes:
        return lambda value: b64encode(value).decode("ascii"), lambda t: b64decode(t, validate=True)
    if kind is date:
        return date.isoformat, date.fromisoformat
    if kind is Path:
        return str, Path
    raise TypeError(f"{kind.__name__} cannot be written as JSON")


def _union(kinds: tuple[Any, ...]) -> Codec:
    """Return the codec of one of several types: of JSON, or classes, known by their names."""
    others = [kind for kind in kinds if kind is not NoneType]
    one = codec_of(others[0]) if len(others) == 1 else _one_of(others)
    if len(others) == len(kinds):
        return one
    write, read = one
    return Codec(
        lambda value: None if value is None else write(value),
        lambda value: None if value is None else read(value),
    )


def _one_of(kinds: list[Any]) -> Codec:
    own = tuple(kind for kind in kinds if kind in _OWN)
    classes = {kind.__name__: codec_of(kind) for kind in kinds if kind not in _OWN}

    def write(value: Any) -> Any:
        if _is_own(value, own):
            return value
        name = type(value).__name__
        if name not in classes:
            raise TypeError(f"{name} is not of the types that belong there")
        return {name: classes[name].write(value)}

    def read(value: Any) -> Any:
        if type(value) in own:
            return value
        if type(value) is dict and len(value) == 1 and (name := next(iter(value))) in classes:
            return classes[name].read(value[name])
        raise WrongError("is of none of its types")

    return Codec(write, read)


def _sequence(item: Codec) -> Codec:
    """Return the codec of a tuple of any length."""

    def write(values: Any) -> list[Any]:
        _check(values, tuple)
        return [item.write(value) for value in values]

    def read(values: Any) -> tuple[Any, ...]:
        items = enumerate(_a(list, values))
        return tuple([read_inside(item, value, "[{}]", number) for number, value in items])

    return Codec(write, read)


def _tuple(make: Callable[[Any], Any], kinds: Iterable[Any], least: int) -> Codec:
    """Return the codec of a tuple of these types; the last ones may be missing."""
    codecs = [codec_of(kind) for kind in kinds]

    def write(values: Any) -> list[Any]:
        _check(values, tuple)
        return [codec.write(value) for codec, value in zip(codecs, values, strict=True)]

    def read(values: Any) -> Any:
        if not least <= len(_a(list, values)) <= len(codecs):
            raise WrongError("is too short or too long")
        pairs = enumerate(zip(codecs, values, strict=False))
        return make([read_inside(codec, value, "[{}]", number) for number, (codec, value) in pairs])

    return Codec(write, read)


def _mapping(key_kind: Any, item_kind: Any) -> Codec:
    """Return the codec of a mapping by texts or whole numbers."""
    item = codec_of(item_kind)

    def write(values: Any) -> dict[str, Any]:
        _check(values, Mapping)
        for key in values:
            _check(key, key_kind)
        return {str(key): item.write(value) for key, value in values.items()}

    def read(values: Any) -> dict[Any, Any]:
        items = _a(dict, values).items()
        return {
            _key(key, key_kind): read_inside(item, value, "[{!r}]", key) for key, value in items
        }

    return Codec(write, read)


def _key(key: str, kind: Any) -> Any:
    try:
        return kind(key)
    except ValueError:
        raise WrongError("has a key of another type") from None


def _data_class(kind: Any) -> Codec:
    hints = get_type_hints(kind)
    codecs = {name: codec_of(hints[name]) for name in kind.__fields__}
    writers = [(name, codec.write) for name, codec in codecs.items()]
    readers = [(name, codec.read) for name, codec in codecs.items()]
    required = [name for name, field in kind.__fields__.items() if not field.optional]

    def write(value: Any) -> dict[str, Any]:
        _check(value, kind)
        return {name: write(getattr(value, name)) for name, write in writers}

    def read(value: Any) -> Any:
        given = _a(dict, value)
        for name in required:
            if name not in given:
                raise WrongError(f"has no {name}")
        found = {}
        try:
            for name, read in readers:
                if name in given:
                    found[name] = read(given[name])
        except WrongError as error:
            error.where = f".{name}{error.where}"
            raise
        try:
            return kind(**found)
        except ValueError as error:
            raise WrongError(str(error)) from None

    return Codec(write, read)


def read_inside(codec: Codec, value: Any, where: str, key: object) -> Any:
    """Read a value inside another one."""
    try:
        return codec.read(value)
    except WrongError as error:
        error.where = where.format(key) + error.where
        raise


def _check(value: Any, kind: Any) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} is not {kind.__name__}")


def _a(kind: Any, value: Any) -> Any:
    """Return a value of JSON's own types if it is of this one."""
    if type(value) is not kind:
        raise WrongError(f"is not of type {kind.__name__}")
    return value
