"""Keras 2's YAML parsed within limits, into what JSON would hold: nothing in it is made or called.

`to_yaml()` writes Python's tuples with a tag of their own, and under Python 2 its strings and long
integers. Keras 1 also left NumPy's numbers in it, as calls that would make them: they are decoded
from their bytes. Any other tag stands for an object of a program and is refused.
"""

import struct
from typing import Any

from regaudit.errors import UnreadableModelError, UnsafeFileError, why_no_text
from regaudit.extras import pip_install
from regaudit.keras_semantics.safe_json import check_nesting
from regaudit.limits import allowed, enforce_limit

_PREFIX = "tag:yaml.org,2002:python/"
_PLAIN = {
    "tuple": "construct_yaml_seq",
    "str": "construct_yaml_str",
    "unicode": "construct_yaml_str",
    "long": "construct_yaml_int",
}
"""Tags of Python's plain values, and how a safe loader reads the same without a tag."""
_CALL = "object/apply:numpy."
_NUMBERS, _TYPES = (
    (f"{_CALL}core.multiarray.scalar", f"{_CALL}_core.multiarray.scalar"),
    f"{_CALL}dtype",
)
_LAYOUTS = {"f4": "<f", "f8": "<d", "i4": "<i", "i8": "<q", "u4": "<I", "u8": "<Q", "b1": "<?"}
"""By the code of a type of NumPy, how its bytes are laid out."""
_KNOWN = {*_PLAIN, *_NUMBERS, _TYPES}


def parse_yaml(raw: bytes, name: str) -> Any:
    """Parse YAML of any kind.

    Raises:
        UnreadableModelError: it is not YAML, or PyYAML is not installed.
        UnsafeFileError: it has tags of Python objects, or is larger, or nested deeper, than any
            model; what it repeats by reference counts as often as it is referred to.
    """
    enforce_limit("json_bytes", len(raw), f"{name} is larger than {{limit}} bytes")
    try:
        import yaml  # noqa: PLC0415 - an extra, and few models need it
    except ImportError as error:
        message = "a configuration in YAML: reading it needs PyYAML, which is not installed: "
        raise UnreadableModelError(message + pip_install("yaml")) from error
    try:
        _check_events(yaml, raw, name)
        value = yaml.load(raw, Loader=_loader(yaml))  # noqa: S506 - of our own, plain values only
    except yaml.YAMLError as error:
        raise UnreadableModelError(f"{name} is not valid YAML ({why_no_text(error)})") from error
    except RecursionError as error:
        raise UnsafeFileError(f"{name} is nested too deeply") from error
    except (ValueError, OverflowError) as error:  # a date of no day, a number of many digits
        raise UnreadableModelError(f"{name} is not valid YAML ({why_no_text(error)})") from error
    return _as_json(value, name)


def _base(yaml: Any) -> Any:
    """Return the loader that makes plain values only, in C where PyYAML was built with it."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(yaml: Any, raw: bytes, name: str) -> None:
    """Hold the text to the limits before anything is made of it: parsers of YAML recurse."""
    depth = values = 0
    for event in yaml.parse(raw, Loader=_base(yaml)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        enforce_limit("json_depth", depth, f"{name} is nested deeper than {{limit}} levels")
        enforce_limit("json_values", values, f"{name} has more than {{limit}} values")
        tag = getattr(event, "tag", None) or ""
        if tag.startswith(_PREFIX) and tag.removeprefix(_PREFIX) not in _KNOWN:
            what = f"!!python/{tag.removeprefix(_PREFIX)}"
            raise UnsafeFileError(
                f"{name} has {what[:100]}, an object of a program: it is not made"
            )


def _loader(yaml: Any) -> Any:
    """Return a safe loader that knows the tags of plain values, and refuses merged mappings."""

    class Loader(_base(yaml)):  # type: ignore[misc]
        def flatten_mapping(self, node: Any) -> None:
            """Merge keys multiply what they merge, and Keras writes none: they stay keys."""

    def type_of(loader: Any, node: Any) -> Any:
        """Return the code of a type, the first of the arguments that would make it."""
        given = loader.construct_mapping(node, deep=True) if isinstance(node, mapping) else {}
        args = given.get("args")
        return args[0] if isinstance(args, list | tuple) and args else None

    def number(loader: Any, node: Any) -> Any:
        """Decode a number from its type and its bytes."""
        parts = loader.construct_sequence(node, deep=True)
        code, raw = parts if len(parts) == 2 else (None, None)
        layout = _LAYOUTS.get(code) if isinstance(code, str) else None
        if layout is None or not isinstance(raw, bytes) or len(raw) != struct.calcsize(layout):
            raise yaml.constructor.ConstructorError(None, None, "not a number", node.start_mark)
        return struct.unpack(layout, raw)[0]

    mapping = yaml.MappingNode
    Loader.add_constructor(_PREFIX + _TYPES, type_of)
    for tag in _NUMBERS:
        Loader.add_constructor(_PREFIX + tag, number)
    for tag, method in _PLAIN.items():
        Loader.add_constructor(_PREFIX + tag, getattr(yaml.constructor.SafeConstructor, method))
    return Loader


def _written_out(value: Any) -> int:
    """Count the values that there are once every reference is written out, without doing so.

    What holds itself counts once: that it has no end is told by its depth.
    """
    sizes: dict[int, int] = {}
    waiting = [(value, False)]
    while waiting:
        one, is_done = waiting.pop()
        inside = list(one.values() if isinstance(one, dict) else one) if _holds(one) else []
        if is_done:
            sizes[id(one)] = 1 + sum(sizes[id(item)] for item in inside)
        elif id(one) not in sizes:
            sizes[id(one)] = 1  # until what it holds is known
            waiting.append((one, True))
            waiting += [(item, False) for item in inside]
    return sizes[id(value)]


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def _as_json(value: Any, name: str) -> Any:
    """Return a value with the types of JSON, and every reference written out.

    Raises:
        UnreadableModelError: JSON has no such value.
        UnsafeFileError: that is too much, or without an end.
    """
    enforce_limit("json_values", _written_out(value), f"{name} has more than {{limit}} values")
    count, most = 0, allowed().json_values
    top: list[Any] = [None]
    waiting: list[tuple[Any, Any, Any, int]] = [(value, top, 0, 1)]
    while waiting:
        one, place, key, depth = waiting.pop()
        count += 1
        if count > most:
            enforce_limit("json_values", count, f"{name} has more than {{limit}} values")
        enforce_limit("json_depth", depth, f"{name} is nested deeper than {{limit}} levels")
        if isinstance(one, dict):
            copy: Any = dict.fromkeys(map(_key, one))
            waiting += [(item, copy, _key(at), depth + 1) for at, item in one.items()]
        elif isinstance(one, list | tuple):
            copy = [None] * len(one)
            waiting += [(item, copy, at, depth + 1) for at, item in enumerate(one)]
        elif isinstance(one, str):
            copy = _key(one)
        elif one is None or isinstance(one, int | float):
            copy = one
        else:
            raise UnreadableModelError(
                f"{name} has a {type(one).__name__}, which no configuration of Keras has"
            )
        place[key] = copy
    if isinstance(top[0], dict | list):
        check_nesting(top[0], name, named=True)
    return top[0]


def _key(key: Any) -> str:
    """Return a key, or a text, as JSON has it; no file and no terminal takes half a character."""
    text = key if isinstance(key, str) else str(key)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
