"""An edit in place, killed at any moment, run twice, or fooled with links, loses no model."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from paths import FIXTURES

import regaudit
from regaudit import Edit, UsageError
from regaudit.cli import main
from regaudit.editing.backup import BACKUP, NOTE, restore

APPLY = FIXTURES / "apply"
FILES = [
    APPLY / "custom_l2.keras",
    APPLY / "custom_l2.h5",
    APPLY / "regularized.directory",
    FIXTURES / "corpus" / "tf-keras-2.21" / "mlp.h5",
]
SETTING = ("--set", "*:kernel=l1_l2(1e-5, 3e-4)")
strace = pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def copied(source, folder):
    there = folder / source.name
    shutil.copytree(source, there) if source.is_dir() else shutil.copy(source, there)
    return there


def part(model):
    return model / "config.json" if model.is_dir() else model


def beside(model, ending):
    return part(model).with_name(part(model).name + ending)


def run(*arguments):
    return CliRunner().invoke(main, ["apply", *map(str, arguments)])


def killed(folder, step, call):
    """Run something in a process that is killed at an access to the files of a folder."""
    child = os.fork()
    if not child:
        count = 0

        def hook(event, arguments):
            nonlocal count
            if event.startswith(("open", "os.")) and str(folder) in str(arguments):
                count += 1
                if count == step:
                    os._exit(9)

        sys.addaudithook(hook)
        try:
            call()
        except regaudit.RegauditError:
            os._exit(2)
        except BaseException:  # noqa: BLE001 - a process that was forked runs no tests
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_a_link_leads_to_is_edited_and_restored(file, tmp_path):
    model = copied(file, tmp_path)
    before = part(model).read_bytes()
    link = tmp_path / f"latest{file.suffix}"
    link.symlink_to(model.name)
    done = run(link, "--in-place", *SETTING)
    assert done.exit_code == 0, done.output
    assert part(model).read_bytes() != before
    assert not beside(model, BACKUP).is_symlink()
    assert beside(model, BACKUP).read_bytes() == before
    assert run(link, "--undo").exit_code == 0
    assert part(model).read_bytes() == before
    assert link.is_symlink()
    assert not list(tmp_path.rglob("*-apply*"))


def test_the_other_name_of_a_file_does_not_change(tmp_path):
    model, other = copied(FILES[0], tmp_path), tmp_path / "other.keras"
    os.link(model, other)
    assert run(model, "--in-place", *SETTING).exit_code == 0
    assert other.read_bytes() == FILES[0].read_bytes()
    assert run(model, "--undo").exit_code == 0


@pytest.mark.parametrize("file", FILES[:3], ids=lambda file: file.name)
@pytest.mark.parametrize("plant", ["link", "dangling", "folder", "pipe"])
def test_nothing_planted_is_followed(file, plant, tmp_path):
    model, victim = copied(file, tmp_path), tmp_path / "victim"
    victim.write_text("mine")
    for ending in (BACKUP, NOTE):
        there = beside(model, ending)
        makers = {
            "link": lambda at: at.symlink_to(victim),
            "dangling": lambda at: at.symlink_to(tmp_path / "nowhere"),
            "folder": Path.mkdir,
            "pipe": os.mkfifo,
        }
        makers[plant](there)
        done = run(model, "--in-place", *SETTING)
        assert (
            done.exit_code
            == {BACKUP: 2, NOTE: 0 if "link" in plant or plant == "dangling" else 3}[ending]
        )
        if ending == BACKUP:
            assert run(model, "--undo").exit_code == 2
            assert part(model).read_bytes() == part(file).read_bytes()
            there.rmdir() if plant == "folder" else there.unlink()
    assert victim.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("file", FILES[:3], ids=lambda file: file.name)
def test_a_backup_of_a_killed_run_is_removed_or_used(file, tmp_path):
    model = copied(file, tmp_path)
    os.link(part(model), beside(model, BACKUP))
    assert restore(model) == (part(model), False)
    shutil.copy(part(model), beside(model, BACKUP))
    assert run(model, "--in-place", *SETTING).exit_code == 0
    assert run(model, "--in-place", "--set", "*:kernel=l2(0.5)").exit_code == 2
    assert run(model, "--undo").exit_code == 0
    assert part(model).read_bytes() == part(file).read_bytes()


@pytest.mark.parametrize("file", FILES[:3], ids=lambda file: file.name)
def test_what_was_saved_since_or_lost_since(file, tmp_path):
    model = copied(file, tmp_path)
    assert run(model, "--in-place", *SETTING).exit_code == 0
    edited = part(model).read_bytes()
    part(model).write_bytes(edited + b" ")
    assert run(model, "--undo").exit_code == 3
    assert run(model, "--undo", "--force").exit_code == 0
    assert run(model, "--in-place", *SETTING).exit_code == 0
    part(model).unlink()
    assert run(model, "--undo").exit_code == 0
    assert part(model).read_bytes() == part(file).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("file", FILES[:3], ids=lambda file: file.name)
def test_mode_owner_and_attributes_stay(file, tmp_path):
    model = copied(file, tmp_path)
    part(model).chmod(0o640)
    if os.getuid() == 0:
        os.chown(part(model), 1000, 1001)

    def now():
        status = part(model).stat()
        return status.st_mode & 0o777, status.st_uid, status.st_gid

    before = now()
    assert run(model, "--in-place", *SETTING).exit_code == 0
    assert now() == before
    assert run(model, "--undo").exit_code == 0
    assert now() == before
    page = tmp_path / "o.json"
    page.touch(0o600)
    arguments = ["inspect", str(FILES[0]), "--format", "json", "-o", str(page)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert page.stat().st_mode & 0o777 == 0o600


@strace
@pytest.mark.parametrize("without_links", [False, True])
def test_of_two_at_once_one_is_refused(without_links, tmp_path):
    model = copied(FILES[0], tmp_path)
    inject = ["link:delay_enter=2000000", *(["link:error=EPERM"] if without_links else [])]
    options = [part for one in inject[-1:] for part in ("-e", f"inject={one}")]
    regaudit_ = [sys.executable, "-m", "regaudit", "apply", str(model), "--in-place"]
    slow = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=link", *options, *regaudit_]
    runs = [
        subprocess.Popen([*slow, "--set", f"*:kernel=l2({n}e-4)"], stderr=subprocess.DEVNULL)
        for n in (2, 3)
    ]
    assert sorted(one.wait() for one in runs) in ([0, 2], [0, 3])
    assert beside(model, BACKUP).read_bytes() == FILES[0].read_bytes()


def kills(*, every):
    counts = {"link": 1, "rename": 2, "fsync": 5, "unlink": 1, "fchmod": 2, "utimensat": 1}
    counts |= {"renameat2": 1, "flock": 1, "write": 8}
    for call, count in counts.items():
        for number in range(1, count + 1):
            sample = every or (number == 1 and call in KEY)
            yield pytest.param(call, number, marks=[] if sample else pytest.mark.slow)


KEY = {"rename", "unlink", "renameat2"}


@strace
@pytest.mark.parametrize(("call", "number"), [*kills(every=False)])
@pytest.mark.parametrize("file", FILES[:1], ids=lambda file: file.name)
def test_killed_at_a_system_call(file, call, number, tmp_path):
    model = copied(file, tmp_path)
    links = ["-e", "inject=link:error=EPERM"] if call == "renameat2" else []
    kill = ["-e", f"inject={call}:signal=KILL:when={number}"]
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace=link,{call}", *links, *kill]
    edit = [sys.executable, "-m", "regaudit", "apply", str(model), "--in-place", *SETTING]
    subprocess.run([*command, *edit], check=False, capture_output=True)
    backup = beside(model, BACKUP)
    original = part(file).read_bytes()
    assert original in {part(model).read_bytes(), backup.read_bytes() if backup.exists() else b""}
    if backup.exists():
        assert run(model, "--undo").exit_code == 0
    assert part(model).read_bytes() == original


class Edits(RuleBasedStateMachine):
    """Edits, undoing, training and kills in any order."""

    @initialize(file=st.sampled_from(FILES[:3]))
    def start(self, file):
        self.folder = Path(tempfile.mkdtemp(prefix="regaudit-"))
        self.model = copied(file, self.folder)
        self.backup = beside(self.model, BACKUP)
        self.original = self.now()
        self.trained = False

    def now(self):
        return part(self.model).read_bytes()

    @rule(strength=st.sampled_from([1e-3, 2e-3]), step=st.integers(0, 80))
    def edit(self, strength, step):
        if not self.backup.exists():
            self.original, self.trained = self.now(), False
        report = regaudit.audit(self.model)
        layers = [x.path for x in report.model.layers if x.class_name == "Dense"]
        value = {"class_name": "L2", "config": {"l2": strength}}
        edits = [Edit(layer, "kernel_regularizer", value) for layer in layers]

        def call():
            regaudit.apply(self.model, edits, in_place=True)

        assert killed(self.folder, step, call) != 1

    @rule(step=st.integers(0, 20), force=st.booleans())
    def undo(self, step, force):
        pending, before = self.backup.exists(), self.now()
        code = killed(self.folder, step, lambda: regaudit.undo(self.model, force=force))
        assert code != 1
        if code == 0:
            assert pending
            assert self.now() == self.original
            assert not self.backup.exists()
        elif code == 2:
            assert self.now() == before
            assert not pending or self.trained

    @precondition(lambda self: self.backup.exists() and self.now() != self.original)
    @rule()
    def train(self):
        if self.now()[-1:] != b"\n":
            part(self.model).write_bytes(self.now() + b"\n")
            self.trained = True

    @invariant()
    def nothing_is_lost(self):
        if hasattr(self, "model"):
            kept = self.backup.read_bytes() if self.backup.exists() else b""
            assert self.original in {self.now(), kept}

    def teardown(self):
        if hasattr(self, "model"):
            if self.backup.exists():
                regaudit.undo(self.model, force=True)
                assert self.now() == self.original
            else:
                with pytest.raises(UsageError):
                    regaudit.undo(self.model)
            shutil.rmtree(self.folder)


Edits.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
if hasattr(os, "fork"):
    TestEdits = Edits.TestCase
