"""`check`, `suggest` and `apply` on files that do not tell what is regularized."""

import json
from xml.etree import ElementTree as ET

import pytest
from command_line import run
from paths import FIXTURES

ALONE = FIXTURES / "apply/regularized.directory/model.weights.h5"
CUSTOM = FIXTURES / "corpus/keras-3.15.1/custom_cell.h5"
KNOWN = FIXTURES / "rules/REG101/good.keras"
GIVE_IT = "give the model's to_json() with --config model.json"


@pytest.mark.parametrize("file", [ALONE, CUSTOM])
def test_check_passes_and_says_what_it_could_not_judge(file):
    result = run("check", "--isolated", file)
    assert result.exit_code == 0
    assert "weights could not be judged: " in result.output
    assert (GIVE_IT in " ".join(result.output.split())) is (file is ALONE)


@pytest.mark.parametrize("file", [ALONE, CUSTOM])
def test_it_fails_where_that_is_asked_for(file, tmp_path):
    result = run("check", "--isolated", "--fail-on-unknown", file)
    assert result.exit_code == 1
    assert "Failed: 1 model of which no regularizer is known" in result.output
    settings = tmp_path / "regaudit.toml"
    settings.write_text('unknown = "fail"\n', "utf-8")
    assert run("check", "--config", settings, file).exit_code == 1
    assert 'unknown = "fail"' in run("check", "--config", settings, "--show-settings").output


def test_what_is_known_passes_either_way():
    result = run("check", "--isolated", "--fail-on-unknown", KNOWN)
    assert result.exit_code == 0
    assert "judged" not in result.output
    assert 'unknown = "pass"' in run("check", "--isolated", "--show-settings").output


def test_another_value_is_refused(tmp_path):
    settings = tmp_path / "regaudit.toml"
    settings.write_text('unknown = "error"\n', "utf-8")
    result = run("check", "--config", settings, KNOWN)
    assert result.exit_code == 2
    assert 'unknown must be one of pass, fail, not "error"' in result.output.replace("'", '"')


def test_a_run_that_prints_nothing_says_it_on_standard_error(tmp_path):
    result = run("check", "--isolated", "--fail-on-unknown", ALONE, "-o", tmp_path / "out.txt")
    assert result.exit_code == 1
    assert "4 weights could not be judged" in result.stderr
    assert "unknown is set to fail" in result.stderr


@pytest.mark.parametrize(("flags", "tag"), [((), "skipped"), (("--fail-on-unknown",), "failure")])
def test_junit_has_a_case_of_its_own(flags, tag):
    result = run("check", "--isolated", "--format", "junit", ALONE, *flags)
    case = ET.fromstring(result.stdout).find(".//testcase[@name='regularizers known']")
    assert GIVE_IT in case.find(tag).get("message")


@pytest.mark.parametrize(("flags", "level"), [((), "warning"), (("--fail-on-unknown",), "error")])
def test_sarif_notifies(flags, level):
    result = run("check", "--isolated", "--format", "sarif", ALONE, *flags)
    (invocation,) = json.loads(result.stdout)["runs"][0]["invocations"]
    said = {
        one["message"]["text"]: one["level"] for one in invocation["toolExecutionNotifications"]
    }
    assert next(level for text, level in said.items() if "could not be judged" in text) == level
    assert len(said) < 10  # rules that lack the same are one remark


def test_rules_are_listed_as_not_run_wholly_or_for_the_layers_that_are_not_known():
    found = {}
    for file in (ALONE, FIXTURES / "apply/custom.keras"):
        result = run("check", "--isolated", "--format", "json", file)
        (report,) = json.loads(result.stdout)["reports"]
        found[file.name] = {one["code"]: one for one in report["not_run"]}
        assert not report["findings"]
    for code in ("REG101", "REG102", "REG103", "REG308"):
        alone, custom = found["model.weights.h5"][code], found["custom.keras"][code]
        assert (alone["partly"], alone["layers"]) == (False, [])
        assert "configuration" in alone["needs"]
        assert (custom["partly"], custom["layers"]) == (True, ["mine"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("suggest",),
        *(
            ("apply", "--dry-run", *how)
            for how in (
                ("--set", "*:kernel=l2(1e-4)"),
                ("--remove", "*"),
                ("--suggested",),
                ("--recipe", "VGG16"),
                ("--to-adamw",),
            )
        ),
    ],
    ids=" ".join,
)
def test_weights_alone_are_neither_advised_on_nor_edited(arguments):
    command, *options = arguments
    result = run(command, ALONE, *options)
    assert result.exit_code == 3
    assert "contains weights only: which of them are regularized is unknown" in result.stderr
    assert "give the whole model" in result.stderr
