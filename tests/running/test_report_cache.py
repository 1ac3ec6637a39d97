"""The cache: what did not change is not audited again, and nothing else comes out of it."""

import os
import shutil
import subprocess
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from command_line import run
from msgspec.structs import replace
from paths import CORPUS, MODELS

import regaudit
from regaudit.errors import UsageError
from regaudit.report.ignore import Ignore
from regaudit.report.report import Failure, Report
from regaudit.running.report_cache import Cache, default_folder
from regaudit.settings.config import Config, read_config

GOOD = MODELS / "regularized-cnn.keras"
OVERFIT = MODELS / "digits-cnn.keras"
FOLDER = next(CORPUS.rglob("*saved_model*.pb")).parent
FORMATS = ("json", "html", "csv", "sarif", "markdown")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def entries():
    return sorted(Path("cache").glob("??/*.msgpack"))


class Auditing:
    """Audits, and counts how often."""

    def __init__(self, config=None, folder="cache"):
        self.config = config or Config.default()
        self.cache = Cache(Path(folder), self.config)
        self.audits = 0

    def __call__(self, file):
        def audit():
            self.audits += 1
            return regaudit.audit(file, self.config)

        return self.cache.through(str(file), audit)


@pytest.mark.parametrize("apart", [(), ("--jobs", "2"), ("--no-isolate",)])
def test_a_hit_is_a_miss_byte_for_byte(apart):
    shutil.copy(GOOD, "a.keras")
    shutil.copy(OVERFIT, "b.keras")
    outputs = [part for name in FORMATS for part in ("--output", f"{name}:{{}}.{name}")]
    for number, cached in enumerate([(), ("--cache=cache",), ("--cache=cache",)]):
        named = [part.format(number) for part in outputs]
        assert run("report", *apart, *cached, *named, "a.keras", "b.keras").exit_code == 0
    assert len(entries()) == 2
    for name in FORMATS:
        plain = Path(f"0.{name}").read_bytes()
        assert Path(f"1.{name}").read_bytes() == Path(f"2.{name}").read_bytes() == plain


def test_unchanged_models_are_not_audited_again():
    auditing = Auditing()
    for file in (GOOD, FOLDER, GOOD, FOLDER):
        assert auditing(file) == regaudit.audit(file)
    assert (auditing.audits, auditing.cache.hits) == (2, 2)
    again = Auditing()
    assert again(GOOD).ok
    assert (again.audits, again.cache.hits) == (0, 1)


def test_the_command_takes_reports_from_it():
    shutil.copy(OVERFIT, "model.keras")
    assert "REG101" in run("check", "--cache=cache", "model.keras").output
    (entry,) = entries()
    _, _, body = entry.read_bytes().partition(b"\n")
    content = msgspec.msgpack.decode(body)
    content["findings"] = []
    body = msgspec.msgpack.encode(content)
    entry.write_bytes(sha256(body).hexdigest().encode() + b"\n" + body)
    result = run("check", "--cache=cache", "model.keras")
    assert result.exit_code == 0
    assert "REG101" not in result.output


def test_a_changed_file_misses():
    auditing = Auditing()
    shutil.copy(OVERFIT, "model.keras")
    assert not auditing("model.keras").ok
    shutil.copy(GOOD, "model.keras")
    assert auditing("model.keras").ok
    shutil.copytree(FOLDER, "saved")
    auditing("saved")
    variables = next(Path("saved").rglob("variables.data*"))
    content = bytearray(variables.read_bytes())
    content[0] ^= 1
    variables.write_bytes(content)
    auditing("saved")
    assert (auditing.audits, auditing.cache.hits) == (4, 0)


def test_changed_settings_miss_and_what_decides_nothing_does_not():
    base = Config.default()
    ignore = Ignore("REG101", "known", expires=date(9999, 1, 1))
    (own := Path("regaudit.toml")).write_text("[rules.REG101]\nmin_parameters = 5\n")
    deciding = [
        base,
        base.without(["REG101"]),
        base.allowing(["json_bytes=50000000"]),
        replace(base, ignores=(ignore,)),
        replace(base, ignores=(replace(ignore, expires=date(2020, 1, 1)),)),
        replace(base, detailed=True),
        Config.default(preset="strict"),
        Config.default(train_loss=0.1, val_loss=0.5),
        read_config(own),
    ]
    for config in deciding:
        auditing = Auditing(config)
        auditing(OVERFIT)
        assert (auditing.audits, auditing.cache.hits) == (1, 0)
    auditing = Auditing(replace(base, fail_on=1, models=("x",)))
    auditing(OVERFIT)
    assert auditing.cache.hits == 1


