"""`--layer` restricts what is shown and what was found, in every format and for the exit code."""

import json

import pytest
from command_line import USABLE, run
from paths import MODELS

from regaudit import audit

MODEL = MODELS / "everything.keras"


@pytest.fixture(scope="module")
def places():
    """The layer of each place of a finding."""
    report = audit(MODEL)
    found = [item.path for one in report.findings for item in one.items if item.path]
    return {path.rpartition("/")[0] or path: path for path in found}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("format_", sorted({*USABLE} - {"parquet"}))
@pytest.mark.parametrize("command", ["check", "inspect", "report"])
def test_nothing_is_said_of_what_was_found_elsewhere(command, format_, places):
    layer = "frozen"
    said = run(command, MODEL, "--layer", layer, "--output", f"{format_}:-").stdout
    assert places[layer] in said
    assert not [path for other, path in places.items() if other != layer and path in said]


@pytest.mark.parametrize("layer", ["nosuch", "conv_"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", MODEL),
        ("inspect", MODEL),
        ("diff", MODEL, MODEL),
        ("report", MODEL, "--json", "-"),
    ],
)
def test_a_glob_that_matches_nothing_is_wrong_usage(arguments, layer):
    result = run(*arguments, "--layer", layer)
    assert result.exit_code == 2
    assert f"no layer matches '{layer}'" in result.stderr


def test_the_nearest_layer_is_named(places):
    layer = min(places)
    assert f"did you mean '{layer}'" in run("check", MODEL, "--layer", f"{layer}x").stderr


def test_a_file_that_could_not_be_read_may_have_such_a_layer():
    result = run("check", MODEL, "gone.keras", "--layer", "nosuch")
    assert result.exit_code == 3
    assert "no layer matches 'nosuch'" in result.stderr


def test_the_exit_code_is_that_of_what_is_shown(places):
    codes = {
        layer: run("check", MODEL, "--layer", layer, "--fail-on", "note").exit_code
        for layer in (*places, "spectral", "tokens")
    }
    assert codes == dict.fromkeys(places, 1) | {"spectral": 0, "tokens": 0}


def test_so_it_is_in_a_report_on_results(places):
    run("check", MODEL, "--format", "jsonl", "-o", "results.jsonl")
    layer = min(places)
    made = run("report", "--from", "results.jsonl", "--layer", layer, "--json", "-")
    found = json.loads(made.stdout)["reports"][0]["findings"]
    assert {item["path"] for one in found for item in one["items"]} == {
        item.path
        for one in audit(MODEL).findings
        for item in one.items
        if f"{item.path}/".startswith(f"{layer}/")
    }
    assert run("report", "--from", "results.jsonl", "--layer", "no", "--json", "-").exit_code == 2


def test_a_baseline_is_held_against_all_layers(places):
    run("baseline", "write", MODEL)
    result = run("check", MODEL, "--baseline", ".regaudit-baseline.json", "--layer", min(places))
    assert result.exit_code == 0
    assert "no longer found" not in result.stderr
