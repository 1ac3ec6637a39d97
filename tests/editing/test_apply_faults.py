"""Every step of `apply` made to fail: the old file stays, byte for byte, or the new one is there.

The steps are found by watching: each function of regaudit that a run calls, each access to files
that Python tells its audit hooks of, and what it does not tell them of.
"""

import errno
import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from editable import APPLY, EDITABLE, KERAS, OLD_H5, SETTING, copied
from samples import sampled

import regaudit
from regaudit import Edit, InternalError, UnreadableModelError
from regaudit.cli import main

PACKAGE = str(Path(regaudit.__file__).parent)
WAYS = ["-o", "--force -o", "--in-place"]


def case(file, way, *more, slow=False):
    """One case of a matrix.

    Slow are the old HDF5, many times as long, but for one way, and what differs from others only
    in that a file may be there already.
    """
    slow |= file == OLD_H5 and way != "--in-place"
    slow |= file != KERAS and way == "--force -o"
    name = "-".join((f"{file.parent.name}/{file.name}", way, *(type(one).__name__ for one in more)))
    return pytest.param(file, way, *more, id=name, marks=[pytest.mark.slow] if slow else [])


cases = pytest.mark.parametrize(("file", "way"), [case(*pair) for pair in product(EDITABLE, WAYS)])


def content(path):
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(part.relative_to(path)): part.read_bytes() for part in found if part.is_file()}


class Trial:
    """One model in a folder of its own, to which one edit is done again and again."""

    def __init__(self, file, way, folder):
        self.source, self.way, self.folder = file, way, folder / "trial"
        self.model, self.out = self.folder / file.name, self.folder / "out"
        self.old = self.new = None
        self.reset()
        self.old = content(self.folder)
        assert self.run().exit_code == 0
        self.new = content(self.folder)
        assert self.new != self.old

    def reset(self):
        """Make it as it was before."""
        if self.old is not None and content(self.folder) == self.old:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        copied(self.source, self.folder)
        if "--force" in self.way and not self.source.is_dir():
            self.out.write_text("there before")

    def run(self):
        where = [self.out if part == "out" else part for part in self.way.split()]
        where += [self.out] if "-o" in self.way else []
        arguments = ["apply", self.model, *where, *SETTING]
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def check(self, result, what):
        """Hold what is left against the promise; return whether the edit was done."""
        found = content(self.folder)
        assert "Traceback" not in result.output, what
        assert result.exception is None or isinstance(result.exception, SystemExit), what
        if result.exit_code == 0:
            assert found == self.new, what
            return True
        assert result.exit_code in {2, 3}, what
        assert found == self.old, what
        assert sorted(self.folder.iterdir()) == sorted(
            {self.folder / Path(name).parts[0] for name in self.old}
        ), what  # no empty folders either
        said = [
            line for line in result.stderr.splitlines() if not line.startswith(("Usage", "Try"))
        ]
        assert len(list(filter(None, said))) == 1, what
        return False


@pytest.fixture
def trial(file, way, tmp_path):
    return Trial(file, way, tmp_path)


class Watch:
    """Functions of the package that are called, of which one can be made to fail."""

    def __init__(self):
        self.seen, self.victim = {}, None

    def __call__(self, frame, event, argument):  # noqa: ARG002 - the signature of a tracer
        code = frame.f_code
        if code.co_filename.startswith(PACKAGE) and code not in self.seen:
            self.seen[code] = f"{Path(code.co_filename).name}: {code.co_qualname}"
            if code is self.victim:
                raise KeyError("injected")

    def of(self, run):
        self.seen = {}
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return run()
        finally:
            sys.settrace(before)


# A generator that fails while it is thrown away fails for nobody.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("sixth", sampled(range(6), every=6))
@cases
def test_each_function_may_fail(trial, sixth):
    """All that write, of each format; of one the others, too, and a tenth of those that audit.

    A sixth of them always runs, another one for each format.
    """
    watch = Watch()
    trial.reset()
    watch.of(lambda: regaudit.audit(trial.model))
    auditing = set(watch.seen)
    assert watch.of(trial.run).exit_code == 0
    calls = list(watch.seen.items())
    order = [name for _, name in calls]
    command = order.index("apply.py: apply") + 1  # what comes before is Click's
    writing = order.index("apply.py: Prepared.write")
    steps = calls[writing:]
    assert len(steps) > 5
    if trial.source == KERAS and trial.way == "--in-place":
        audits = [call for call in calls[command:] if call[0] in auditing]
        steps += audits[::10] + [call for call in calls[command:writing] if call not in audits]
        assert len(steps) > 100
    for code, name in steps[(sixth + EDITABLE.index(trial.source)) % 6 :: 6]:
        trial.reset()
        watch.victim = code
        trial.check(watch.of(trial.run), name)


class Hook:
    """Accesses to files that Python announces, of which one can be made to fail."""

    KINDS = ("open", "os.", "shutil.", "tempfile.")
    IGNORED = ("os.listdir", "os.scandir", "os.walk", "os.putenv")
    installed = None

    def __init__(self):
        self.folder, self.count, self.victim, self.thread = "", 0, None, None

    def __call__(self, event, arguments):
        if not self.folder or not event.startswith(self.KINDS) or event in self.IGNORED:
            return
        if threading.get_ident() != self.thread or self.folder not in str(arguments):
            return
        self.count += 1
        if self.count == self.victim:
            raise OSError(errno.EIO, "injected")

    def of(self, trial, victim=None):
        self.count, self.victim, self.thread = 0, victim, threading.get_ident()
        self.folder = str(trial.folder)
        try:
            return trial.run()
        finally:
            self.folder = ""