def test_another_name_misses():
    """Reports, ignores and overrides go by it."""
    shutil.copy(GOOD, "a.keras")
    shutil.copy(GOOD, "b.keras")
    auditing = Auditing()
    assert [auditing(file).file for file in ("a.keras", "b.keras")] == ["a.keras", "b.keras"]
    assert auditing.audits == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda content: content[:-9],
        lambda content: content.replace(b"kernel", b"kernal"),
        lambda _: b"\x80\x04\x95pickle",
        lambda content: content.partition(b"\n")[0] + b"\n{}",
    ],
)
def test_a_corrupt_entry_is_ignored_and_replaced(spoil):
    auditing = Auditing()
    auditing(GOOD)
    (entry,) = entries()
    whole = entry.read_bytes()
    entry.write_bytes(spoil(whole))
    assert auditing(GOOD) == regaudit.audit(GOOD)
    assert auditing.audits == 2
    assert entry.read_bytes() == whole


def test_failures_and_models_in_several_files_are_not_kept():
    Path("cut.keras").write_bytes(GOOD.read_bytes()[:900])
    shutil.copy(FOLDER / "saved_model.pb", "saved_model.pb")
    auditing = Auditing()
    for file in ("cut.keras", "gone.keras", FOLDER / "saved_model.pb"):
        auditing(file)
        auditing(file)
    assert auditing.audits == 6
    assert not entries()


def test_what_changes_during_its_audit_is_not_kept():
    shutil.copy(GOOD, "model.keras")
    cache = Cache(Path("cache"), Config.default())

    def audit():
        report = regaudit.audit("model.keras")
        shutil.copy(OVERFIT, "model.keras")
        return report

    assert cache.through("model.keras", audit).ok
    assert not entries()


def test_a_killed_worker_leaves_nothing():
    cache = Cache(Path("cache"), Config.default())
    cache.through(str(GOOD), lambda: Report(str(GOOD), failure=Failure("UnsafeFileError", "x")))
    assert not entries()


def test_two_processes_at_once():
    for number in range(6):
        shutil.copy(GOOD if number % 2 else OVERFIT, f"{number}.keras")
    command = [sys.executable, "-m", "regaudit", "inspect", "--cache=cache", "--format", "json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(
            [*command, *sorted(str(file) for file in Path().glob("*.keras"))],
            env=environment,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    assert len(entries()) == 6
    assert not list(Path("cache").rglob(".*"))


def test_a_folder_that_cannot_be_written_is_one_warning():
    shutil.copy(GOOD, "a.keras")
    shutil.copy(GOOD, "b.keras")
    result = run("inspect", "a.keras", "b.keras", "--cache=/proc/regaudit")
    assert result.exit_code == 0
    why = "No such file or directory"
    assert result.stderr == f"--cache /proc/regaudit: reports are not kept: {why}\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_read_only_folder_is_one_warning():
    Path("cache").mkdir(mode=0o500)
    result = run("inspect", GOOD, OVERFIT, "--cache=cache")
    assert result.exit_code == 0
    assert result.stderr == "--cache cache: reports are not kept: Permission denied\n"


def test_a_folder_with_other_things_is_refused():
    Path("models").mkdir()
    shutil.copy(GOOD, "models/a.keras")
    result = run("inspect", "--cache", "models")
    assert result.exit_code == 2
    assert "is not a cache" in result.output
    assert run("inspect", "--cache", "models/a.keras").exit_code == 2
    with pytest.raises(UsageError):
        Cache(Path("models/a.keras"), Config.default())


def test_the_default_folder_is_the_users(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("xdg").absolute()))
    assert run("inspect", GOOD, "--cache").exit_code == 0
    assert default_folder() == Path("xdg/regaudit").absolute()
    assert len(list(Path("xdg/regaudit").glob("??/*.msgpack"))) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/.cache/regaudit")


def _link(entry):
    entry.rename("elsewhere")
    entry.symlink_to(Path("elsewhere").absolute())


def _link_above(entry):
    entry.parent.rename("elsewhere")
    entry.parent.symlink_to(Path("elsewhere").absolute())


def _file_above(entry):
    shutil.rmtree(entry.parent)
    entry.parent.touch()


def _pipe(entry):
    entry.unlink()
    os.mkfifo(entry)


def _folder(entry):
    entry.unlink()
    entry.mkdir()


def _holes(entry):
    os.truncate(entry, 1 << 40)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("plant", [_link, _link_above, _file_above, _pipe, _folder, _holes])
def test_what_is_planted_for_an_entry_is_not_there(plant):
    Auditing()(GOOD)
    (entry,) = entries()
    plant(entry)
    auditing = Auditing()
    assert auditing(GOOD) == regaudit.audit(GOOD)
    assert (auditing.audits, auditing.cache.hits) == (1, 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_planted_for_the_folder_is_wrong_usage():
    os.mkfifo("pipe")
    Path("file").touch()
    Path("loop").symlink_to("loop")
    Auditing()(GOOD)
    Path("cache/CACHEDIR.TAG").unlink()
    Path("cache/CACHEDIR.TAG").symlink_to("/dev/zero")
    for place in ("pipe", "file", "file/below", "loop", "/dev/null", "a" * 300, "cache"):
        result = run("check", str(GOOD), f"--cache={place}", color=False)
        assert result.exit_code == 2, place
        assert f"--cache {place}: " in result.stderr
