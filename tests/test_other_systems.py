"""Every command where Python has no fork, no timers, no limits and no locks: as on Windows."""

import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from paths import MODELS, ROOT

import regaudit
from regaudit.cli import main

COMMANDS = {
    "inspect m.keras --spectral --format json --no-isolate": 0,
    "inspect m.keras r.keras --jobs 2": 0,
    "inspect packed --no-isolate": 0,
    "inspect gone.keras --no-isolate": 3,
    "inspect m.keras --limit memory_bytes=1000 --no-isolate": 0,  # nothing to hold it to
    "report . --html out.html --output csv:out.csv --no-isolate": 0,
    "check m.keras --no-isolate": 1,
    "check --cache kept r.keras --no-isolate": 0,
    "diff m.keras r.keras --no-isolate": 0,
    "suggest m.keras": 0,
    "apply m.keras -o new.keras --suggested": 0,
    "apply new.keras --in-place --set *:kernel=l2(0.5)": 0,
    "apply new.keras --undo": 0,
    "baseline write m.keras --no-isolate": 0,
    "baseline update m.keras --no-isolate": 0,
    "check --baseline .regaudit-baseline.json m.keras --no-isolate": 0,
    "config init": 0,
    "check --show-settings": 0,
    "explain REG101": 0,
    "rules": 0,
    "schema": 0,
    "completions bash": 0,
}
NEEDING_KERAS = {"verify", "sweep"}
PROGRAM = """
import json, os, sys
from click.testing import CliRunner
from regaudit.cli import main
from regaudit.running import guard

assert not hasattr(guard.os, "fork")
assert not hasattr(guard.signal, "SIGKILL")
for line in sys.stdin:
    result = CliRunner(catch_exceptions=False).invoke(main, line.split())
    print(json.dumps([result.exit_code, result.output]), flush=True)
"""


@pytest.fixture
def windows(tmp_path):
    """A folder with models, and Python as on Windows in it."""
    shutil.copy(MODELS / "digits-cnn.keras", tmp_path / "m.keras")
    shutil.copy(MODELS / "regularized-cnn.keras", tmp_path / "r.keras")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "m.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(MODELS / "tutorial-l2.keras", "m.keras")
    path = os.pathsep.join((str(ROOT / "tests" / "windows"), str(ROOT)))

    def done(*arguments, given=None):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    return done


def test_all_commands_work(windows):
    ended = windows("-c", PROGRAM, given="\n".join(COMMANDS))
    assert not ended.stderr
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    codes = {command: code for command, (code, _) in zip(COMMANDS, answers, strict=True)}
    assert codes == COMMANDS, answers
    assert {command.split()[0] for command in COMMANDS} == {
        *main.list_commands(None)
    } - NEEDING_KERAS


def test_a_command_without_a_process_that_guards_it(windows):
    program = "from regaudit.__main__ import main; main()"
    ended = windows("-c", program, "check", "m.keras")
    assert ended.returncode == 1, ended.stderr
    assert "REG101" in ended.stdout


@pytest.mark.keras
@pytest.mark.slow
def test_real_keras_is_asked(windows):
    pytest.importorskip("keras")
    program = "from regaudit.__main__ import main; main()"
    ended = windows("-c", program, "verify", "m.keras")
    assert ended.returncode == 0, ended.stderr
    assert "agree" in ended.stdout


def test_the_simulation_is_of_this_regaudit(windows):
    ended = windows("-c", "import regaudit; print(regaudit.__file__)")
    assert ended.stdout.strip() == regaudit.__file__
