"""Whatever is wrong with a rule of a plug-in is that rule's failure, and the run goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run
from paths import MODELS
from plug_ins import RULE, codes, distribution, failures, install, reports

import regaudit
from regaudit.plugins import calling

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

class Cancelled(BaseException):
    def __str__(self):
        raise ValueError

class Cancels(Rule):
    about: ClassVar[About] = about("BAD116", "cancels")
    def check(self, evidence):
        print("debug")
        raise Cancelled

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
    "BAD116": ("Cancels", "Cancelled in bad_rules.py:96: no message"),
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


def test_a_trace_of_it_is_shown_wherever_it_ran(tmp_path):
    folder = bad_rules(tmp_path, {"BAD112": BAD["BAD112"]})
    for where in ("--isolate", "--no-isolate"):
        result = subprocess.run(
            [
                *(sys.executable, "-m", "regaudit", "--traceback", "check", OWN, OWN),
                "--format=jsonl",
                where,
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
            capture_output=True,
            check=False,
        )
        assert b"in not_run" in result.stderr, where


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


@pytest.mark.skipif(os.name == "nt", reason="there are no limits to hold it to")
def test_an_import_that_never_ends(tmp_path, monkeypatch):
    module = "while True:\n    pass"
    install(monkeypatch, distribution(tmp_path, "bad-rules", module, rules={"BAD101": "A"}))
    monkeypatch.setattr(calling, "IMPORT_SECONDS", (0.2, 60.0))
    before = signal.getsignal(signal.SIGVTALRM)
    result = run("check", OWN, "--format", "json")
    assert (result.exit_code, codes(reports(result)[0])) == (3, ["REG101"])
    assert failures(reports(result)[0])["BAD101"].endswith("failed: it takes too long")
    assert signal.getsignal(signal.SIGVTALRM) is before
