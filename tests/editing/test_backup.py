"""An edit in place, killed at any moment, run twice, or fooled with links, loses no model."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from editable import DIRECTORY, EDITABLE, H5, KERAS, SETTING, copied, edits_of, part
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from traced import DONE, FAILED, REFUSED, finished, needs_strace, started, steps, traced

import regaudit
from regaudit import UsageError
from regaudit.cli import main
from regaudit.editing.backup import restore
from regaudit.editing.backup_files import BACKUP, NOTE
from regaudit.storage.atomic_write import temporary_beside

NOW = [KERAS, H5, DIRECTORY]
"""The formats of today; old HDF5 goes the way of HDF5."""
WITHOUT_LINKS = ("-e", "inject=?link,linkat:error=EPERM")


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


@pytest.mark.parametrize("file", EDITABLE, ids=lambda file: f"{file.parent.name}/{file.name}")
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
    model, other = copied(KERAS, tmp_path), tmp_path / "other.keras"
    os.link(model, other)
    assert run(model, "--in-place", *SETTING).exit_code == 0
    assert other.read_bytes() == KERAS.read_bytes()
    assert run(model, "--undo").exit_code == 0


@pytest.mark.parametrize("file", NOW, ids=lambda file: file.name)
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
        if done.exit_code:
            assert there.name in done.output
            assert part(model).read_bytes() == part(file).read_bytes()
            assert not beside(model, BACKUP if ending == NOTE else NOTE).exists()
        if ending == BACKUP:
            assert run(model, "--undo").exit_code == 2
            assert part(model).read_bytes() == part(file).read_bytes()
            there.rmdir() if plant == "folder" else there.unlink()
    assert victim.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("file", NOW, ids=lambda file: file.name)
def test_no_backup_stays_where_the_note_fails(file, tmp_path, monkeypatch):
    def planted(part, _new):
        part.with_name(part.name + NOTE).mkdir()
        raise OSError(errno.EIO, "broken")

    model = copied(file, tmp_path)
    monkeypatch.setattr("regaudit.editing.backup.write_note", planted)
    assert run(model, "--in-place", *SETTING).exit_code == 3
    assert not beside(model, BACKUP).exists()
    assert part(model).read_bytes() == part(file).read_bytes()


@pytest.mark.parametrize("file", NOW, ids=lambda file: file.name)
def test_a_backup_of_a_killed_run_is_removed_or_used(file, tmp_path):
    model = copied(file, tmp_path)
    os.link(part(model), beside(model, BACKUP))
    assert restore(model) == (part(model), False)
    shutil.copy(part(model), beside(model, BACKUP))
    assert run(model, "--in-place", *SETTING).exit_code == 0
    assert run(model, "--in-place", "--set", "*:kernel=l2(0.5)").exit_code == 2
    assert run(model, "--undo").exit_code == 0
    assert part(model).read_bytes() == part(file).read_bytes()


@pytest.mark.parametrize("file", NOW, ids=lambda file: file.name)
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


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_only_leftovers_are_removed(tmp_path):
    """What is not a file of a killed run stays, whatever it is called."""
    model, victim = copied(KERAS, tmp_path), tmp_path / "victim"
    name = ".{}.{}.regaudit-tmp".format
    left = [tmp_path / name(one, "abcdefgh") for one in (model.name, model.name + NOTE)]
    kept = [
        tmp_path / f".{model.name}.original",
        *(tmp_path / name(model.name, middle) for middle in ("short", "ABCDEFGH", "much_longer")),
        tmp_path / name("m2.keras", "abcdefgh"),
    ]
    for one in (*left, *kept, victim):
        one.write_text("x")
    link, hard, folder = (tmp_path / name(model.name, f"planted{n}") for n in range(3))
    link.symlink_to(victim)
    os.link(victim, hard)
    folder.mkdir()
    with temporary_beside(model) as busy:
        for arguments in (["--undo"], ["--in-place", *SETTING], ["--undo"]):
            run(model, *arguments)
            assert not any(one.exists() for one in left)
            assert all(one.exists() for one in (*kept, link, hard, folder, Path(busy.name)))
            left[0].write_text("x")
    assert victim.read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("file", NOW, ids=lambda file: file.name)
def test_mode_owner_and_attributes_stay(file, tmp_path):
    model = copied(file, tmp_path)
    part(model).chmod(0o640)
    with suppress(PermissionError):  # root alone may
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
    arguments = ["inspect", str(KERAS), "--format", "json", "-o", str(page)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert page.stat().st_mode & 0o777 == 0o600


class Case:
    """A model in a folder, to which something is done that is killed, or fails, at one step."""

    def __init__(self, source, folder, *, undo):
        self.folder, self.model, self.undo = folder, copied(source, folder), undo
        self.edits = edits_of(self.model, 0.01)
        self.original = part(self.model).read_bytes()
        if undo:
            self.edit()
        self.before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}

    def edit(self):
        regaudit.apply(self.model, self.edits, in_place=True)

    def call(self):
        regaudit.undo(self.model) if self.undo else self.edit()

    def reset(self):
        for one in self.folder.rglob("*"):
            if one.is_file() and one not in self.before:
                one.unlink()
        for one, content in self.before.items():
            one.write_bytes(content)

    def steps(self, *options):
        found = steps(self.call, *options)
        assert len(found) >= (2 if self.undo else 11)
        return found

    def check(self, how, *, edit_first=False):
        """Hold that nothing is lost, and that what comes next knows what to do."""
        kept, now = beside(self.model, BACKUP), part(self.model)
        there = [one.read_bytes() for one in (kept, now) if one.exists()]
        assert self.original in there, how
        if edit_first and kept.exists():
            with suppress(UsageError):  # it was edited: the backup is to be restored
                self.edit()
        if kept.exists():
            regaudit.undo(self.model)
        else:
            with suppress(UsageError):
                regaudit.undo(self.model)
        assert now.read_bytes() == self.original, how
        assert not kept.exists(), how
        left = [one for one in self.folder.rglob(".*") if one.is_file()]
        assert not left, (how, left)


FILES_AND_FOLDERS = pytest.mark.parametrize("source", [KERAS, DIRECTORY], ids=["file", "directory"])
LINKS = pytest.mark.parametrize("links", [(), WITHOUT_LINKS], ids=["links", "no-links"])
UNDO = pytest.mark.parametrize("undo", [False, True], ids=["in-place", "undo"])


@needs_strace
@pytest.mark.parametrize(
    ("source", "links"),
    [(KERAS, ()), (KERAS, WITHOUT_LINKS), (DIRECTORY, ())],
    ids=["file", "file-no-links", "directory"],
)
@UNDO
def test_killed_at_a_system_call(source, links, undo, tmp_path):
    """Before each that changes the disk; on a file system with links, and on one without."""
    case = Case(source, tmp_path, undo=undo)
    for number, (name, when) in enumerate(case.steps(*links)):
        case.reset()
        at = ("-e", f"inject={name}:signal=KILL:when={when}")
        ended, _ = traced(case.call, "-e", f"trace={name},?link,linkat", *links, *at)
        assert ended == -signal.SIGKILL, (name, when)
        case.check((name, when), edit_first=bool(number % 2))


@needs_strace
@FILES_AND_FOLDERS
@UNDO
def test_a_system_call_that_fails(source, undo, tmp_path):
    """As on a full disk. What is refused has changed nothing, what is done is done."""
    case = Case(source, tmp_path, undo=undo)
    for name, when in case.steps():
        case.reset()
        at = ("-e", f"trace={name}", "-e", f"inject={name}:error=ENOSPC:when={when}")
        ended, _ = traced(case.call, *at)
        assert ended != FAILED, (name, when)
        if ended == REFUSED:
            left = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
            assert left == case.before, (name, when)
        case.check((name, when))


@needs_strace
def test_a_file_system_without_any_safe_way_is_refused(tmp_path):
    """It has neither links nor renames that never replace: `apply -o` is what is left."""
    case = Case(KERAS, tmp_path, undo=False)
    with_neither = ("-e", "inject=renameat2:error=EINVAL", "-e", "trace=?link,linkat,renameat2")
    assert traced(case.call, *with_neither, *WITHOUT_LINKS)[0] == REFUSED
    assert [*tmp_path.iterdir()] == [case.model]


@needs_strace
@LINKS
def test_of_two_at_once_one_is_refused(links, tmp_path):
    """The second runs while the first is about to give its copy the name of the backup."""
    case = Case(KERAS, tmp_path, undo=False)
    waits = "renameat2" if links else "?link,linkat"
    slow = ("-e", f"inject={waits}:delay_enter=500000")
    both = ("-e", "trace=?link,linkat,renameat2", *links)
    first, second = started(case.call, *both, *slow), started(case.call, *both)
    assert sorted([finished(first)[0], finished(second)[0]]) == [DONE, REFUSED]
    assert beside(case.model, BACKUP).read_bytes() == case.original
    case.check("undo")


@pytest.fixture
def vfat(tmp_path):
    """A file system that really has no links, modes and owners; root may mount one."""
    image, folder = tmp_path / "image", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    for command in (["mkfs.vfat", image], ["mount", "-t", "vfat", "-o", "loop", image, folder]):
        program = shutil.which(command[0])
        if not program or subprocess.run([program, *command[1:]], check=False).returncode:
            pytest.skip(f"{command[0]} is not there, or may not do it here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("source", NOW, ids=lambda file: file.name)
def test_on_a_file_system_without_links(source, vfat):
    case = Case(source, vfat, undo=False)
    case.edit()
    assert beside(case.model, BACKUP).read_bytes() == case.original
    assert part(case.model).read_bytes() != case.original
    case.check("undo")


class Edits(RuleBasedStateMachine):
    """Edits, undoing, training and kills in any order."""

    @initialize(file=st.sampled_from(NOW))
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
        edits = edits_of(self.model, strength)

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
        file = part(self.model)
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file, "a") as archive:
                archive.comment += b"trained"
        elif h5py.is_hdf5(file):
            with h5py.File(file, "r+") as whole:
                whole.attrs["trained"] = whole.attrs.get("trained", 0) + 1
        else:
            file.write_bytes(self.now() + b"\n")
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
    max_examples=8,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
if hasattr(os, "fork"):
    TestEdits = Edits.TestCase
