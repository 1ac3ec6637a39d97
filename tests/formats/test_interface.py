"""A format is one file: what finds, audits and caches models asks the formats themselves."""

import re

import pytest
import yaml
from command_line import run
from paths import ROOT

import regaudit
import regaudit.formats
from regaudit.formats.interface import formats
from regaudit.running.model_search import find_models, models_among
from regaudit.running.report_cache import Cache
from regaudit.settings.config import Config

TOY = '''
"""Models without weights: a toy."""

from contextlib import contextmanager

from regaudit.formats.interface import Artifact, Format
from regaudit.model import Model


class Toy(Format):
    name = "toy"
    suffixes = (".toy",)
    folder_marks = ("toy.txt",)
    folder_parts = frozenset({"weights.toy"})
    one_file = True

    def sniff(self, file):
        if file.is_dir():
            return (file / "toy.txt").is_file()
        return file.is_file() and file.read_bytes().startswith(b"TOY")

    def listed_in(self, name):
        return f"{name[:-6]}.toy" if name.endswith("-2.toy") else None

    @contextmanager
    def read(self, file, architecture=None):
        yield Artifact(Model("toy", "Toy", ()), {}, ())
'''


@pytest.fixture
def _toy(tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "toy.py").write_text(TOY)
    places = [*regaudit.formats.__path__, str(tmp_path / "package")]
    monkeypatch.setattr(regaudit.formats, "__path__", places)
    (tmp_path / "a.toy").write_text("TOY a")


@pytest.mark.usefixtures("_toy")
class TestAFormatIsAddedByOneFile:
    def test_it_is_found_and_audited(self, tmp_path):
        (tmp_path / "a-2.toy").write_text("a part")
        (tmp_path / "b.txt").write_text("TOY b")
        (report,) = regaudit.audit_files([str(tmp_path)], isolate=False)
        assert report.file == str(tmp_path / "a.toy")
        assert report.format == "toy"
        assert report.failure is None

    def test_it_is_found_in_a_store(self, tmp_path):
        names = ["s/a.toy", "s/b/toy.txt", "s/b/weights.toy", "s/b/c.toy", "s/c.txt"]
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        found = models_among(names, lambda path: tmp_path / path)
        assert found == {"s/a.toy", "s/b", "s/b/c.toy"}

    def test_it_is_cached(self, tmp_path):
        for hits in (0, 1):
            cache = Cache(tmp_path / "cache", Config.default())
            list(regaudit.audit_files([str(tmp_path / "a.toy")], isolate=False, cache=cache))
            assert cache.hits == hits

    def test_it_is_audited_by_the_command(self, tmp_path):
        result = run("inspect", str(tmp_path / "a.toy"), "--format", "json", "--no-isolate")
        assert result.exit_code == 0, result.output


def test_what_is_in_more_than_one_file_is_not_cached_by_the_file_that_is_named(tmp_path):
    file = next((ROOT / "fixtures" / "corpus").rglob("*.weights.json"))
    for _ in range(2):
        cache = Cache(tmp_path, Config.default())
        (report,) = regaudit.audit_files([str(file)], isolate=False, cache=cache)
        assert report.format == "sharded-weights"
        assert report.failure is None
        assert not cache.hits


def test_every_format_is_found_by_name_or_by_the_marks_of_its_folder(tmp_path):
    for kind in formats():
        ways = (kind.suffixes, kind.sniffed_suffixes, kind.folder_marks)
        assert sum(map(bool, ways)) == 1, kind.name
        for suffix in kind.suffixes:
            (tmp_path / f"m{suffix}").touch()
    found = {name.rpartition("/")[2] for name in find_models(str(tmp_path))}
    assert found == {f"m{suffix}" for kind in formats() for suffix in kind.suffixes}


def test_the_hook_is_run_on_files_that_hold_all_of_a_model():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    suffixes = dict.fromkeys(s for kind in formats() if kind.one_file for s in kind.suffixes)
    assert hook["files"] == rf"\.({'|'.join(re.escape(s[1:]) for s in suffixes)})$"


def test_the_readme_names_every_suffix():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert all(f"`{s}`" in readme for kind in formats() for s in kind.suffixes)
