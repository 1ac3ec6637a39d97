"""Which plug-ins are there, and what two of them may not both be called."""

import re
import sys
from pathlib import Path

import pytest
from command_line import run
from paths import MODELS
from plug_ins import RULE, distribution, install

from regaudit.plugins.installed import installed

OWN = MODELS / "digits-cnn.keras"

FORMAT = """
from regaudit.formats import Format
class Kind(Format):
    name = "NAME"
    suffixes = ("SUFFIX",)
    def sniff(self, file): return False
    def read(self, file, architecture=None): raise NotImplementedError
"""


def format_of(name, suffix):
    return FORMAT.replace("NAME", name).replace("SUFFIX", suffix)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            ({"rules": {"ACME101": "Sound"}}, RULE),
            ({"rules": {"ACME101": "Sound"}}, RULE),
            "the rule ACME101 is both of one-rules 1.0 and of two-rules 1.0",
        ),
        (
            ({"rules": {"ACME101": "Sound"}}, RULE),
            ({"rules": {"OTHER101": "Sound"}}, RULE.replace("ACME101", "OTHER101")),
            "the name of a rule layer-name is both of one-rules 1.0 and of two-rules 1.0",
        ),
        (
            ({"rules": {"ACME101": "Sound"}}, RULE.replace("layer-name", "dead-units")),
            None,
            "the name of a rule dead-units is both of regaudit itself and of one-rules 1.0",
        ),
        (
            ({"formats": {"kind": "Kind"}}, format_of("kind", ".kind")),
            ({"formats": {"sort": "Kind"}}, format_of("sort", ".kind")),
            "the suffix .kind is both of one-rules 1.0 and of two-rules 1.0",
        ),
        (
            ({"formats": {"kind": "Kind"}}, format_of("kind", ".keras")),
            None,
            "the suffix .keras is both of regaudit itself and of one-rules 1.0",
        ),
        (
            ({"renderers": {"json": "Kind"}}, ""),
            None,
            "the renderer json is both of regaudit itself and of one-rules 1.0",
        ),
        (({"rules": {"REG999": "Sound"}}, RULE), None, "one-rules 1.0 calls a rule 'REG999'"),
        (({"rules": {"acme101": "Sound"}}, RULE), None, "one-rules 1.0 calls a rule 'acme101'"),
        (({"renderers": {"My_One": "A"}}, ""), None, "one-rules 1.0 calls a renderer 'My_One'"),
    ],
)
def test_what_clashes_is_a_usage_error(tmp_path, monkeypatch, first, second, said):
    folders = []
    for name, made in (("one-rules", first), ("two-rules", second)):
        if made:
            entry_points, module = made
            folders.append(distribution(tmp_path / name, name, module, **entry_points))
    install(monkeypatch, *folders)
    result = run("check", OWN)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert said in line
    assert "--no-plugins" in line
    assert run("check", OWN, "--no-plugins").exit_code == 1
    if second:
        monkeypatch.chdir(tmp_path)
        Path("regaudit.toml").write_text('plugins = ["one-rules"]')
        assert run("check", OWN).exit_code == 1


def test_the_working_directory_is_no_place_of_plug_ins(tmp_path, monkeypatch):
    distribution(tmp_path, "acme-rules", RULE, rules={"ACME101": "Sound"})
    for place in ("", str(tmp_path)):
        monkeypatch.setattr(sys, "path", [place, *sys.path])
    monkeypatch.chdir(tmp_path)
    assert not installed()
    monkeypatch.chdir(tmp_path.parent)
    assert [one.source for one in installed()] == ["acme-rules 1.0"]


def test_help_and_version_ask_no_plug_in(tmp_path, monkeypatch):
    module = "raise SystemExit('imported')"
    install(monkeypatch, distribution(tmp_path, "bad-rules", module, rules={"BAD101": "A"}))
    for arguments in (["--help"], ["--version"], ["check", "--help"], ["schema"]):
        assert run(*arguments).exit_code == 0
    assert "bad_rules" not in sys.modules
    assert not re.search("imported", run("check", OWN, "--no-plugins").output)
