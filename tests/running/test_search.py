"""Folders of strangers: what cannot be searched is a failure by name, and the rest goes on."""

import os
import shutil
import subprocess
import sys
from errno import EACCES
from pathlib import Path

import pytest
from command_line import run
from paths import MODELS

from regaudit.errors import UsageError
from regaudit.running.model_search import search
from regaudit.running.run import audit_files

GOOD = MODELS / "tutorial-l2.keras"


def deep(folder, count, name):
    """Make folders in each other; their paths may be longer than a system call takes."""
    folder.mkdir()
    program = (
        f"import os\nfor _ in range({count}):\n    os.mkdir({name!r})\n    os.chdir({name!r})\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)


def failures(*targets):
    reports = list(audit_files(map(str, targets), isolate=False))
    return {report.file: report.failure.message for report in reports if report.failure}


def test_deep_folders_and_long_paths(tmp_path):
    deep(tmp_path / "deep", 1500, "a")
    deep(tmp_path / "long", 20, "n" * 250)
    shutil.copy(GOOD, tmp_path / "long" / "x.keras")
    found = search(str(tmp_path))
    assert found.models == [str(tmp_path / "long" / "x.keras")]
    (refused,) = found.refused
    assert "File name too long" in refused.failure.message
    assert failures(tmp_path / ("a" * 300)) == {
        str(tmp_path / ("a" * 300)): "cannot be read: File name too long"
    }
    subprocess.run(["rm", "-rf", str(tmp_path / "deep"), str(tmp_path / "long")], check=False)


def test_links_are_followed_only_where_they_are_named(tmp_path):
    shutil.copy(GOOD, tmp_path / "private.bin")
    repo = tmp_path / "repo"
    (repo / "sub").mkdir(parents=True)
    shutil.copy(GOOD, repo / "sub" / "own.keras")
    (repo / "latest.keras").symlink_to("sub/own.keras")
    (repo / "loop").symlink_to(".")
    (repo / "broken.keras").symlink_to("nowhere")
    (repo / "x.keras").symlink_to("../private.bin")
    found = search(str(repo))
    assert found.models == [str(repo / "sub" / "own.keras")]
    assert [one.file for one in found.refused] == [
        str(repo / "broken.keras"),
        str(repo / "x.keras"),
    ]
    assert str(repo / "x.keras") not in search(str(repo / "*.keras")).models
    assert search(str(repo / "x.keras")).models == [str(repo / "x.keras")]
    assert run("check", str(repo), "--fail-on", "never").exit_code == 3


def test_stars_do_not_follow_links_to_folders(tmp_path):
    private, repo = tmp_path / "private", tmp_path / "repo"
    for folder in (private / "deep", repo / "v1"):
        folder.mkdir(parents=True)
        shutil.copy(GOOD, folder / "x.keras")
    (repo / "out").symlink_to(private)
    (repo / "latest").symlink_to("v1")  # what is behind it is found anyway
    own, out = str(repo / "v1" / "x.keras"), str(repo / "out")
    for pattern in ("*/*.keras", "*/x.keras", "*/**/*.keras", "?*/**", "[a-z]*/*/*.keras"):
        found = search(str(repo / pattern))
        assert set(found.models) <= {own}, pattern
        assert [one.file for one in found.refused] == [out], pattern
    assert search(str(repo / "**" / "*.keras")).models == [own]
    assert search(str(repo / "out" / "*" / "*.keras")).models == [f"{out}/deep/x.keras"]


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [("*.keras", ""), ("*/*.keras", "g"), ("**/*.keras", "g"), ("", "g"), ("g/*", "g")],
)
def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch, pattern, refused):
    (tmp_path / "g").mkdir()
    for name in ("good.keras", "g/x.keras"):
        shutil.copy(GOOD, tmp_path / name)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "g")
    expected = {str(tmp_path / refused): "cannot be read: Permission denied"} if refused else {}
    assert failures(tmp_path / pattern, tmp_path / "good.keras") == expected


def test_a_name_in_a_folder_that_may_not_be_entered(tmp_path, monkeypatch):
    def lstat(path):
        raise PermissionError(EACCES, os.strerror(EACCES), str(path))

    (tmp_path / "g").mkdir()
    monkeypatch.setattr(Path, "lstat", lstat)
    found = search(str(tmp_path / "*" / "x.keras"))
    assert [one.failure.message for one in found.refused] == ["cannot be read: Permission denied"]


def test_a_config_json_alone_makes_no_model(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "config.json").write_text("{}")
    shutil.copy(GOOD, tmp_path / "sub" / "x.keras")
    assert search(str(tmp_path)).models == [str(tmp_path / "sub" / "x.keras")]


def test_a_folder_that_may_not_be_read(tmp_path):
    (tmp_path / "lost+found").mkdir(mode=0)
    if os.access(tmp_path / "lost+found", os.R_OK):
        pytest.skip("root may read everything")
    assert failures(tmp_path) == {str(tmp_path / "lost+found"): "cannot be read: Permission denied"}


@pytest.mark.parametrize("pattern", ["***", "a**/x", "/**/**/*.keras"])
def test_stars_that_make_no_sense(pattern):
    with pytest.raises(UsageError, match=r"\*\*"):
        search(pattern)
    assert run("check", pattern).exit_code == 2
