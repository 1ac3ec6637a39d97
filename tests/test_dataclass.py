"""Data classes behave as the standard ones, and cost nothing until they are used."""

import ast
import builtins
import copy
import dataclasses
import inspect
import pickle
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

import regaudit.dataclass as ours

CLASSES = '''
from abc import ABC, abstractmethod
from typing import Any, ClassVar

@dataclass(frozen=True, slots=True)
class Frozen:
    """Most are so."""
    a: int
    b: "str" = "x"
    kind: ClassVar[str] = "frozen"
    c: list[Any] = field(default_factory=list)
    d: int | None = field(default=None)

    @property
    def twice(self):
        return 2 * self.a

@dataclass(frozen=True)
class Roomy:
    """With a __dict__."""
    a: int
    b: str = "x"
    c: dict[str, Any] = field(default_factory=dict)

@dataclass(slots=True)
class Open:
    """Attributes may be set."""
    a: Any
    e: int = field(init=False)
    b: str = "x"
    c: set[int] = field(default_factory=set)
    kind: ClassVar = "open"

    def __post_init__(self):
        self.e = len(self.b)

@dataclass()
class Plain:
    """Neither."""
    a: Any = (1, 2)

@dataclass(frozen=True, slots=True)
class Own:
    """With methods of its own."""
    a: int

    def __repr__(self):
        return "mine"

    def __eq__(self, other):
        return True

@dataclass(slots=True)
class Hashed:
    """With a hash of its own."""
    a: int

    def __hash__(self):
        return 7

@dataclass(frozen=True, slots=True)
class Empty:
    """Without fields."""

class Abstract(ABC):
    """What plug-ins have as their base."""
    @abstractmethod
    def act(self): ...

@dataclass(frozen=True)
class Concrete(Abstract):
    """With an abstract base."""
    a: int
    b: str = "x"

    def act(self): ...

@dataclass(frozen=True)
class Unfinished(Abstract):
    """Its base asks for more."""
    a: int

class Derived(Roomy):
    """Not a data class itself."""

    def __init__(self, a):
        super().__init__(a, "derived")
        self.more = a
'''


def module(origin):
    made = ModuleType(f"classes_of_{origin.replace('.', '_')}")
    sys.modules[made.__name__] = made
    exec(f"from {origin} import dataclass, field\n{CLASSES}", vars(made))
    return made


STANDARD, OURS = module("dataclasses"), module("regaudit.dataclass")
NAMES = [name for name in re.findall(r"^class (\w+)", CLASSES, re.MULTILINE) if name != "Abstract"]


def value(kind, *arguments):
    return kind(*arguments) if kind.__name__ != "Empty" else kind()


def changed(kind, name):
    one = value(kind, 1)
    setattr(one, name, 5)
    return one


def deleted(kind, name):
    one = value(kind, 1)
    delattr(one, name)
    return repr(one)


def matched(kind):
    match value(kind, 3):
        case kind(a):
            return a
    return None


def told(kind):
    return [
        *(
            (one.name, one.type, one.init, one.kw_only, one.repr, one.compare, one.hash)
            for one in dataclasses.fields(kind)
        ),
        *((one.default, one.default_factory) for one in dataclasses.fields(kind)),
    ]


