"""Settings as TOML has them, held against the structs that describe them."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from msgspec import Struct, ValidationError, convert
from msgspec.structs import fields

from regaudit.errors import UsageError, did_you_mean, shown

_Kind = TypeVar("_Kind", bound=Struct)


def decoded(kind: type[_Kind], given: Any, key: str = "") -> _Kind:
    """Return a table as the struct that describes it.

    Args:
        kind: the types of its fields say by `Meta(description=...)` what is wanted.
        given: as TOML or the command line gives it; keys may be written with dashes or underscores.
        key: where the table stands, for messages.

    Raises:
        UsageError: a key that is unknown or missing, or a value of another type than its field's.
    """
    found = decoded_fields(kind, given, key)
    for one in fields(kind):
        if one.required and one.name not in found:
            raise UsageError(f"{key} needs a {one.encode_name}")
    return kind(**found)


def decoded_fields(kind: type[Struct], given: Any, key: str = "") -> dict[str, Any]:
    """Return only what a table gives of a struct, by the names of the fields.

    Raises:
        UsageError: as `decoded`.
    """
    if not isinstance(given, Mapping):
        raise UsageError(f"{key} must be a table: [tool.regaudit.{key}]")
    if not given:
        return {}
    known = {one.name: one for one in fields(kind)}
    found = {}
    for name, value in given.items():
        path = f"{key}.{name}" if key else name
        one = known.get(name.replace("-", "_"))
        if one is None:
            hint = did_you_mean(name, (each.encode_name for each in known.values()))
            raise UsageError(f"unknown setting {shown(path)}{hint}")
        found[one.name] = decoded_value(one.type, value, path)
    return found


def decoded_value(kind: Any, given: Any, key: str) -> Any:
    """Return a value as its type; a list item by item, so that a message names the one.

    Raises:
        UsageError: it is of another type.
    """
    if _is_table(kind):
        return decoded(kind, given, key)
    if get_origin(kind) is tuple:
        (item, _) = get_args(kind)
        tables = _is_table(item)
        if not isinstance(given, list) or (tables and not all(isinstance(x, dict) for x in given)):
            of = f"tables: [[tool.regaudit.{key}]]" if tables else "strings"
            raise UsageError(f"{key} must be a list of {of}")
        return tuple(decoded_value(item, one, f"{key}[{n}]") for n, one in enumerate(given))
    try:
        return convert(given, kind)
    except (ValidationError, SystemError) as error:  # that of msgspec 0.20, on 10 ** 400 as a float
        hint = did_you_mean(str(given), get_args(kind)) if get_origin(kind) is Literal else ""
        raise UsageError(f"{key} must be {_wanted(kind)}, not {shown(given)}{hint}") from error


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _wanted(kind: Any) -> str:
    """Say what a type is, in the words of its description; of a union, of its first part."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    meta = getattr(kind, "__metadata__", None)
    return str(meta[0].description) if meta else _wanted(get_args(kind)[0])
