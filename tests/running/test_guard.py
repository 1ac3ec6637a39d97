"""Every command is held to the limits of its file, ends as asked, and never leaves by accident."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
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
    assert "has 2 models: name one, " in result.stderr


def test_a_library_that_ends_the_process_does_not_end_the_audit_well():
    before = (
        "import os, regaudit.cli.running as running\nrunning.progress_of_one = lambda: os._exit(0)"
    )
    result = forked("check", MODEL, before=before)
    assert result.returncode == 3
    assert "could not be audited: the process that read it ended unexpectedly" in result.stdout


@pytest.mark.parametrize("error", ["ValueError", "MemoryError", "RecursionError", "EOFError"])
@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("inspect", MODEL), "cli.inspect.find_work"),
        (("check", MODEL), "cli.check.find_work"),
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


@pytest.mark.parametrize(
    "error",
    ["MemoryError()", "ImportError('x.so: failed to map segment')", "OSError(12, 'no memory')"],
    ids=["memory", "import", "system"],
)
@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("check", MODEL), "auditing.audit_file.judge"),
        (("inspect", MODEL), "cli.inspect.write"),
        (("suggest", MODEL), "cli.suggest.proposed"),
        (("apply", "--dry-run", *SET, MODEL), "cli.apply._wanted"),
        (("apply", "--dry-run", *SET, MODEL), "editing.apply.edited"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_whatever_runs_out_of_memory_says_so(command, where, error):
    module, _, name = f"regaudit.{where}".rpartition(".")
    before = (
        "from importlib import import_module as load\n"
        "from regaudit.running.guard import _Guarded\n"
        "def fail(*given, **named):\n"
        f"    if _Guarded.held: raise {error}\n"
        "    return kept(*given, **named)\n"
        f"kept = load({module!r}).{name}\n"
        f"setattr(load({module!r}), {name!r}, fail)"
    )
    result = forked(*command, before=before)
    assert result.returncode == 3
    told = " ".join((result.stdout + result.stderr).split())
    assert "more memory than there is" in told
    assert "bug" not in told


MEMBERS = 250_000
"""More than an archive may have."""


@pytest.fixture(scope="session")
def crowd(tmp_path_factory):
    """An archive with very many members, none of which is there."""
    file = tmp_path_factory.mktemp("crowd") / "crowd.keras"
    zeros = (0,) * 16
    entries = (
        struct.pack("<4s6H3I5H2I", b"PK\1\2", *zeros[:9], 8, *zeros[:6]) + b"%08d" % number
        for number in range(MEMBERS)
    )
    listed = b"".join(entries)
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, *[MEMBERS] * 2, len(listed), 30)
    zip64 += struct.pack("<4sIQI", b"PK\6\7", 0, 30 + len(listed), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    file.write_bytes(b"PK\3\4" + bytes(26) + listed + zip64 + end)
    return file


EVERY = [
    ("inspect",),
    ("check",),
    ("report", "--format", "json"),
    ("suggest",),
    ("apply", "--dry-run", *SET),
    ("baseline", "write", "--force", "--baseline", "/dev/null"),
    ("diff", MODEL),
]
"""Commands to which the name of a file is to be added."""


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command[0])
def test_very_many_members_are_refused_in_little_memory(command, crowd):
    result = forked(*command, crowd)
    assert result.returncode == 3
    assert "has more than 200,000 members" in " ".join((result.stdout + result.stderr).split())
    assert result.memory < 150 << 20


def with_kernel(folder, put):
    """Return a model whose first kernel is what a function puts into its HDF5 file."""
    weights, file = folder / "model.weights.h5", folder / "made.keras"
    with zipfile.ZipFile(MODEL) as archive, zipfile.ZipFile(file, "w") as made:
        weights.write_bytes(archive.read(weights.name))
        with h5py.File(weights, "r+") as hdf5:
            shape = hdf5["layers/dense/vars/0"].shape
            del hdf5["layers/dense/vars/0"]
            put(hdf5, "layers/dense/vars/0", shape)
        for name in ("config.json", "metadata.json"):
            made.writestr(name, archive.read(name))
        made.write(weights, weights.name)
    return file


@pytest.fixture(scope="session")
def chunks(tmp_path_factory):
    """A model with a weight of a million chunks, of which a few are stored."""

    def put(hdf5, path, _):
        hdf5.create_dataset(path, (1_000_000,), "f4", chunks=(1,))[:200] = 1

    return with_kernel(tmp_path_factory.mktemp("chunks"), put)


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command[0])
def test_a_million_chunks_are_refused_within_the_memory(command, chunks):
    result = forked(*command, chunks)
    assert result.returncode == 3
    assert "more memory than there is" in " ".join((result.stdout + result.stderr).split())


@pytest.fixture(scope="session")
def extreme(tmp_path_factory):
    """A model whose weights are near the largest number of float64."""

    def put(hdf5, path, shape):
        hdf5[path] = np.full(shape, 1.7e308)

    return with_kernel(tmp_path_factory.mktemp("extreme"), put)


@pytest.mark.parametrize(
    "command", [*EVERY, ("report", "--format", "html"), ("diff", "--format", "json", MODEL)]
)
def test_weights_near_the_end_of_float64_are_no_bug(command, extreme):
    result = forked(*command, extreme)
    assert result.returncode in {0, 1, 3}
    told = " ".join((result.stdout + result.stderr).split())
    assert "which is a bug" not in told
    assert "stopped by a bug" not in told
    if "json" in command:
        json.loads(result.stdout, parse_constant=pytest.fail)


@pytest.fixture(scope="session")
def deep(tmp_path_factory):
    """A SavedModel with folders below it that are too deep for most that walks them."""
    model = tmp_path_factory.mktemp("deep") / "model"
    shutil.copytree(FIXTURES / "corpus" / "tf-2.15" / "mlp.savedmodel", model)
    place = os.open(model, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("a", dir_fd=place)
        inner = os.open("a", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    yield model
    subprocess.run(["rm", "-rf", model], check=True)


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command[0])
def test_deep_folders_inside_a_model_are_its_failure(command, deep):
    result = forked(*command, deep)
    assert result.returncode == 3
    assert "nested deeper than 64" in " ".join((result.stdout + result.stderr).split())


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