ACTIONS = {
    "made": lambda kind: value(kind, 1),
    "by name": lambda kind: kind(a=1, b="y"),
    "all given": lambda kind: kind(1, "y", [2]),
    "too few": lambda kind: kind(),
    "too many": lambda kind: kind(1, 2, 3, 4, 5, 6),
    "unknown": lambda kind: kind(1, z=2),
    "twice": lambda kind: kind(1, a=2),
    "not a parameter": lambda kind: kind(1, e=2),
    "recursive": lambda kind: (inner := [], one := value(kind, inner), inner.append(one))[1],
    "equal": lambda kind: value(kind, 1) == value(kind, 1),
    "not equal": lambda kind: value(kind, 1) != value(kind, 2),
    "other class": lambda kind: kind.__eq__(value(kind, 1), STANDARD),
    "hash": lambda kind: hash(value(kind, 1)),
    "hash of hashable": lambda kind: hash(kind(1, "y", (), 3)),
    "hash of two": lambda kind: hash(kind(1, "y", ())),
    "replaced": lambda kind: dataclasses.replace(value(kind, 1), a=2),
    "replaced wrongly": lambda kind: dataclasses.replace(value(kind, 1), z=2),
    "replaced what is not given": lambda kind: dataclasses.replace(value(kind, 1), e=2),
    "replaced by method": lambda kind: type(value(kind, 1)).__replace__(value(kind, 1), a=2),
    "dict": lambda kind: dataclasses.asdict(value(kind, 1)),
    "tuple": lambda kind: dataclasses.astuple(value(kind, value(kind, 1))),
    "fields": told,
    "fields of one": lambda kind: [one.name for one in dataclasses.fields(value(kind, 1))],
    "known": lambda kind: dataclasses.is_dataclass(kind) and dataclasses.is_dataclass(kind(1)),
    "pickled": lambda kind: pickle.loads(pickle.dumps(value(kind, 1))),
    "pickled by the oldest": lambda kind: pickle.loads(pickle.dumps(value(kind, 1), 2)),
    "copied": lambda kind: copy.copy(value(kind, 1)),
    "copied deeply": lambda kind: copy.deepcopy(value(kind, [1])),
    "set": lambda kind: changed(kind, "a"),
    "set another": lambda kind: changed(kind, "z"),
    "set more": lambda kind: changed(kind, "more"),
    "deleted": lambda kind: deleted(kind, "a"),
    "deleted another": lambda kind: deleted(kind, "z"),
    "deleted more": lambda kind: deleted(kind, "more"),
    "matched": matched,
    "names matched": lambda kind: kind.__match_args__,
    "slots": lambda kind: kind.__slots__,
    "dict of one": lambda kind: list(vars(value(kind, 1))),
    "weak": lambda kind: hasattr(kind, "__weakref__"),
    "default": lambda kind: kind.b,
    "class variable": lambda kind: (kind.kind, value(kind, 1).kind),
    "property": lambda kind: value(kind, 1).twice,
    "names": lambda kind: (kind.__name__, kind.__qualname__, kind.__doc__),
    "annotations": lambda kind: kind.__annotations__,
    "parameters": lambda kind: [
        (one.name, one.annotation, one.kind, one.default is one.empty)
        for one in inspect.signature(kind).parameters.values()
    ],
    "fresh defaults": lambda kind: value(kind, 1).c is value(kind, 1).c,
}


def outcome(action, kind):
    """Return what an action gives or raises, as text."""
    try:
        result = action(kind)
    except Exception as error:  # noqa: BLE001 - whatever the standard one raises
        message = str(error).replace(STANDARD.__name__, OURS.__name__)
        return type(error), message
    return type(result).__name__, repr(result)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_it_does_as_the_standard_one(name, action):
    if action == "replaced by method" and sys.version_info < (3, 13):
        pytest.skip("no such method in the standard one")
    expected = outcome(ACTIONS[action], vars(STANDARD)[name])
    found = outcome(ACTIONS[action], vars(OURS)[name])
    if "super(type, obj)" in expected[1]:  # it asks the class as it was without slots
        expected = dataclasses.FrozenInstanceError, found[1]
    assert found == expected


def test_the_comparison_compares():
    seen = {action: outcome(ACTIONS[action], OURS.Frozen) for action in ACTIONS}
    assert seen["made"] == ("Frozen", "Frozen(a=1, b='x', c=[], d=None)")
    assert seen["equal"] == seen["not equal"] == ("bool", "True")
    assert seen["set"][0] is dataclasses.FrozenInstanceError
    assert seen["set another"] == (
        dataclasses.FrozenInstanceError,
        "cannot assign to field 'z'",
    )
    assert seen["deleted another"] == (
        dataclasses.FrozenInstanceError,
        "cannot delete field 'z'",
    )
    assert seen["hash"][0] is TypeError
    assert seen["hash of hashable"] == ("int", repr(hash((1, "y", (), 3))))
    assert len(NAMES) == 10


