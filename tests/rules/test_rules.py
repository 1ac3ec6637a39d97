"""The rules: each is what its name says, documented, and right about its own examples."""

import ast
import contextlib
import json
import re
import shutil
import tempfile
import tomllib
from datetime import date
from pathlib import Path

import pytest
from command_line import run
from msgspec.structs import fields, replace
from paths import FIXTURES, MODELS

import regaudit
import regaudit.rules
from regaudit import discovery
from regaudit.rules.interface import Rule, own_rules
from regaudit.rules.interface import rules as all_rules
from regaudit.settings.config import Config, read_config
from regaudit.settings.presets import PRESETS

RULES = all_rules()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.about.code)
class TestEveryRule:
    def test_file_class_code_and_name_agree(self, rule):
        about = rule.about
        module = rule.__module__.rpartition(".")[2]
        assert module == f"{about.code.lower()}_{about.name.replace('-', '_')}"
        assert rule.__name__.lower() == about.name.replace("-", "")
        assert re.fullmatch(r"REG\d{3}", about.code)

    def test_is_documented(self, rule):
        about = rule.about
        for text in (
            about.title,
            about.what,
            about.rationale,
            about.source,
            about.fix,
            about.false_positives,
        ):
            assert len(text) > 15
        assert about.confidence in {"high", "medium", "low"}
        assert all(value is not None for value in rule.thresholds().values())

    def test_fires_on_its_bad_example_and_on_nothing_unexpected_in_it(self, rule):
        found = codes_in(rule, "bad")
        assert rule.about.code in found
        assert found - {rule.about.code} == expected(rule, "bad")

    def test_is_silent_on_its_good_example_as_every_other_rule_is(self, rule):
        assert codes_in(rule, "good") == expected(rule, "good")

    def test_what_its_explanation_says_to_write_is_taken_as_settings(self, rule, tmp_path):
        code, name = rule.about.code, rule.about.name
        page = run("explain", name, "--format", "markdown").output
        assert page == run("explain", code.lower(), "--format", "markdown").output
        settings = re.findall(r"```toml\n(\[+tool\..*?)```", page, re.DOTALL)
        file = tmp_path / "pyproject.toml"
        file.write_text("".join(settings))
        config = read_config(file)
        assert rule() in config.rules
        (ignore,) = config.ignores
        assert ignore.covers(code, name, "encoder/dense/kernel", "m.keras", date.max)
        assert not ignore.covers(code, name, "decoder/dense/kernel", "m.keras", date.max)
        for threshold, value in rule.thresholds().items():
            file.write_text(re.sub(rf"(?m)^{threshold} = .*", f"{threshold} = 7", settings[0]))
            assert rule(**{threshold: 7}) in read_config(file).rules, value
            assert rule() not in read_config(file).rules

    def test_its_explanation_shows_both_examples_whole(self, rule):
        page = run("explain", rule.about.code, "--format", "markdown").output
        kind = "toml" if rule.about.on_settings else "python"
        programs = re.findall(rf"```{kind}\n(?!\[+tool)(.*?)```", page, re.DOTALL)
        assert len(programs) == 2
        for program, shown in zip((rule.about.bad, rule.about.good), programs, strict=True):
            if kind == "toml":
                assert tomllib.loads(shown) == tomllib.loads(program)
            else:
                assert ast.dump(ast.parse(shown)) == ast.dump(ast.parse(program))


def codes_in(rule, kind):
    """Return the codes of what is found in an example of a rule."""
    if rule.about.on_settings:
        return codes_of_settings(getattr(rule.about, kind))
    file = example_file(rule.about, kind)
    config = replace(Config.default(), facts=rule.about.facts)
    report = regaudit.audit(file, config)
    assert report.failure is None
    return {finding.code for finding in report.findings}


def codes_of_settings(text):
    """Return the codes of what a check of a folder finds in its settings."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("regaudit.toml").write_text(text)
        shutil.copy(MODELS / "digits-cnn.keras", "digits.keras")
        result = run("check", "--format", "json")
    reports = json.loads(result.stdout)["reports"]
    (settings,) = [one for one in reports if one["format"] == "settings"] or [{"findings": ()}]
    return {finding["code"] for finding in settings["findings"]}


def example_file(about, kind):
    named = getattr(about, f"{kind}_file")
    return FIXTURES / named if named else FIXTURES / "rules" / about.code / f"{kind}.keras"


def expected(rule, kind):
    """Return what other rules rightly find: the table beside the examples says why."""
    table = FIXTURES / "rules" / rule.about.code / "expected.toml"
    pairs = tomllib.loads(table.read_text()).get(kind, {}) if table.exists() else {}
    assert all(len(reason) > 15 for reason in pairs.values())
    return set(pairs)


def test_markdown_has_a_section_for_each():
    lines = run("rules", "--format", "markdown").stdout.splitlines()
    assert [f"## {rule.about.code} {rule.about.name}" for rule in RULES] == [
        line for line in lines if line.startswith("## ")
    ]


def test_each_has_a_test_file_of_its_own():
    tested = {file.stem for file in Path(__file__).parent.glob("test_reg*.py")}
    names = discovery.names("regaudit.rules")
    modules = {name.partition("_")[0] for name in names if name.startswith("reg")}
    assert tested == {f"test_{code}" for code in modules}


def test_a_rule_is_a_frozen_struct_whose_fields_are_its_thresholds():
    class TestRule(Rule, frozen=True):
        about = RULES[0].about
        check = RULES[0].check
        min_parameters: float = 10_000

    rule = TestRule(min_parameters=5)
    assert [one.name for one in fields(rule)] == ["min_parameters"]
    assert repr(rule).endswith("TestRule(min_parameters=5)")
    assert rule == TestRule(5) != TestRule()
    assert hash(rule) == hash(TestRule(5))
    assert TestRule.thresholds() == {"min_parameters": 10_000}
    with pytest.raises(AttributeError, match="immutable"):
        rule.min_parameters = 6
    with pytest.raises(TypeError, match="max_parameters"):
        TestRule(max_parameters=5)


def test_presets_name_rules_and_thresholds_that_exist():
    known = {rule.about.code: rule.thresholds().keys() for rule in RULES}
    for preset in PRESETS.values():
        assert {*preset.off, *preset.severities, *preset.thresholds} <= known.keys()
        for code, thresholds in preset.thresholds.items():
            assert thresholds.keys() <= known[code]


def test_a_rule_is_added_by_one_file(tmp_path, monkeypatch):
    (tmp_path / "reg999_test_rule.py").write_text(
        Path(discovery.__file__)
        .with_name("rules")
        .joinpath("reg401_nonfinite_weight.py")
        .read_text()
        .replace("REG401", "REG999")
    )
    monkeypatch.setattr(regaudit.rules, "__path__", [*regaudit.rules.__path__, str(tmp_path)])
    own_rules.cache_clear()
    try:
        assert "REG999" in {rule.about.code for rule in all_rules()}
    finally:
        monkeypatch.undo()
        own_rules.cache_clear()
