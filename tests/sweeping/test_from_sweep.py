"""A sweep shown later: by `suggest --from` and by `report --from-sweep`."""

import ast
import json
from hashlib import sha256

import pytest
from command_line import run
from harmless import assert_harmless, assert_quoted, assert_whole
from msgspec.structs import replace
from page_values import Page
from paths import MODELS
from sweep_values import ALL, SETTING, change_nothing, l2, one_kind, rung

from regaudit.report.proposal import Edit
from regaudit.sweeping import document

DIGITS = MODELS / "digits-cnn.keras"


@pytest.fixture
def written(tmp_path):
    def write(sweep):
        file = tmp_path / "sweep.json"
        file.write_text(document.to_json(sweep))
        return file

    return write


def test_suggest_shows_what_was_chosen(written):
    file = written(one_kind())
    done = run("suggest", "--from", file)
    assert done.exit_code == 0
    assert "conv/0   kernel_regularizer  L2(l2=0.004)" in done.output
    assert "validation loss 0.312 -> 0.271" in done.output
    assert f"regaudit apply digits.keras -o OUT --from {file}" in done.output


def test_suggest_writes_code_and_edits(written):
    file = written(one_kind())
    code = run("suggest", "--from", file, "--format", "code").output
    assert "Layer(..., kernel_regularizer=keras.regularizers.L2(0.004))  # conv/0" in code
    found = json.loads(run("suggest", "--from", file, "--format", "json").output)
    assert found["chosen"] == "l2 x4"
    assert found["edits"] == json.loads(file.read_text())["edits"]


def test_suggest_says_that_there_is_nothing_to_change(written):
    assert (
        "There is nothing to change." in run("suggest", "--from", written(change_nothing())).output
    )


@pytest.mark.parametrize(
    "value",
    [
        {"class_name": "L2", "config": {"__import__('os')": 1.0}},
        {"class_name": "L2", "config": {"l2": "__import__('os')"}},
        {"class_name": ["L2"], "config": {"l2": 1.0}},
        {"class_name": "L2", "config": []},
        {"class_name": "L2"},
        {},
        {"class_name": "x\n__import__('os')", "config": {}},
    ],
)
def test_code_is_of_penalties_alone(written, value):
    odd = rung(4, 0.2, edits=(Edit("a", "kernel_regularizer", value), Edit("b", "x=1)\ny", None)))
    sweep = replace(one_kind(), candidates=(odd,))
    done = run("suggest", "--from", written(sweep), "--format", "code")
    assert done.exit_code == 0
    assert not ast.parse(done.output).body
    assert run("suggest", "--from", written(sweep)).exit_code == 0


@pytest.mark.parametrize("format_", ["terminal", "code", "json"])
def test_nothing_of_a_name_is_acted_on(written, format_):
    arguments = ("suggest", "--from", written(ALL["hostile"]()), "--format", format_)
    output = run(*arguments).output
    assert_harmless(arguments, output)
    assert_whole(format_, output)
    if format_ == "terminal":
        assert_quoted(arguments, output)


@pytest.mark.parametrize("also", [(str(DIGITS),), ("--train-loss", "0.1")])
def test_a_sweep_needs_no_model_and_no_losses(written, also):
    done = run("suggest", "--from", written(one_kind()), *also)
    assert done.exit_code == 2
    assert "--from SWEEP tells all" in done.output


def test_suggest_needs_a_model_or_a_sweep(tmp_path):
    assert "Missing argument 'MODEL'" in run("suggest").output
    file = tmp_path / "other.json"
    file.write_text("{}")
    done = run("suggest", "--from", file)
    assert done.exit_code == 2
    assert "other.json is not a sweep" in done.output


def of_digits(**changes):
    digest = sha256(DIGITS.read_bytes()).hexdigest()
    setting = replace(SETTING, **{"file": str(DIGITS), "sha256": digest, **changes})
    return replace(one_kind(), setting=setting)


def test_the_page_of_a_report_has_the_sweep(written, tmp_path):
    page = tmp_path / "report.html"
    done = run("report", DIGITS, "--html", page, "--from-sweep", written(of_digits()))
    assert done.exit_code == 0
    found = Page(page.read_text())
    assert "What a sweep found 4 times the suggestion: validation loss" in found.words
    assert {"sweep", "sweep-strength", "sweep-compared"} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"sha256": ""}, True),
        ({"file": "moved.keras"}, True),
        ({"sha256": "00" * 32}, False),
        ({"sha256": "", "file": "other.keras"}, False),
    ],
)
def test_a_sweep_of_another_model_is_refused(written, tmp_path, changes, fits):
    page = tmp_path / "report.html"
    done = run("report", DIGITS, "--html", page, "--from-sweep", written(of_digits(**changes)))
    assert done.exit_code == (0 if fits else 2)
    assert page.exists() == fits
    assert ("a sweep of another model" in done.output) != fits


def test_a_sweep_is_shown_on_the_page_of_one_model(written, tmp_path):
    file, page = written(of_digits()), tmp_path / "report.html"
    done = run("report", DIGITS, "--markdown", tmp_path / "r.md", "--from-sweep", file)
    assert done.exit_code == 2
    assert "needs a MODEL and --html" in done.output
    other = MODELS / "tutorial-l2.keras"
    done = run("report", DIGITS, other, "--html", page, "--from-sweep", file)
    assert done.exit_code == 2
    assert "about one model" in done.output


def test_an_edit_of_the_optimizer_is_a_weight_decay(written):
    decay = Edit("", "optimizer", {"class_name": "AdamW", "weight_decay": 0.004})
    sweep = replace(one_kind(), candidates=(rung(4, 0.2, edits=(decay, l2(0.1))),))
    assert "AdamW(weight_decay=0.004)" in run("suggest", "--from", written(sweep)).output
    code = run("suggest", "--from", written(sweep), "--format", "code").output
    assert "keras.optimizers.AdamW(..., weight_decay=0.004)" in code
