"""Values of our own classes as bytes: what can be annotated comes back, and no bytes make else."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regaudit.report.ignore import Ignore
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Finding, Occurrence, Report
from regaudit.running.shares import Share
from regaudit.running.worker_process import Answer
from regaudit.running.workers import Plan

TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
"""Halves of surrogate pairs too."""
OWN = {
    bool: st.booleans(),
    int: st.integers() | st.sampled_from([10**400, -(1 << 64)]),
    float: st.floats(),
    str: TEXTS | st.just("\ud83d\ude00"),
    Ignore: st.builds(Ignore, code=st.just("REG101"), reason=st.just("so"), expires=st.dates()),
    bytes: st.binary(max_size=9),
    date: st.dates(),
    NoneType: st.none(),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
SENT = [Report, Share, Plan, Answer]


def values(kind):
    """Return a strategy for all values that an annotation allows."""
    if kind in OWN:
        return OWN[kind]
    if getattr(kind, "__struct_fields__", None) or hasattr(kind, "_fields"):
        return records(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in {Any, object}:
        return JSON
    if origin in {Union, UnionType}:
        return st.one_of(*map(values, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is Mapping:
        return st.dictionaries(*map(values, arguments), max_size=2)
    if kind is Path:
        return TEXTS.map(Path)
    return st.sampled_from(kind)  # an enumeration


def records(kind):
    """Return a strategy for structs or named tuples of a class."""
    names = getattr(kind, "__struct_fields__", None) or kind._fields
    hints = get_type_hints(kind)
    fields = {name: values(hints[name]) for name in names}
    if kind is Finding:
        fields["items"] = st.tuples(values(Occurrence))  # never empty
    return st.builds(kind, **fields)


@pytest.mark.parametrize("kind", SENT, ids=str)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_every_value_comes_back(kind, data):
    """With the types of all that is in it, and NaN, -0.0 and halves of surrogate pairs."""
    value = data.draw(values(kind))
    raw = to_bytes(value)
    found = from_bytes(kind, raw)
    assert repr(found) == repr(value)
    assert to_bytes(found) == raw


@given(raw=st.binary())
def test_no_bytes_make_anything_else(raw):
    with pytest.raises(ValueError, match=r"\w"):
        from_bytes(Answer, raw)


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_what_is_wrong_is_a_value_error(data):
    raw = bytearray(to_bytes(data.draw(values(Answer))))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    try:
        found = from_bytes(Answer, raw)
    except ValueError:
        return
    assert isinstance(found, Answer)


@pytest.mark.parametrize("odd", [object(), {1, 2, object()}, 1j, [Report]], ids=range(4))
def test_what_cannot_be_written_is_not(odd):
    with pytest.raises(TypeError):
        to_bytes(Report("a", penalties={"a": odd}))


@pytest.mark.parametrize("name", ["a", "\ud800"], ids=["text", "half of a pair"])
def test_what_is_nested_too_deeply_is_not_written(name):
    nested = value = [name]
    for _ in range(99_999):
        nested.append(nested := [])
    with pytest.raises(TypeError):
        to_bytes(Report("a", penalties={"a": value}))


@pytest.mark.parametrize("encode", [msgspec.msgpack.encode, msgspec.json.encode])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": 3}, "file"),
        ({"penalties": {"a": ""}}, "penalties"),
        ({"not_run": [{}]}, "not_run"),
        ({"findings": [{"code": "", "name": "", "items": []}]}, "no items"),
    ],
)
def test_where_it_is_wrong_is_told(encode, change, said):
    with pytest.raises(ValueError, match=said):
        from_bytes(Report, encode({"file": "a", **change}))


def test_what_has_a_default_may_be_missing_and_what_is_not_known_is_left_out():
    assert from_bytes(Report, msgspec.msgpack.encode({"file": "a", "new": 1})) == Report("a")
