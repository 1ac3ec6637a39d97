"""Whatever goes wrong in a worker process, or with its answer, is the failure of its file."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from paths import FIXTURES

from regaudit.cli import main
from regaudit.report.messages import to_bytes
from regaudit.report.report import Report
from regaudit.running import workers
from regaudit.running.worker_process import Answer, audit_written_shares
from regaudit.settings.config import Config

GOOD = FIXTURES / "models" / "tutorial-l2.keras"
START = "import sys; sys.path[:] = {}; "
AUDITS = """
from regaudit.running import worker_process, written
sound = written.audit_file
def audit(file, config):
    if file == "bad.keras":
        return bad(file)
    return sound(file, config)
written.audit_file = audit
worker_process.main()
"""
ANSWERS = """
import os
from regaudit.running import worker_process
sound = worker_process.write
def write(pipe, message):
    if b"bad.keras" in message:
        return bad(pipe, message)
    return sound(pipe, message)
worker_process.write = write
worker_process.main()
"""
OTHER = to_bytes(Answer(Report("other.keras"), fit=True))
COUNT = to_bytes(Answer(3, fit=True))
INVALID = "the process that read it sent an invalid answer"
ENDED = "the process that read it ended unexpectedly (exit code 0)"
BAD = {
    "an error": (AUDITS, "1 / 0", "ZeroDivisionError"),
    "an error of no known kind": (AUDITS, "raise Exception('\\n\\ud800')", "(Exception in "),
    "the end": (AUDITS, "sys.exit()", ENDED),
    "no report": (AUDITS, "return None", "AttributeError"),
    "a report of anything": (
        AUDITS,
        "return worker_process.Report(file, size=object())",
        "TypeError",
    ),
    "a report of another file": (ANSWERS, f"return sound(pipe, {OTHER!r})", INVALID),
    "a number": (ANSWERS, f"return sound(pipe, {COUNT!r})", INVALID),
    "no MessagePack": (ANSWERS, "return sound(pipe, message[:-9])", INVALID),
    "depth": (ANSWERS, "return sound(pipe, b'[' * 999_999)", INVALID),
    "a pickle": (
        ANSWERS,
        "return sound(pipe, b'cos\\nsystem\\n(S\\'touch owned\\'\\ntR.')",
        INVALID,
    ),
    "garbage": (ANSWERS, "pipe.write(b'garbage' * 99); pipe.flush()", INVALID),
    "too much": (ANSWERS, "pipe.write(bytes(5) + b'abc'); pipe.flush()", INVALID),
    "a part": (
        ANSWERS,
        "pipe.write(bytes([99] + 7 * [0]) + message[:9]); pipe.flush(); sys.exit()",
        ENDED,
    ),
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [str(shutil.copy(GOOD, name)) for name in ("a.keras", "bad.keras", "c.keras")]


def checked(files):
    """Return the failures that a check tells, by file, and its exit code."""
    result = CliRunner().invoke(main, ["check", *files, "--format", "json"])
    assert isinstance(result.exception, SystemExit | None)
    reports = json.loads(result.stdout)["reports"]
    assert [report["file"] for report in reports] == files
    return [(report["failure"] or {}).get("message") for report in reports], result.exit_code


def misbehave(program, bad, monkeypatch):
    """Let workers do something else with `bad.keras`."""
    code = (bad + program).encode().hex()
    monkeypatch.setattr(workers, "_PROGRAM", f"{START}exec(bytes.fromhex('{code}'))")


@pytest.mark.parametrize("how", BAD)
def test_what_goes_wrong_is_its_files_failure(files, how, monkeypatch):
    program, body, said = BAD[how]
    arguments = "file" if program is AUDITS else "pipe, message"
    misbehave(program, f"def bad({arguments}):\n    {body}\n", monkeypatch)
    (before, told, behind), exit_code = checked(files)
    assert before is behind is None
    assert said in told
    assert "\n" not in told
    assert exit_code == 3
    assert not Path("owned").exists()


def test_where_it_happened_is_shown_to_who_asks_for_it(files, monkeypatch):
    misbehave(AUDITS, "def bad(file):\n    1 / 0\n", monkeypatch)
    for option in ([], ["--traceback"]):
        monkeypatch.setattr(sys, "argv", ["regaudit", *option])
        result = CliRunner().invoke(main, [*option, "check", *files])
        assert ("in _answer" in result.stderr) == bool(option)
        assert result.exit_code == 3


def test_a_process_that_cannot_be_started(files, monkeypatch):
    def refused(*_arguments, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(workers.subprocess, "Popen", refused)
    failures, exit_code = checked(files)
    said = "no process to read it can be started: Resource temporarily unavailable"
    assert failures == [said] * 3
    assert exit_code == 3


def test_a_process_that_ends_at_once(files, monkeypatch):
    monkeypatch.setattr(workers, "_PROGRAM", f"{START}sys.exit(7)")
    failures, exit_code = checked(files)
    assert failures == ["the process that read it ended unexpectedly (exit code 7)"] * 3
    assert exit_code == 3


def test_a_share_that_is_wrong_is_its_files_failure(files):
    with workers.Workers(Config.default()) as pool:
        report = pool._ask(files[0], partial(audit_written_shares, shares=[b"{}"]), Report)
        assert "missing required field `state`" in report.failure.message
        assert pool.audit(files[0]).ok


@pytest.mark.parametrize("number", [2, 3])
def test_several_files_and_an_ignore(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [f"{name}.keras" for name in "abc"[:number]]
    for name in names:
        shutil.copy(FIXTURES / "rules" / "REG204" / "bad.keras", name)
    command = ["check", *names, "--fail-on", "note", "--select", "REG204", "--format", "json"]
    assert CliRunner().invoke(main, command).exit_code == 1
    for expires in ("", "expires = 9999-12-31\n"):
        ignore = f'[[ignore]]\ncode = "REG204"\nreason = "fine"\n{expires}'
        Path("regaudit.toml").write_text(ignore)
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        reports = json.loads(result.stdout)["reports"]
        assert [len(report["suppressed"]) for report in reports] == [2] * number
        assert not any(report["findings"] for report in reports)
