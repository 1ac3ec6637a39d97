"""Whatever is wrong with a plug-in is its own failure; what clashes is a usage error."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run
from paths import MODELS
from plug_ins import RULE, codes, distribution, failures, install, reports

import regaudit
from regaudit.plugins.installed import installed

OWN = MODELS / "digits-cnn.keras"

RULES = f"""{RULE}
import time

class Raises(Rule):
    about: ClassVar[About] = about("BAD101", "raises")
    def check(self, evidence):
        yield self.item(None, "found before")
        raise ValueError("two\\nlines")

class Exits(Rule):
    about: ClassVar[About] = about("BAD102", "exits")
    def check(self, evidence):
        raise SystemExit(0)

class YieldsText(Rule):
    about: ClassVar[About] = about("BAD103", "yields-text")
    def check(self, evidence):
        return ["a finding"]

class YieldsNothing(Rule):
    about: ClassVar[About] = about("BAD104", "yields-nothing")
    def check(self, evidence):
        return None

class YieldsWrong(Rule):
    about: ClassVar[About] = about("BAD105", "yields-wrong")
    def check(self, evidence):
        yield self.item(None, message=5)

class NoAbout(Rule):
    def check(self, evidence):
        yield from ()

class WrongAbout(Rule):
    about: ClassVar[About] = about("BAD107", None)
    def check(self, evidence):
        yield from ()

class OtherCode(Rule):
    about: ClassVar[About] = about("BAD999", "other-code")
    def check(self, evidence):
        yield from ()

class Unfinished(Rule):
    about: ClassVar[About] = about("BAD109", "unfinished")

class NotRunRaises(Sound):
    about: ClassVar[About] = about("BAD112", "not-run-raises")
    def not_run(self, evidence):
        return evidence.nothing

class Endless(Rule):
    about: ClassVar[About] = about("BAD113", "endless")
    def check(self, evidence):
        while True:
            try:
                time.sleep(0)
            except Exception:
                pass

class Sleeps(Rule):
    about: ClassVar[About] = about("BAD114", "sleeps")
    def check(self, evidence):
        time.sleep(1e6)

class Greedy(Rule):
    about: ClassVar[About] = about("BAD115", "greedy")
    def check(self, evidence):
        return [bytearray(1 << 40)]

