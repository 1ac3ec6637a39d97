"""Data classes like the standard ones, none of whose methods is compiled before it is needed.

The standard decorator compiles six functions for every class at import: for those of one audit
that took several times as long as to audit a small model. Type checkers see the standard one, and
its helpers, `replace` and others, know these classes too.
"""

from abc import ABCMeta
from collections.abc import Callable
from functools import cache
from reprlib import recursive_repr
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

__all__ = ["dataclass", "field"]

_T = TypeVar("_T")

_NONE: Any = object()
"""Stands for a value that was not given."""
_NO_FIELDS = {"ClassVar", "InitVar", "KW_ONLY"}


class _Field:
    """Where an attribute comes from."""

    __slots__ = ("default", "default_factory", "init")

    def __init__(
        self, *, default: Any = _NONE, default_factory: Any = _NONE, init: bool = True
    ) -> None:
        if (default is not _NONE) + (default_factory is not _NONE) + (not init) > 1:
            raise TypeError("a field has a default, a default_factory or init=False")
        self.default, self.default_factory, self.init = default, default_factory, init

    @property
    def optional(self) -> bool:
        """Whether `__init__` can do without it."""
        return self.default is not _NONE or self.default_factory is not _NONE

    def given(self) -> dict[str, Any]:
        """Return what it was made with."""
        return {key: value for key in self.__slots__ if (value := getattr(self, key)) is not _NONE}


class _Late:
    """What a class has in place of an attribute, until it is asked for."""

    def __init__(self, make: Callable[[type], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, kind: type | None = None) -> Any:
        made = self._make(self._owner)
        setattr(self._owner, self._name, made)
        return made.__get__(instance, kind) if hasattr(made, "__get__") else made


def _dataclass(*, frozen: bool = False, slots: bool = False) -> Callable[[type[_T]], type[_T]]:
    """Make a class a data class; its bases, if any, are abstract and have no fields."""

    def decorate(cls: type[_T]) -> type[_T]:
        fields, own = _fields(cls), vars(cls)
        added: dict[str, Any] = (
            _METHODS | (_FROZEN if frozen else {}) | (_PICKLED if frozen and slots else {})
        )
        body: dict[str, Any] = {key: made for key, made in added.items() if key not in own}
        if frozen and own.get("__hash__", _hash) is None:  # Python sets None next to an __eq__
            body["__hash__"] = _hash
        if "__init__" not in own:
            body["__init__"] = _Late(lambda made: _init(made, frozen, slots))
        body |= {
            "__fields__": fields,
            "__dataclass_fields__": _Late(_standard_fields),
            "__match_args__": tuple(name for name, one in fields.items() if one.init),
        }
        return _with_slots(cls, fields, body) if slots else _extended(cls, fields, body)

    return decorate


def _with_slots(cls: type[_T], fields: dict[str, _Field], body: dict[str, Any]) -> type[_T]:
    """Make a class anew: slots can be given only to a new one."""
    gone = {*fields, "__dict__", "__weakref__"}
    own = {key: value for key, value in vars(cls).items() if key not in gone}
    body = {**own, **body, "__slots__": tuple(fields), "__qualname__": cls.__qualname__}
    metaclass: Any = type(cls)
    made: type[_T] = metaclass(cls.__name__, cls.__bases__, body)
    return made


def _extended(cls: type[_T], fields: dict[str, _Field], body: dict[str, Any]) -> type[_T]:
    """Add methods to a class, and put the defaults of its fields in their places."""
    for name, one in fields.items():
        if one.default is not _NONE:
            setattr(cls, name, one.default)
        elif name in vars(cls):
            delattr(cls, name)
    for name, value in body.items():
        setattr(cls, name, value)
        if isinstance(value, _Late):
            value.__set_name__(cls, name)
    return cls


def _fields(cls: type) -> dict[str, _Field]:
    """Return the fields of a class.

    Raises:
        TypeError: it asks for what only the standard decorator can do, or nothing can.
        ValueError: a default that one instance could change for all.
    """
    own, found, optional = vars(cls), dict[str, _Field](), False
    if own.keys() & {"__slots__", "__setattr__", "__delattr__"} or not _has_plain_bases(cls):
        raise TypeError(f"{cls.__name__} has bases, __slots__, __setattr__ or __delattr__")
    for name, hint in cls.__annotations__.items():
        if getattr(hint, "__origin__", hint) is ClassVar:
            continue
        given = own.get(name, _NONE)
        if (
            (isinstance(hint, str) and hint.partition("[")[0].rpartition(".")[2] in _NO_FIELDS)
            or getattr(hint, "__module__", "") == "dataclasses"
            or getattr(given, "__module__", "") == "dataclasses"
        ):
            raise TypeError(f"{cls.__name__}.{name} needs the standard decorator")
        one = found[name] = given if isinstance(given, _Field) else _Field(default=given)
        optional |= one.optional
        if optional and one.init and not one.optional:
            raise TypeError(f"non-default argument {name!r} follows default argument")
        if type(one.default).__hash__ is None:
            raise ValueError(f"mutable default for field {name} is not allowed")
    if any(isinstance(value, _Field) and name not in found for name, value in own.items()):
        raise TypeError(f"{cls.__name__} has a field without an annotation")
    return found


def _has_plain_bases(cls: type) -> bool:
    """Whether the bases of a class are abstract classes without fields, or none but `object`."""
    abstract = all(isinstance(base, ABCMeta) for base in cls.__bases__)
    inherited = any(vars(base).get("__fields__") for base in cls.__mro__[1:])
    return cls.__bases__ == (object,) or (abstract and not inherited)


def _init(cls: Any, frozen: bool, slots: bool) -> Any:
    """Compile the `__init__` of a class; that of a frozen one gets past its refusal."""
    parameters, lines = ["self"], []
    names = {"_NONE": _NONE, "_set": object.__setattr__}
    for name, one in cls.__fields__.items():
        if not one.init:
            continue
        parameters.append(name)
        value = name
        if one.default_factory is not _NONE:
            names[f"_make_{name}"] = one.default_factory
            value = f"_make_{name}() if {name} is _NONE else {name}"
        if frozen and slots:
            names[f"_set_{name}"] = getattr(cls, name).__set__  # the fastest way
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    lines.append("self.__post_init__()" if hasattr(cls, "__post_init__") else "pass")
    source = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines)
    exec(_compiled(source), names)  # noqa: S102 - names of attributes
    made: Any = names["__init__"]
    made.__defaults__ = tuple(one.default for one in cls.__fields__.values() if one.optional)
    made.__annotations__ = {key: cls.__annotations__[key] for key in parameters[1:]}
    made.__module__, made.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
    return made


