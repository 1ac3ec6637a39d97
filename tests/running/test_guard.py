"""Every command is held to the limits of its file, ends as asked, and never leaves by accident."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import HURRIED, forked
from paths import FIXTURES, MODELS, ROOT

HOSTILE = FIXTURES / "hostile"
MODEL = MODELS / "tutorial-l2.keras"
HANGS, CRASHES = HOSTILE / "hdf5-heap-loop.h5", HOSTILE / "hdf5-crash.keras"
SET = ("--set", "*:kernel=l2(1e-4)")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing forks there")


@pytest.mark.parametrize(
    "command",
    [
        ("inspect",),
        ("check",),
        ("report", "--format", "markdown"),
        ("suggest",),
        ("apply", "--dry-run", *SET),
        ("verify",),
        ("diff", MODEL),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("file", [HANGS, CRASHES], ids=["hangs", "crashes"])
def test_no_command_is_hung_or_crashed_by_a_file(command, file):
    result = forked(*command, file, "--limit", "cpu_seconds=1", before=HURRIED)
    assert result.returncode == 3
    assert "Traceback" not in result.stderr
    told = result.stdout + result.stderr
    assert "processor time; --limit cpu_seconds=N" in told or "crashed" in told or "virtual" in told


def test_nothing_is_written_of_a_file_that_hangs(tmp_path):
    out = tmp_path / "out.h5"
    assert forked("apply", HANGS, "-o", out, *SET, before=HURRIED).returncode == 3
    baseline = tmp_path / "baseline.json"
    forked("baseline", "write", "--isolated", "--baseline", baseline, CRASHES)
    assert not out.exists()


@pytest.mark.parametrize("file", [HANGS, CRASHES], ids=["hangs", "crashes"])
def test_undo_is_not_hung_or_crashed_and_undoes_by_force(file, tmp_path):
    edited, backup = tmp_path / file.name, tmp_path / f"{file.name}.before-apply"
    shutil.copy(file, edited)
    shutil.copy(MODEL, backup)
    result = forked("apply", "--undo", edited, before=HURRIED)
    assert result.returncode == 3
    assert len(result.stderr.splitlines()) == 1
    assert "processor time" in result.stderr or "crashed" in result.stderr
    assert edited.read_bytes() == file.read_bytes()
    assert forked("apply", "--undo", "--force", edited).returncode == 0
    assert edited.read_bytes() == MODEL.read_bytes()
    assert not backup.exists()


def test_a_limit_can_be_raised_where_a_refusal_says_so():
    for command in (("suggest",), ("apply", "--dry-run", *SET)):
        assert forked(*command, MODEL, "--limit", "json_bytes=10").returncode == 3
        assert forked(*command, MODEL, "--limit", "json_bytes=100000").returncode == 0


def test_rendering_is_held_as_well():
    before = HURRIED + (
        "import regaudit.renderers.terminal as t\n"
        "shown = t.Terminal.render\n"
        "def render(self, reports, *more):\n"
        "    while not reports[0].failure: pass\n"
        "    return shown(self, reports, *more)\n"
        "t.Terminal.render = render"
    )
    result = forked("inspect", MODEL, before=before)
    assert result.returncode == 3
    assert "processor time" in result.stdout


def test_a_report_that_is_kept_is_read_within_the_limits(tmp_path):
    cache = f"--cache={tmp_path / 'cache'}"
    results = [forked("check", MODEL, cache) for _ in range(2)]
    assert [result.returncode for result in results] == [0, 0], results[1].stdout


@pytest.mark.parametrize("command", [("suggest",), ("apply", "--dry-run", *SET), ("verify",)])
def test_a_folder_with_several_models_is_wrong_usage(command, tmp_path):
    for name in ("a.keras", "b.keras"):
        shutil.copy(MODEL, tmp_path / name)
    result = forked(*command, tmp_path)
    assert result.returncode == 2
    assert "has 2 models: name one of them" in result.stderr


@pytest.mark.parametrize("error", ["ValueError", "MemoryError", "RecursionError", "EOFError"])
@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("inspect", MODEL), "cli.inspect.run_audit"),
        (("check", MODEL), "cli.check.run_audit"),
        (("report", "--format", "json", MODEL), "cli.report.run_audit"),
        (("diff", MODEL, MODEL), "cli.diff.run_audit"),
        (("baseline", "write", MODEL), "cli.baseline.run_audit"),
        (("suggest", MODEL), "cli.suggest.proposed"),
        (("verify", MODEL), "cli.running.audited_one"),
        (("rules",), "rules.interface.rules"),
        (("schema",), "cli.import_module"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_nobody_foresaw_is_one_line_and_never_exit_code_1(command, where, error):
    module, _, name = f"regaudit.{where}".rpartition(".")
    before = (
        "from importlib import import_module as load\n"
        f"def fail(*_, **__): raise {error}('\\x1b[31m why')\n"
        f"setattr(load({module!r}), {name!r}, fail)"
    )
    result = forked(*command, before=before)
    assert result.returncode == 3, result
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr
    assert len((result.stderr or result.stdout).splitlines()) >= 1
    if error == "ValueError":
        assert result.stderr.startswith("regaudit: stopped by a bug (ValueError in ")
        shown = forked("--traceback", *command, before=before)
        assert "Traceback" in shown.stderr
        assert shown.returncode == 3


def started(*arguments):
    """Start a command whose processes are a group of their own."""
    return subprocess.Popen(
        [sys.executable, "-m", "regaudit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=ROOT,
        # Tests that run in the background inherit a deaf ear.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def assert_it_dies(run, number, group):
    """Send a signal; all processes end by it, and say nothing."""
    (os.killpg if group else os.kill)(run.pid, number)
    _, stderr = run.communicate(timeout=60)
    assert (run.returncode, stderr) == (-number, b"")
    for _ in range(100):
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("a process is left")


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("check", MODEL), "auditing.audit_file.judge"),
        (("suggest", MODEL), "auditing.audit_file.judge"),
        (("apply", "--dry-run", *SET, MODEL), "auditing.audit_file.judge"),
        (("apply", "--dry-run", *SET, MODEL), "cli.apply._wanted"),
        (("apply", "--dry-run", *SET, MODEL), "editing.apply.edited"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_so_is_a_bug_in_an_audit_or_an_edit(command, where):
    module, _, name = f"regaudit.{where}".rpartition(".")
    before = (
        "from importlib import import_module as load\n"
        "def fail(*_, **__): raise KeyError('\\x1b[31m why')\n"
        f"setattr(load({module!r}), {name!r}, fail)"
    )
    for option in ([], ["--traceback"]):
        result = forked(*option, *command, before=before)
        assert result.returncode == 3
        told = " ".join((result.stdout + result.stderr).split())
        assert "which is a bug (KeyError in " in told
        assert "`regaudit --traceback COMMAND ...` shows more" in told
        assert "\x1b" not in told
        assert ("Traceback" in result.stderr) == bool(option)


@pytest.mark.parametrize("group", [False, True], ids=["alone", "group"])
@pytest.mark.parametrize("options", [[], ["--jobs", "2"]], ids=["one", "workers"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_dies_of_what_asks_it_to_end_with_all_its_processes(number, options, group):
    for delay in (0.02, 0.1, 0.2, 0.4):
        run = started("check", HANGS, *options)
        time.sleep(delay)
        assert_it_dies(run, number, group)


@pytest.mark.parametrize("group", [False, True], ids=["alone", "group"])
@pytest.mark.parametrize("command", ["check", "suggest"])
def test_so_it_does_of_an_interrupt_with_one_model(command, group):
    for delay in (0, 0.1, 0.5):
        run = started(command, HANGS)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        while not children.read_text():  # while Python starts, its own traceback would be shown
            time.sleep(0.01)
        time.sleep(delay)
        assert_it_dies(run, signal.SIGINT, group)
