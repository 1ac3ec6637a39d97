"""Parts of a model that may not be looked at are a failure of the model in one line."""

import os
from errno import EACCES
from pathlib import Path

import pytest

from regaudit.errors import UnreadableModelError
from regaudit.storage.siblings import beside, hub_blob, is_inside


def test_a_part_that_may_not_be_looked_at(tmp_path, monkeypatch):
    def denied(path, **_options):
        raise PermissionError(EACCES, os.strerror(EACCES), str(path))

    for name in ("lstat", "stat"):  # `os.path` asks those of `os`, and takes it for nothing
        monkeypatch.setattr(Path, name, denied)
        monkeypatch.setattr(os, name, denied)
    with pytest.raises(UnreadableModelError, match=r"^a/b cannot be read: Permission denied$"):
        beside(tmp_path, "a", "b")
    assert not is_inside(tmp_path, "a")
    assert hub_blob(tmp_path / "a") is None


def test_a_link_to_itself_in_a_cache(tmp_path):
    loop = tmp_path / "models--a" / "snapshots" / "1" / "x.keras"
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)
    assert hub_blob(loop) is None
    assert is_inside(loop.parent, "x.keras")
