"""Values of our own classes as JSON: what can be annotated comes back, and no text makes else."""

import json
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regaudit.measures.spectrum import Spectrum
from regaudit.report.report import Finding, Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.typed_json import from_json, made, to_json
from regaudit.running.shares import Share
from regaudit.running.worker_process import Answer
from regaudit.running.workers import Plan

TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
"""Halves of surrogate pairs too."""
OWN = {
    bool: st.booleans(),
    int: st.integers() | st.sampled_from([10**400, -(1 << 64)]),
    float: st.floats() | st.integers(),
    str: TEXTS | st.just("\ud83d\ude00"),
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
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in {Any, object}:
        return JSON
    if kind in OWN:
        return OWN[kind]
    if origin in {Union, UnionType}:
        return st.one_of(*map(values, arguments))
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is Mapping:
        return st.dictionaries(*map(values, arguments), max_size=2)
    if kind is Path:
        return TEXTS.map(Path)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    fields = {key: values(hint) for key, hint in get_type_hints(kind).items()}
    if kind is Finding:
        fields["items"] = st.tuples(values(Occurrence))  # never empty
    return st.builds(kind, **fields)


@pytest.mark.parametrize("kind", SENT, ids=str)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_value_comes_back(kind, data):
    """With the types of all that is in it, and NaN, -0.0 and halves of surrogate pairs."""
    value = data.draw(values(kind))
    assert repr(from_json(kind, to_json(kind, value))) == repr(value)


def changed(value, other, data):
    """Return JSON with something in it in another's place."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: changed(value[key], other, data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 5)):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], changed(value[place], other, data), *value[place + 1 :]]
    return other


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_wrong_is_a_value_error(data):
    plain = json.loads(to_json(Answer, data.draw(values(Answer))))
    text = json.dumps(changed(plain, data.draw(JSON), data))
    try:
        found = from_json(Answer, text)
    except ValueError:
        return
    assert isinstance(found, Answer)


@given(text=st.binary())
def test_no_text_makes_anything_else(text):
    with pytest.raises(ValueError, match=r"\w"):
        from_json(Answer, text)


class Pair(NamedTuple):
    first: int
    second: tuple[int, str] = (1, "")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 1.5),
        (float, "1"),
        (str, b""),
        (bytes, ""),
        (int, 10**5000),
        (Any, (1, 2)),
        (Any, {1: 2}),
        (Any, {"a": [date(2020, 1, 1)]}),
        (int | str, 1.5),
        (int | str, True),
        (tuple[int, str], (1,)),
        (tuple[int, ...], [1]),
        (Mapping[str, int], {1: 1}),
        (Severity, 1),
        (Report, Spectrum((1, 1), 1.0, 0.0)),
        (Report, Report("a", findings=[])),
        (set, {1}),
    ],
    ids=range(18),
)
def test_what_would_not_come_back_is_not_written(kind, value):
    with pytest.raises(TypeError):
        to_json(kind, value)


def test_what_is_nested_too_deeply_is_not_written():
    nested = value = []
    for _ in range(9_999):
        nested.append(nested := [])
    with pytest.raises(TypeError):
        to_json(Any, value)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (Report, {"file": 3}, "report.file is not of type str"),
        (Report, {}, "report has no file"),
        (Report, {"file": "", "not_run": [{}]}, "report.not_run[0] has no code"),
        (Report, {"file": "", "penalties": {"a\x1b": ""}}, r"report.penalties['a\x1b'] is not of"),
        (Severity, "bad", "severity is not of type Severity"),
        (Severity, ["note"], "severity is not of type Severity"),
        (Pair, [], "pair is too short or too long"),
        (Pair, [1, [2]], "pair[1] is too short or too long"),
        (Share | Report, {"Plan": {}}, "it is of none of its types"),
        (Mapping[int, int], {"a": 1}, "mapping has a key of another type"),
        (bytes, "\xff", "bytes is not of type bytes"),
        (float, 10**400, "float is beyond the largest float"),
        (Finding, {"code": "", "name": "", "items": []}, "finding has no items"),
    ],
)
def test_where_it_is_wrong_is_told(kind, value, said):
    with pytest.raises(ValueError, match=r"\w") as error:
        made(kind, value)
    assert str(error.value).startswith(said)


def test_what_has_a_default_may_be_missing_and_what_is_not_known_is_left_out():
    assert made(Pair, [3]) == Pair(3)
    assert made(Report, {"file": "a", "new": 1}) == Report("a")
