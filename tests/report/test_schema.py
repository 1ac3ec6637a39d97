"""The JSON Schema that is shipped says what is written, no less and no more."""

import json

import pytest
from jsonschema import Draft202012Validator
from paths import FIXTURES, MODELS
from report_schema import SCHEMA, closed
from samples import sampled

import regaudit
from regaudit.report.document import document

FILES = sorted(
    file
    for folder in ("models", "rules", "corpus")
    for file in (FIXTURES / folder).rglob("*")
    if file.suffix in {".keras", ".h5"} and file.is_file()
)


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("part", sampled(range(8), every=8))
def test_every_fixture_is_written_by_it(part):
    assert len(FILES) > 300
    files = FILES[part::8]
    content = document([regaudit.audit(file) for file in files])
    Draft202012Validator(closed(SCHEMA)).validate(json.loads(json.dumps(content)))


def test_a_failure_is_written_by_it(tmp_path):
    content = document([regaudit.audit(tmp_path / "gone.keras")])
    assert content["reports"][0]["failure"]
    Draft202012Validator(closed(SCHEMA)).validate(json.loads(json.dumps(content)))


def test_it_refuses_what_it_should():
    content = document([regaudit.audit(MODELS / "digits-cnn.keras")])
    del content["reports"][0]["findings"]
    assert not Draft202012Validator(SCHEMA).is_valid(content)