@cache
def _compiled(source: str) -> CodeType:
    """Compile once what several classes have in common: most rules have no thresholds."""
    return compile(source, "<dataclass>", "exec")


def _standard_fields(cls: Any) -> Any:
    """Return what the helpers of the standard library look for."""
    from dataclasses import field, make_dataclass  # noqa: PLC0415 - seldom needed

    made: Any = make_dataclass(
        cls.__name__,
        [
            (name, cls.__annotations__[name], field(**one.given()))
            for name, one in cls.__fields__.items()
        ],
        namespace={"__doc__": "Its fields."},  # otherwise a signature is written there, slowly
        init=False,
        repr=False,
        eq=False,
    )
    return made.__dataclass_fields__


def _values(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__fields__]


def _set_values(self: Any, values: list[Any]) -> None:
    for name, value in zip(self.__fields__, values, strict=True):
        object.__setattr__(self, name, value)


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__fields__)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple(_values(self)))


def _replace(self: Any, **changes: Any) -> Any:
    from dataclasses import replace  # noqa: PLC0415 - seldom needed

    return replace(self, **changes)


def _refusal(change: Callable[..., None], what: str) -> Callable[..., None]:
    """Make a method that changes only what a derived class has besides the fields."""

    def refuse(self: Any, name: str, *value: object) -> None:
        if "__fields__" in vars(type(self)) or name in self.__fields__:
            from dataclasses import FrozenInstanceError  # noqa: PLC0415 - seldom needed

            raise FrozenInstanceError(f"cannot {what} field {name!r}")
        change(self, name, *value)

    return refuse


_METHODS: dict[str, Any] = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": None,
    "__replace__": _replace,
}
_FROZEN: dict[str, Any] = {
    "__hash__": _hash,
    "__setattr__": _refusal(object.__setattr__, "assign to"),
    "__delattr__": _refusal(object.__delattr__, "delete"),
}
_PICKLED: dict[str, Any] = {"__getstate__": _values, "__setstate__": _set_values}
"""For frozen ones with slots: what reads a pickle would set their attributes."""


if TYPE_CHECKING:
    from dataclasses import dataclass, field
else:
    dataclass, field = _dataclass, _Field
