"""Every promise in SECURITY.md names tests that are there."""

import ast
import re

import pytest
from paths import ROOT

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)


def names_of_tests(file):
    """Yield the names of tests, those of classes behind that of the class."""
    for node in ast.parse((ROOT / file).read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{one.name}" for one in node.body if hasattr(one, "name"))
        elif isinstance(node, ast.FunctionDef):
            yield node.name


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file, name):
    assert name.rpartition("::")[2].startswith("test_")
    assert name in set(names_of_tests(file))


def test_every_promise_names_one():
    rows = re.findall(r"^\| (?!promise)(.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) > 15
    assert [promise for promise, named in rows if not re.findall(r"`tests/.+?::", named)] == []