@pytest.mark.parametrize("default", [[], {}, set(), bytearray()])
def test_a_default_that_can_change_is_refused(default):
    for origin in (dataclasses, ours):
        for given in (default, origin.field(default=default)):
            with pytest.raises(ValueError, match="mutable default"):
                origin.dataclass(frozen=True)(type("Bad", (), {"a": given, **annotated(a=Any)}))


def test_a_field_with_a_default_comes_last():
    for origin in (dataclasses, ours):
        with pytest.raises(TypeError, match="non-default argument 'b' follows default argument"):
            origin.dataclass(slots=True)(type("Bad", (), {"a": 1, **annotated(a=int, b=int)}))


@pytest.mark.parametrize(
    "option", ["order", "kw_only", "unsafe_hash", "weakref_slot", "eq", "init"]
)
def test_an_option_that_nothing_uses_is_refused(option):
    with pytest.raises(TypeError, match=option):
        ours.dataclass(**{option: True})
    if option == "kw_only":
        with pytest.raises(TypeError, match=option):
            ours.field(**{option: True})


def annotated(**hints):
    return {"__annotations__": hints}


@pytest.mark.parametrize(
    ("bases", "body"),
    [
        ((OURS.Frozen,), {}),
        ((dict,), {}),
        ((OURS.Concrete,), {"act": None}),
        ((), annotated(a=dataclasses.InitVar[int])),
        ((), annotated(a=dataclasses.InitVar)),
        ((), annotated(_=dataclasses.KW_ONLY)),
        ((), annotated(a="ClassVar[int]")),
        ((), annotated(a="typing.ClassVar")),
        ((), annotated(a="InitVar[int]")),
        ((), annotated(a=int) | {"a": dataclasses.field(default=1)}),
        ((), {"a": ours.field(default=1)}),
        ((), annotated(a=ClassVar[int]) | {"a": ours.field(default=1)}),
        ((), annotated(a=int) | {"__slots__": ("a",)}),
        ((), annotated(a=int) | {"__setattr__": object.__setattr__}),
        ((), annotated(a=int) | {"__delattr__": object.__delattr__}),
    ],
)
def test_a_class_that_needs_the_standard_one_is_refused(bases, body):
    with pytest.raises(TypeError):
        ours.dataclass(frozen=True)(type("Bad", bases, body))


def test_the_wrong_ways_to_write_it_are_refused():
    with pytest.raises(TypeError):
        ours.dataclass(type("Bad", (), {}))
    for given in ({"default": 1, "default_factory": int}, {"default": 1, "init": False}):
        with pytest.raises(TypeError, match="a field has"):
            ours.field(**given)


def test_nothing_is_compiled_before_there_is_an_instance(monkeypatch):
    compiled = []
    run = builtins.exec

    def counted(*arguments):
        compiled.append(arguments[0])
        return run(*arguments)

    monkeypatch.setattr(builtins, "exec", counted)
    body = annotated(a=int)
    dataclasses.dataclass(frozen=True, slots=True)(type("One", (), dict(body)))
    assert compiled
    compiled.clear()
    one = ours.dataclass(frozen=True, slots=True)(type("One", (), dict(body)))
    assert not compiled
    assert one(1) == one(1)
    assert repr(one(2)) == "One(a=2)"
    assert hash(one(2)) == hash((2,))
    assert len(compiled) == 1


def test_the_signature_is_told_before_there_is_an_instance():
    one = ours.dataclass(slots=True)(type("One", (), annotated(a=int)))
    assert str(inspect.signature(one)) == "(a: int)"


def test_no_class_of_ours_is_made_by_the_standard_one():
    found = []
    for file in Path(ours.__file__).parent.rglob("*.py"):
        if file == Path(ours.__file__):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "dataclasses":
                found += [file for name in node.names if name.name in {"dataclass", "field"}]
            if isinstance(node, ast.Import):
                found += [file for name in node.names if name.name == "dataclasses"]
    assert not found
