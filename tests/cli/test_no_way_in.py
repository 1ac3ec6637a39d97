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