NotAClass = 3
"""

BAD = {
    "BAD101": ("Raises", "ValueError in bad_rules.py:25: two lines"),
    "BAD102": ("Exits", "SystemExit in bad_rules.py"),
    "BAD103": ("YieldsText", "check yields a str, not what self.item() returns"),
    "BAD104": ("YieldsNothing", "check returns a NoneType"),
    "BAD105": ("YieldsWrong", "check yields a wrong value: Expected `str`, got `int`"),
    "BAD106": ("NoAbout", "its `about` is not an About"),
    "BAD107": ("WrongAbout", "its `about` is wrong: Expected `str`"),
    "BAD108": ("OtherCode", "its `about` has the code BAD999"),
    "BAD109": ("Unfinished", "does not define check"),
    "BAD110": ("Gone", "AttributeError"),
    "BAD111": ("NotAClass", "is not a Rule class"),
    "BAD112": ("NotRunRaises", "AttributeError in bad_rules.py"),
}
"""By code the class, and what is said of it."""

HANGS = {
    "BAD113": ("Endless", "it takes too long"),
    "BAD114": ("Sleeps", "it takes too long"),
    "BAD115": ("Greedy", "more memory than there is"),
}


def bad_rules(folder, rules):
    classes = {code: name for code, (name, _) in rules.items()}
    return distribution(folder, "bad-rules", RULES, rules={**classes, "ACME101": "Sound"})


def test_a_rule_that_fails_is_that_rules_failure(tmp_path, monkeypatch):
    install(monkeypatch, bad_rules(tmp_path, BAD))
    (whole,) = reports(run("check", OWN, "--format", "json", "--no-plugins"))
    result = run("check", OWN, "--format", "json")
    assert result.exit_code == 3
    (report,) = reports(result)
    said = failures(report)
    assert said.keys() == BAD.keys()
    for code, (_, why) in BAD.items():
        assert said[code].startswith(f"rule {code} of bad-rules 1.0 failed: ")
        assert why in said[code]
        assert "\n" not in said[code]
    assert codes(report) == [*codes(whole), "ACME101"]
    assert report["failure"] is None
    assert report["plugins"][0]["rules"] == ["ACME101", *sorted(BAD)]
    assert not regaudit.audit(OWN).ok
    with pytest.raises(AssertionError, match="BAD101"):
        regaudit.assert_ok(MODELS / "tutorial-activity-l1.keras")


def test_every_format_says_so(tmp_path, monkeypatch):
    install(monkeypatch, bad_rules(tmp_path, {"BAD102": BAD["BAD102"]}))
    formats = ("terminal", "concise", "markdown", "html", "sarif", "junit", "github", "jsonl")
    for format_ in formats:
        result = run("check", OWN, "--format", format_)
        assert result.exit_code == 3, format_
        assert "BAD102 of bad-rules 1.0 failed: SystemExit" in " ".join(result.stdout.split())
    assert "1 rule that failed" in run("check", OWN).stdout
    assert "failed: SystemExit" in " ".join(run("check", OWN, "--quiet").stdout.split())
    assert "failed: SystemExit" in run("diff", OWN, OWN).stderr


@pytest.mark.skipif(os.name == "nt", reason="there are no limits to hold it to")
@pytest.mark.parametrize("how", [(), ("--jobs", "2")], ids=["alone", "worker"])
def test_one_that_never_ends_is_ended(tmp_path, how):
    folder = bad_rules(tmp_path, HANGS)
    limits = ("--limit", "wall_seconds=4", "--limit", "cpu_seconds=2")
    result = subprocess.run(
        [sys.executable, "-m", "regaudit", "check", OWN, "--format", "json", *limits, *how],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3, result.stderr
    (report,) = reports(result)
    said = failures(report)
    assert said.keys() == HANGS.keys()
    assert all(HANGS[code][1] in why for code, why in said.items())
    assert codes(report) == ["REG101", "ACME101"]


def test_settings_of_a_rule_that_cannot_be_loaded_are_no_errors(tmp_path, monkeypatch):
    install(monkeypatch, bad_rules(tmp_path / "installed", {"BAD110": BAD["BAD110"]}))
    monkeypatch.chdir(tmp_path)
    Path("regaudit.toml").write_text(
        'select = ["BAD110"]\n[rules.BAD110]\nmost = 3\nseverity = "note"\n'
    )
    result = run("check", OWN, "--format", "json")
    assert (result.exit_code, [*failures(reports(result)[0])]) == (3, ["BAD110"])
    assert "AttributeError" in run("explain", "BAD110").stdout
    named = run("check", OWN, "--select", "its-name")
    assert (named.exit_code, "AttributeError" in named.stderr) == (2, True)
    assert run("check", OWN, "--ignore", "BAD110", "--select", "REG101").exit_code == 1


def test_a_module_that_cannot_be_imported(tmp_path, monkeypatch):
    module = "import nothing_of_this_name"
    install(monkeypatch, distribution(tmp_path, "bad-rules", module, rules={"BAD101": "A"}))
    result = run("check", OWN, "--format", "json")
    assert result.exit_code == 3
    (why,) = failures(reports(result)[0]).values()
    assert "ModuleNotFoundError in bad_rules.py:1: No module named 'nothing_of_this_name'" in why


FORMATS = """
from contextlib import contextmanager
from regaudit.formats import Artifact, Format, Layer, Model, Weight

class Named(Format):
    def sniff(self, file):
        return file.is_file() and file.open("rb").read().startswith(self.name.encode())

class ReadRaises(Named):
    name = "read-raises"
    @contextmanager
    def read(self, file, architecture=None):
        raise ValueError("no such thing")
        yield

class ReadsText(Named):
    name = "reads-text"
    @contextmanager
    def read(self, file, architecture=None):
        yield "a model"

