"""Results of strangers: a line is read and every renderer shows it, or it is left out."""

import copy
import json
import os

import pytest
from command_line import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from paths import FIXTURES, MODELS

import regaudit
from regaudit.model import Part
from regaudit.pages.models_page import models_page
from regaudit.renderers.interface import renderer
from regaudit.report.document import SCHEMA, record
from regaudit.report.read_record import report_of
from regaudit.report.read_results import LINE_BYTES, Malformed, read_results
from regaudit.report.view import View
from regaudit.rules.interface import rules

FORMATS = (
    "concise",
    "csv",
    "github",
    "json",
    "jsonl",
    "junit",
    "markdown",
    "notebook",
    "sarif",
    "terminal",
)
GOOD = {"schema": SCHEMA, **record(regaudit.audit(MODELS / "tutorial-l2.keras"))}
ABOUTS = [rule.about for rule in rules()]


def places(value, at=()):
    """Yield the way to everything in a record."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


PLACES = [place for place in places(GOOD) if place != ("schema",)]
NUMBERS = st.sampled_from(
    [0, -1, 1, 10**400, -(10**30), 2**63, 5e-324, 1e308, -1.7e308, float("nan"), float("inf")]
)
SCALARS = NUMBERS | st.none() | st.booleans() | st.text(max_size=5) | st.just("\ud800\x1b[0m")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def read(tmp_path, content):
    file = tmp_path / "r.jsonl"
    file.write_text(content, "utf-8")
    return list(read_results(file))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=2))
def test_any_field_may_be_anything(tmp_path, changes):
    changed = copy.deepcopy(GOOD)
    for (*way, last), value in changes:
        inner = changed
        try:
            for key in way:
                inner = inner[key]
            inner[last] = value
        except (TypeError, LookupError):  # the first change left no such place
            continue
    (found,) = read(tmp_path, json.dumps(changed) + "\n")
    if isinstance(found, Malformed):
        return
    for name in FORMATS:
        text = renderer(name).render([found, found], ABOUTS, View())
        text.encode()
        if name in {"json", "sarif"}:
            json.loads(text, parse_constant=pytest.fail)
    models_page([found, found], ABOUTS, View(of_results=True))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [10**4000] * 3000),
        ("shape", [2**61, 2**61]),
        ("shape", [-1, 640]),
        ("shape", [1] * 1000),
        ("penalty", 10**400),
        ("l2_norm", float("nan")),
        ("l1_norm", -1.0),
        ("zeros", -5),
        ("zeros", 10**18),
        ("dead_units", 10**9),
    ],
)
def test_numbers_that_nothing_can_have_are_left_out(tmp_path, key, value):
    changed = copy.deepcopy(GOOD)
    changed["layers"][0]["weights"][0][key] = value
    bad, good = read(tmp_path, json.dumps(changed) + "\n" + json.dumps(GOOD) + "\n")
    assert isinstance(bad, Malformed)
    assert good.file == GOOD["file"]
    result = run("report", "--from", str(tmp_path / "r.jsonl"), "--html", str(tmp_path / "o.html"))
    assert result.exit_code == 3
    assert "skipped" in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe{\x00",
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'{"schema":"regaudit/1","a":1e999}',
        b'{"schema":"regaudit/1","reports":' + b"[" * 200 + b"]" * 200 + b"}",
        b"x" * (LINE_BYTES + 5),
    ],
    ids=range(7),
)
def test_what_is_no_line_of_results_is_left_out(tmp_path, line):
    file = tmp_path / "r.jsonl"
    file.write_bytes(line + b"\n" + json.dumps(GOOD).encode() + b"\n")
    bad, good = read_results(file)
    assert isinstance(bad, Malformed)
    assert good.file == GOOD["file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_devices_and_folders_are_no_results(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", "/dev/zero", tmp_path, tmp_path / ("a" * 300)):
        result = run("report", "--from", str(place), "--json", str(tmp_path / "o.json"))
        assert result.exit_code == 2, result.output
        assert "cannot be read" in result.stderr


ADDED = ("compiled", "compiled_known", "optimizer_known", "loads_with", "optimizer_parts")
"""What results of before do not say of a model, `inner_optimizers` apart."""


def test_results_from_before_optimizers_could_be_unknown_are_read(tmp_path):
    before = copy.deepcopy(GOOD)
    for key in (*ADDED, "inner_optimizers"):
        del before["model"][key]
    for key in ("around", "scales_decay", "weight_decay_known", "learning_rate_known"):
        del before["model"]["optimizer"][key]
    for rule in before["not_run"]:
        del rule["layers"]
    (found,) = read(tmp_path, json.dumps(before) + "\n")
    assert (found.model.compiled, found.model.optimizer.decay_known) == (True, True)


def test_optimizers_beside_and_inside_each_other_come_back(tmp_path):
    report = regaudit.audit(MODELS / "tutorial-l2.keras")
    one = replace(report.model.optimizer, around=("Addons>SWA",), scales_decay=None)
    parts = (Part(("dense/.*",), one), Part((), one), Part(("a", "b"), one, names=True))
    unknown = replace(one, decay_known=False)
    model = replace(
        report.model,
        optimizer=unknown,
        optimizer_known=False,
        parts=parts,
        inner_optimizers={"inner": None, "other": one},
    )
    written = {"schema": SCHEMA, **record(replace(report, model=model))}
    (found,) = read(tmp_path, json.dumps(written) + "\n")
    assert (found.model.parts, found.model.optimizer) == (parts, unknown)
    assert found.model.inner_optimizers == model.inner_optimizers
    assert {"schema": SCHEMA, **record(found)} == written


LATER = {
    *(
        "regularizer_known",
        "activity_regularizer_known",
        "trainable_known",
        "unplaced_regularizers",
    ),
    *("regularized", "not_regularized", "regularizer_unknown"),
    *("trainable_parameters_known", "unknown_parameters"),
    *("custom_class", "placed_as"),
}
"""Keys that results of the first version do not have, wherever they stand."""


def without_later(value):
    """Return a record as the first version wrote it."""
    if isinstance(value, dict):
        loose = "weights" in value and isinstance(value["weights"], list)
        left = {"unplaced_regularizers"} if loose else set()  # of a layer: it was there
        return {key: without_later(v) for key, v in value.items() if key not in LATER - left}
    return [without_later(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "name",
    [
        "models/digits-cnn.keras",
        "models/regularized-cnn.keras",
        "apply/custom.keras",
        "apply/regularized.directory/model.weights.h5",
        "corpus/keras-3.3.3/custom_layer.keras",
    ],
)
def test_results_of_before_say_what_is_known_by_what_they_have(name):
    audited = regaudit.audit(FIXTURES / name)
    found = without_later(record(audited))
    if found["model"]["class_name"] and name.startswith("models"):
        old = report_of(found)
    else:  # of custom layers and weights alone it counted all as trainable, and no penalty
        found["model"]["trainable_parameters"] = found["model"]["parameters"]
        for weight in (weight for layer in found["layers"] for weight in layer["weights"]):
            weight["trainable"] = True
            weight["penalty"] = weight["penalty"] or 0.0
            if found["penalty"]["total"]:
                weight["penalty_share"] = weight["penalty_share"] or 0.0
        old = report_of(found)
    before = {w.path: w.regularizer_known for _, w in audited.model.weights()}
    assert {w.path: w.regularizer_known for _, w in old.model.weights()} == before
    assert old.coverage.regularized == audited.coverage.regularized
    told = {layer.path: layer.activity_known for layer in audited.model.layers if layer.class_name}
    for layer in old.model.layers:
        custom = ">" in layer.class_name
        assert layer.activity_known is told.get(layer.path, False) or custom


def test_what_is_known_is_read_back():
    audited = regaudit.audit(FIXTURES / "corpus/keras-3.3.3/custom_layer.keras")
    read_back = report_of(json.loads(json.dumps(record(audited))))
    for one, other in zip(audited.model.layers, read_back.model.layers, strict=True):
        assert one.activity_known is other.activity_known
        for stored, back in zip(one.weights, other.weights, strict=True):
            assert stored.regularizer_known is back.regularizer_known
            assert stored.trainable_known is back.trainable_known
    assert record(read_back) == record(audited)


def test_results_of_before_structs_are_read_and_written_as_they_were():
    """`fixtures/results/0.1.0.jsonl` was written before reports were described in one place."""
    file = FIXTURES / "results" / "0.1.0.jsonl"
    lines = file.read_text("utf-8").splitlines()
    for report, line in zip(read_results(file), lines, strict=True):
        written = json.loads(line)
        kept = {key: value for key, value in written.items() if key not in {"schema", "regaudit"}}
        assert twelve_digits(record(report)) == twelve_digits(kept)


def twelve_digits(content):
    """Return JSON with its floats rounded: Python 3.12 and later add them more exactly."""
    text = json.dumps(content)
    return json.dumps(json.loads(text, parse_float=lambda number: float(f"{float(number):.12g}")))


def test_an_indented_document_is_one_line(tmp_path):
    one = {key: value for key, value in GOOD.items() if key != "schema"}
    document = {"schema": SCHEMA, "regaudit": "0", "reports": [one, one]}
    found = read(tmp_path, json.dumps(document, indent=2) + "\n")
    assert [record(each) for each in found] == [one, one]
    (cut,) = read(tmp_path, json.dumps(document, indent=2)[:-5])
    assert "truncated" in cut.reason
