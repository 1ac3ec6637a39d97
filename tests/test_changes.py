"""A release makes its notes of the files in docs/changes, in front of the older ones."""

import shutil
import subprocess
import sys

import pytest
from paths import ROOT

CHANGES = ROOT / "docs" / "changes"


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(CHANGES, tmp_path / "docs" / "changes")
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def built(folder):
    pytest.importorskip("towncrier")
    command = [sys.executable, "-m", "towncrier", "build", "--yes", "--date", "2026-02-03"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_change_is_in_the_notes_of_the_next_release(checkout):
    old = (checkout / "CHANGELOG.md").read_text("utf-8")
    folder = checkout / "docs" / "changes"
    (folder / "+of-two-lines.security.md").write_text("Something of two\nlines.\n")
    texts = [file.read_text("utf-8").strip() for file in folder.glob("+*.md")]
    result = built(checkout)
    assert result.returncode == 0, result.stdout + result.stderr
    new = (checkout / "CHANGELOG.md").read_text("utf-8")
    top, marker, rest = old.partition("<!-- towncrier release notes start -->\n")
    notes = new.removeprefix(top + marker).removesuffix(rest)
    assert new == top + marker + notes + rest
    assert notes.startswith("\n## 0.1.0 (2026-02-03)\n\n### ")
    assert notes.endswith("\n### Security\n\n- Something of two\n  lines.\n")
    assert notes.count("\n- ") == len(texts)
    assert [text for text in texts if "- " + text.replace("\n", "\n  ") not in notes] == []
    assert {file.name for file in folder.iterdir()} == {"README.md", "template.md.jinja"}


def test_a_change_of_no_known_type_is_refused(checkout):
    (checkout / "docs" / "changes" / "+something.feature.md").write_text("Something.\n")
    result = built(checkout)
    assert result.returncode == 1
    assert "+something.feature.md" in result.stdout + result.stderr