@pytest.fixture(scope="module")
def hook():
    if Hook.installed is None:  # there is no way to take one away
        Hook.installed = Hook()
        sys.addaudithook(Hook.installed)
    return Hook.installed


@cases
def test_each_access_to_a_file_may_fail(trial, hook):
    trial.reset()
    assert hook.of(trial).exit_code == 0
    assert hook.count > 8
    done = 0
    for victim in range(1, hook.count + 1):
        trial.reset()
        done += trial.check(hook.of(trial, victim), victim)
    # A rename stands in for a link, some folders cannot be synchronized, and what is not there to
    # be read is no other form of model.
    assert done < 16


CALLS = [
    *("os.fsync", "os.replace", "os.rename", "os.link", "os.chmod", "os.umask", "shutil.copy2"),
    *("shutil.copyfileobj", "shutil.copymode", "json.dumps", "zlib.crc32", "h5py.h5a.create"),
    *("h5py.h5a.delete", "tempfile.NamedTemporaryFile", "tempfile.mkdtemp"),
]


class Calls:
    """Calls of one function, of which one can be made to fail."""

    def __init__(self, name, patch, error=None, victim=0):
        holder, function = name.rpartition(".")[::2]
        self.real = getattr(importlib.import_module(holder), function)
        self.count, self.error, self.victim = 0, error, victim
        patch.setattr(name, self.call)

    def call(self, *arguments, **options):
        self.count += 1
        if self.count == self.victim:
            raise self.error
        return self.real(*arguments, **options)


@pytest.mark.parametrize(
    ("file", "way", "error"),
    [
        *(case(*pair, OSError(errno.ENOSPC, "No space left")) for pair in product(EDITABLE, WAYS)),
        # What fails otherwise is answered alike, wherever it happens.
        *(
            case(file, way, RuntimeError("injected"), slow=file == OLD_H5 or way != "--in-place")
            for file, way in product(EDITABLE, WAYS)
        ),
    ],
)
def test_each_call_of_a_library_may_fail(trial, error, monkeypatch):
    trial.reset()
    with monkeypatch.context() as patch:
        watched = {name: Calls(name, patch) for name in CALLS}
        assert trial.run().exit_code == 0
    counts = {name: calls.count for name, calls in watched.items()}
    assert sum(counts.values()) > 4
    for name, count in counts.items():
        for number in range(1, count + 1):
            trial.reset()
            with monkeypatch.context() as patch:
                calls = Calls(name, patch, error, number)
                result = trial.run()
            assert calls.count >= number
            trial.check(result, f"{name}, call {number}")


@cases
def test_the_disk_may_be_full_at_any_byte(trial):
    """A limit on the size of files is what a test can have of a full disk."""
    whole = max(len(data) for data in trial.old.values())
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (0, 1, 100, whole // 2, whole - 1):
            trial.reset()
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                result = trial.run()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            trial.check(result, limit)
    finally:
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("in_place", [False, True])
def test_the_library_raises_one_of_its_own_errors(in_place, tmp_path, monkeypatch):
    file = tmp_path / "m.keras"
    shutil.copy(APPLY / "custom.keras", file)
    edits = [Edit("mine", "kernel_regularizer", {"class_name": "L2", "config": {"l2": 0.1}})]
    for where, error, kind in (
        ("regaudit.editing.apply.edited", KeyError("injected"), InternalError),
        ("regaudit.storage.zip_member.replace_member", KeyError("injected"), InternalError),
        ("regaudit.editing.apply.recognize", PermissionError(13, "denied"), UnreadableModelError),
        (
            "regaudit.storage.zip_member.replace_member",
            OSError(28, "full"),
            UnreadableModelError,
        ),
    ):

        def fails(*_, _error=error, **__):
            raise _error

        with monkeypatch.context() as patch:
            patch.setattr(where, fails)
            with pytest.raises(kind, match="nothing was changed"):
                regaudit.apply(file, edits, None if in_place else tmp_path / "o", in_place=in_place)
        assert content(tmp_path) == {"m.keras": (APPLY / "custom.keras").read_bytes()}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_who_cannot_be_told_has_the_file_all_the_same(tmp_path):
    out = tmp_path / "o.keras"
    command = [
        sys.executable,
        "-m",
        "regaudit",
        "apply",
        APPLY / "custom.keras",
        "-o",
        out,
        *SETTING,
    ]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert "done, but standard output cannot be written" in done.stderr
    assert regaudit.audit(out).penalty > 0
    out.unlink()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, text=True)
    os.close(writer)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert regaudit.audit(out).penalty > 0


def test_a_bug_in_verify_does_not_say_that_nothing_changed(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyError("injected")

    monkeypatch.setattr("regaudit.live.verify.verify", fails)
    out = tmp_path / "o.keras"
    arguments = ["apply", APPLY / "custom.keras", "-o", out, *SETTING, "--verify"]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 3
    assert "the new file is there, but was not verified" in result.stderr
    assert "nothing was changed" not in result.stderr
    assert out.exists()
