"""Settings beyond rules and thresholds: overrides, what is in force, and ignores that rot."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from command_line import run
from msgspec.structs import replace
from paths import MODELS

from regaudit.cli.config import TEMPLATE
from regaudit.report.severity import Severity
from regaudit.settings.config import Config, read_config


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Run in a folder with an overfit model."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODELS / "digits-cnn.keras", "digits.keras")


def found(*arguments):
    """Return (code, path, severity) of everything a check of the folder finds."""
    result = run("check", *arguments, "--format", "json")
    return [
        (finding["code"], item["path"], item["severity"])
        for report in json.loads(result.stdout)["reports"]
        for finding in report["findings"]
        for item in finding["items"]
    ]


STRICT = 'preset = "strict"\nselect = ["REG101"]\n'
ALL = [
    ("REG101", "hidden/kernel", "error"),
    ("REG101", "digit/kernel", "error"),
    ("REG101", "conv/kernel", "error"),
]


TWO = (
    'model = "*"\nrules.REG101.min_parameters = 1_000\n'
    '[[override]]\nlayer = "digit"\nrules.REG101.min_parameters = 1_000_000'
)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("", ALL),
        ('model = "other*"\nrules.REG101.severity = "note"', ALL),
        ('model = "digits*"\nrules.REG101.min_parameters = 1_000', ALL[:2]),
        (
            'layer = "hidden"\nrules.REG101.severity = "note"',
            [*ALL[1:], ("REG101", "hidden/kernel", "note")],
        ),
        ('layer = "conv"\nrules.REG101.min_parameters = 1_000', ALL[:2]),
        (
            'model = "digits*"\nlayer = "[cd]*"\nrules.REG101.severity = "warning"',
            [ALL[0], *((code, path, "warning") for code, path, _ in ALL[1:])],
        ),
        (
            TWO,
            ALL[:1],
        ),
    ],
)
def test_overrides_are_for_some_models_or_layers(override, expected):
    Path("regaudit.toml").write_text(f"{STRICT}[[override]]\n{override}" if override else STRICT)
    assert found() == expected


def test_facts_may_differ_by_model():
    Path("regaudit.toml").write_text(
        '[[override]]\nmodel = "digits*"\ntrain-loss = 0.003\nval-loss = 0.39\n'
    )
    assert "REG205" in {code for code, _, _ in found()}
    assert "REG101" in {code for code, _, _ in found()}
    assert found("--select", "REG4") == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("override = 3", "override must be a list of tables"),
        ("[[override]]\nrules.REG101.min_parameters = 1", "needs a model or a layer"),
        ('[[override]]\nmodel = "*"\nselect = ["REG1"]', "unknown setting 'override[0].select'"),
        ('[[override]]\nlayer = "*"\ntrain-loss = 1.0', "override of a layer has no train-loss"),
        ('[[override]]\nmodel = "x"\nrules.REG1.x = 1', "unknown rule 'REG1'"),
        (
            '[[override]]\nmodel = "x"\nlayer = "y"\nrules.REG101.x = 1',
            "'override[0].rules.REG101.x'",
        ),
        (
            '[[override]]\nmodel = "m*[x]"\nrules.REG101.x = 1',
            "'override[0].rules.REG101.x'",
        ),
        ('[[override]]\nmodel = "x"\ntrain-loss = "low"', "train-loss must be a finite number"),
        ("[[override]]\nmodel = 3", "override[0].model must be a glob"),
        ("baseline = 3", "baseline must be the path of a file"),
    ],
)
def test_wrong_overrides_are_usage_errors(override, said):
    Path("regaudit.toml").write_text(override)
    result = run("check", "digits.keras")
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_shown_settings_read_back_are_the_same():
    Path("regaudit.toml").write_text(
        'preset = "finetune"\nmodels = ["a", "b \\" c"]\nfail-on = "note"\ntrain-size = 10\n'
        "[limits]\nlayers = 77\n[rules.REG101]\nmin_parameters = 7\n"
        '[[override]]\nmodel = "x*"\nlayer = "y"\nrules.REG402.min_share = 0.5\n'
        '[[ignore]]\ncode = "REG402"\nreason = "known"\nexpires = 9999-12-31\n'
    )
    result = run("check", "--show-settings")
    assert result.exit_code == 0
    Path("again.toml").write_text(result.stdout)
    old, new = read_config(Path("regaudit.toml")), read_config(Path("again.toml"))
    same = {"file": None, "content": {}, "severities": {}}
    assert replace(old, **same) == replace(new, **same)
    assert new.limits.layers == 77
    assert new.severities["REG101"] is Severity.NOTE


def test_a_settings_file_is_made_and_never_replaced():
    assert run("config", "init").exit_code == 0
    assert Path("regaudit.toml").read_text() == TEMPLATE
    again = run("config", "init")
    assert (again.exit_code, "is not changed" in again.output) == (2, True)
    assert found() == [("REG101", "hidden/kernel", "error")]


def test_every_line_of_the_template_is_valid():
    lines = [line.removeprefix("# ") for line in TEMPLATE.splitlines()]
    text = "\n".join(line for line in lines if "=" in line or line.startswith("["))
    assert set(tomllib.loads(text)) >= {"models", "baseline", "rules", "override", "ignore"}
    Path("all.toml").write_text(text)
    assert len(read_config(Path("all.toml")).overrides) == 1


IGNORE = '[[ignore]]\ncode = "REG101"\nlayer = "{}"\nreason = "known"\n'


def test_an_ignore_that_covers_nothing_is_found_once_everything_was_seen():
    Path("regaudit.toml").write_text(IGNORE.format("nowhere"))
    assert ("REG902", "", "warning") in found()
    assert "the ignore of REG101 at nowhere covers nothing: known" in " ".join(
        run("check").output.split()
    )
    assert "REG902" not in {code for code, _, _ in found("digits.keras")}
    assert "REG902" not in {code for code, _, _ in found("--ignore", "REG902")}
    assert "REG902" not in {code for code, _, _ in found("--ignore", "REG101")}
    Path("regaudit.toml").write_text(IGNORE.format("hidden"))
    assert found() == []


def test_an_expired_ignore_is_found_wherever_the_settings_are_read():
    Path("regaudit.toml").write_text(IGNORE.format("hidden") + "expires = 2020-01-01\n")
    codes = {code for code, _, _ in found("digits.keras")}
    assert codes == {"REG101", "REG903"}
    assert run("check", "digits.keras", "--ignore", "REG101").exit_code == 0
    strict = ("check", "digits.keras", "--ignore", "REG101", "--fail-on", "warning")
    assert run(*strict).exit_code == 1


@pytest.mark.parametrize(
    "format_", ["terminal", "markdown", "html", "json", "jsonl", "sarif", "junit", "github"]
)
@pytest.mark.parametrize("command", ["check", "inspect"])
def test_every_format_shows_what_is_wrong_with_the_settings(command, format_):
    Path("regaudit.toml").write_text(IGNORE.format("nowhere"))
    output = run(command, "--format", format_, "-v").output
    assert "REG902" in output
    assert "regaudit.toml" in output
    assert "nothing was read" not in output


def test_rules_of_a_lower_confidence_do_not_run():
    every, sure = Config.default(), Config.default(min_confidence="high")
    assert {rule.about.confidence for rule in sure.rules} == {"high"}
    assert [r for r in every.rules if r.about.confidence == "high"] == list(sure.rules)
