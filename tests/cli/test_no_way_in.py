"""Folders that may not be entered, or are gone: one line and exit code 2 or 3, never a bug."""

import os
import shutil
import subprocess
import sys

import pytest
from paths import MODELS

MODEL = MODELS / "tutorial-l2.keras"
SET = ("--set", "*:kernel=l2(3e-4)")
DROP = "-dac_override,-dac_read_search"
AS_USER = ["setpriv", f"--inh-caps={DROP}", f"--bounding-set={DROP}"]
"""Root with the rights of others."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such folders")


def done(*arguments, folder, before=()):
    return subprocess.run(
        [*before, sys.executable, "-m", "regaudit", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["apply", "--undo", "g/x.keras"], 3, "g/x.keras: cannot be read: Permission denied"),
        (["apply", "g/x.keras", "--in-place", *SET], 3, "g/x.keras: cannot be read: Permission"),
        (["apply", "m.keras", "-o", "g/o.keras", *SET], 3, "g/o.keras cannot be written: Perm"),
        (["baseline", "write", "--baseline", "g/b.json", "m.keras"], 2, "g/b.json cannot be writ"),
        (["baseline", "update", "--baseline", "g/b.json", "m.keras"], 2, "g/b.json: cannot be re"),
    ],
)
def test_a_folder_that_may_not_be_entered(arguments, code, said, tmp_path):
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may enter every folder")
    closed = tmp_path / "g"
    closed.mkdir()
    shutil.copy(MODEL, tmp_path / "m.keras")
    shutil.copy(MODEL, closed / "x.keras")
    closed.chmod(0o600)
    ended = done(*arguments, folder=tmp_path, before=() if os.getuid() else AS_USER)
    closed.chmod(0o700)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert [one.name for one in closed.iterdir()] == ["x.keras"]


@pytest.fixture
def gone(tmp_path):
    """What to run first, for the program to be in a folder that is gone."""
    (tmp_path / "gone").mkdir()
    return ["sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh"]


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "check m.keras",
        "inspect .",
        "baseline write",
        "baseline write {model}",
        "config init",
        "apply x.keras --undo",
        "apply m.keras --dry-run --suggested",
        "diff m.keras {model}",
        "suggest m.keras",
        "verify m.keras",
        "sweep {model} --data {model} --val-data {model} -o o.keras",
        "apply {model} -o o.keras --set *:kernel=l2(3e-4)",
        "inspect {model} -o x.html --format html",
    ],
)
def test_in_a_folder_that_is_gone(command, gone, tmp_path):
    ended = done(*command.format(model=MODEL).split(), folder=tmp_path, before=gone)
    assert ended.returncode in {2, 3}
    assert "the current folder is gone" in ended.stderr
    assert "bug" not in ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        "inspect {model}",
        "inspect {model} --format sarif -o {folder}/o.sarif",
        "inspect {model} {model} --jobs 2 --format json",
        "baseline write {model} --baseline {folder}/b.json",
    ],
)
def test_absolute_paths_need_no_folder(command, gone, tmp_path):
    arguments = command.format(model=MODEL, folder=tmp_path).split()
    ended = done(*arguments, folder=tmp_path, before=gone)
    assert ended.returncode == 0, ended.stderr