class Model5(Named):
    name = "wrong-model"
    @contextmanager
    def read(self, file, architecture=None):
        yield Artifact(Model("m", "Sequential", (), compiled=5), {}, ())

class NoValues(Named):
    name = "no-values"
    @contextmanager
    def read(self, file, architecture=None):
        weight = Weight("d/kernel", "d", "kernel", (2, 2), "float32", True)
        layer = Layer("d", "d", "Dense", {}, True, weights=(weight,))
        yield Artifact(Model("m", "Sequential", (layer,)), self.values(), ())

    def values(self):
        return {}

class Lazy:
    shape = (2, 2)
    dtype = "float32"
    def blocks(self, start=0, stop=None):
        raise KeyError("gone")

class LateValues(NoValues):
    name = "late-values"
    def values(self):
        return {"d": Lazy()}

class SniffRaises(Format):
    name = "sniff-raises"
    suffixes = (".bad",)
    def sniff(self, file):
        raise ZeroDivisionError("0")
    def read(self, file, architecture=None):
        raise NotImplementedError
"""

FORMAT_FAULTS = {
    "read-raises": ("ReadRaises", "ValueError in bad_formats.py"),
    "reads-text": ("ReadsText", "read yields a str, not an Artifact"),
    "wrong-model": ("Model5", "its model is wrong: Expected `bool | null`, got `int`"),
    "no-values": ("NoValues", "no values for d/kernel"),
    "late-values": ("LateValues", "KeyError in bad_formats.py"),
}


def test_a_format_that_fails_is_the_failure_of_its_files(tmp_path, monkeypatch):
    classes = {name: kind for name, (kind, _) in FORMAT_FAULTS.items()}
    classes["sniff-raises"] = "SniffRaises"
    install(monkeypatch, distribution(tmp_path / "it", "bad-formats", FORMATS, formats=classes))
    files = []
    for name in (*FORMAT_FAULTS, "unknown"):
        files.append(tmp_path / name)
        files[-1].write_text(name)
    result = run("check", OWN, *files, "--format", "json")
    assert result.exit_code == 3
    own, *others, unknown = reports(result)
    assert codes(own) == ["REG101"]
    for report, (name, (_, why)) in zip(others, FORMAT_FAULTS.items(), strict=True):
        assert report["failure"]["kind"] == "PlugInError"
        assert report["failure"]["message"].startswith(f"format {name} of bad-formats 1.0 failed: ")
        assert why in report["failure"]["message"]
    message = unknown["failure"]["message"]
    assert message.startswith("a text file, not a saved Keras model; and format sniff-raises of ")
    folder = run("check", tmp_path, "--format", "json")
    assert folder.exit_code == 3


RENDERERS = """
from regaudit.renderers import Renderer

class Raises(Renderer):
    name = "raises"
    def render(self, reports, rules, view):
        raise ValueError("no such thing")

class Number(Renderer):
    name = "number"
    def render(self, reports, rules, view):
        return 5

class Plain(Renderer):
    name = "plain"
    def render(self, reports, rules, view):
        return "one\\x1b[31m\\ntwo ::error::"
"""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "ValueError in bad_renderers.py"),
        ("number", "render returns int, not str"),
        ("gone", "AttributeError"),
    ],
)
def test_a_renderer_that_fails_takes_no_other_with_it(tmp_path, monkeypatch, name, why):
    named = {"raises": "Raises", "number": "Number", "plain": "Plain", "gone": "Gone"}
    folder = distribution(tmp_path / "it", "bad-renderers", RENDERERS, renderers=named)
    install(monkeypatch, folder)
    monkeypatch.chdir(tmp_path)
    outputs = ("--output", f"{name}:out.txt", "--output", "json:out.json", "--output", "plain:p")
    result = run("check", OWN, *outputs)
    assert result.exit_code == 3
    assert f"renderer {name} of bad-renderers 1.0 failed: " in result.stderr
    assert why in result.stderr
    assert not Path("out.txt").exists()
    assert '"REG101"' in Path("out.json").read_text()
    assert Path("p").read_text() == "one\\x1b[31m\ntwo \\x3a:error\\x3a:\n"


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
