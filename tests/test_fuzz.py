"""What fuzzing has found, each with the command that fell and how it ends now."""

import json
import re
import shutil

import pytest
from command_line import run
from paths import FIXTURES, MODELS

FOLDER = FIXTURES / "fuzz"
CASES = json.loads((FOLDER / "index.json").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with everything that fell, and a good model."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    shutil.copy(MODELS / "tutorial-l2.keras", tmp_path / "m.keras")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case["command"])[:80])
@pytest.mark.usefixtures("folder")
def test_what_fell_is_answered(case):
    result = run(*case["command"], color=False)
    assert result.exit_code == case["exit"], result.output
    assert case["says"] in " ".join(result.output.split())
    assert "which is a bug" not in " ".join(result.output.split())
    assert "hunter2" not in result.output
    assert not re.search(r"\x1b|^\s*::", result.output, re.MULTILINE)


def test_every_file_is_in_the_index():
    named = {word.rpartition("=")[2] for case in CASES for word in case["command"]}
    there = {file.name for file in FOLDER.iterdir()} - {"index.json", "README.md"}
    assert there <= named
