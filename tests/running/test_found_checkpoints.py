"""Which checkpoints a path, a folder, a pattern or a list of them means, and what is missing."""

import os
import shutil
from pathlib import Path

import pytest
from command_line import run
from paths import FIXTURES
from searched import SAVED_MODEL, put

from regaudit import Config, audit, audit_files
from regaudit.running.model_search import search
from regaudit.running.report_cache import Cache
from regaudit.storage.checkpoint_files import in_order, read_state
from regaudit.storage.size import size_of

TRAINING = FIXTURES / "checkpoints" / "tf-2.15.1" / "training"
SHARDS = FIXTURES / "checkpoints" / "tf-keras-2.21.0" / "shards"
SERIES = ["ckpt-1.index", "ckpt-2.index", "ckpt-3.index"]
SHARD = "ckpt-2.data-00000-of-00001"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a series of checkpoints and their list."""
    for file in TRAINING.glob("c*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(target):
    return {Path(one.file).name: one.failure.message for one in search(str(target)).refused}


@pytest.mark.parametrize("name", ["ckpt-2", "ckpt-2.index", SHARD, "./ckpt-2", f"./{SHARD}"])
def test_prefix_index_and_shard_mean_the_same(folder, name):
    [model] = search(name).models
    assert os.path.normpath(model) == "ckpt-2.index"
    alone = audit(name)
    assert alone.failure is None
    assert os.path.normpath(alone.file) == "ckpt-2.index"
    assert alone.size == sum(file.stat().st_size for file in folder.glob("ckpt-2.*"))


@pytest.mark.parametrize("target", [".", "checkpoint", "*", "ckpt-*"])
@pytest.mark.usefixtures("folder")
def test_a_folder_its_list_and_patterns_give_each_once_and_in_order(target):
    found = search(target)
    assert [os.path.normpath(model) for model in found.models] == SERIES
    assert not found.refused


def test_the_list_decides_on_the_order(folder):
    (folder / "checkpoint").write_text(
        'model_checkpoint_path: "/gone/away/ckpt-1"\n'
        'all_model_checkpoint_paths: "ckpt-3"\nall_model_checkpoint_paths: "ckpt-1"\n'
    )
    assert read_state(folder / "checkpoint") == ["ckpt-3", "ckpt-1"]
    names = [Path(model).name for model in search(str(folder)).models]
    assert names == ["ckpt-2.index", "ckpt-3.index", "ckpt-1.index"]


def test_numbers_in_names_count_as_numbers():
    names = ["cp-10.index", "b.keras", "cp-9.index", "cp-9a.index", "a/cp-2.index"]
    expected = ["a/cp-2.index", "b.keras", "cp-9.index", "cp-9a.index", "cp-10.index"]
    assert in_order(names) == expected


def test_a_prefix_may_be_called_checkpoint():
    trial = FIXTURES / "checkpoints" / "keras-tuner-1.4.8" / "trials" / "search" / "trial_0"
    for target in (trial, trial / "checkpoint"):
        assert search(str(target)).models == [str(trial / "checkpoint.index")]


def test_the_values_of_a_savedmodel_are_no_model_of_their_own(tmp_path):
    put(SAVED_MODEL, tmp_path / "saved")
    assert search(str(tmp_path)).models == [str(tmp_path / "saved")]
    (tmp_path / "saved" / "saved_model.pb").unlink()
    index = tmp_path / "saved" / "variables" / "variables.index"
    assert search(str(tmp_path)).models == [str(index)]


def test_a_report_of_a_folder_draws_the_series(folder):
    result = run("report", folder, "--html", folder / "out.html", "--no-isolate")
    assert result.exit_code == 0
    page = (folder / "out.html").read_text("utf-8")
    assert "Trends" in page
    listed = page[page.index('id="index"') :]
    places = [listed.index(name) for name in SERIES]
    assert places == sorted(places)


def test_several_shards_are_one_model():
    found = search(str(SHARDS)).models
    [model] = [one for one in found if not one.endswith("model.json")]
    assert model.endswith("many.index")
    files = [file for file in SHARDS.iterdir() if file.name.startswith("many")]
    assert len(files) == 4
    assert size_of(model) == sum(file.stat().st_size for file in files)
    for shard in files:
        assert search(str(shard)).models == [model]


def test_reports_are_kept_until_a_shard_changes(folder, tmp_path_factory):
    cache = Cache(tmp_path_factory.mktemp("kept") / "cache", Config.default())
    for hits in (0, 3, 2):
        list(audit_files([str(folder)], cache=cache, isolate=False))
        assert cache.hits == hits
        cache.hits = 0
        if hits:
            shard = folder / SHARD
            shard.write_bytes(bytes([shard.read_bytes()[0] ^ 1]) + shard.read_bytes()[1:])


# What is missing


def test_an_index_without_its_shard(folder):
    (folder / SHARD).unlink()
    message = audit("ckpt-2").failure.message
    assert message == f"part of the model is missing: there is no {SHARD}"
    assert len(search(".").models) == 3


def test_a_shard_without_its_index(folder):
    (folder / "ckpt-2.index").unlink()
    said = "a shard of a TensorFlow checkpoint, but the index that it takes is missing: "
    for target in (SHARD, "ckpt-2"):
        assert audit(target).failure.message == f"{said}'ckpt-2.index'"
    assert refused(".") == {SHARD: f"{said}'ckpt-2.index'"}


def test_a_list_of_what_is_not_there(folder):
    for name in ("ckpt-3.index", "ckpt-3.data-00000-of-00001"):
        (folder / name).unlink()
    said = "it names 'ckpt-3' as the latest checkpoint, and there is no 'ckpt-3.index' beside it"
    assert refused(".") == {"checkpoint": said}
    assert [Path(model).name for model in search("checkpoint").models] == SERIES[:2]
    for file in folder.glob("ckpt-*"):
        file.unlink()
    [report] = audit_files(["checkpoint"])
    assert "and none of them lies beside it: the latest is 'ckpt-3'" in report.failure.message


@pytest.mark.parametrize(
    "text",
    [
        'model_checkpoint_path: "../../secret"\n',
        'model_checkpoint_path: "/etc/passwd"\n',
        'model_checkpoint_path: "a\0b"\n',
        'model_checkpoint_path: "\\n"\n',
        'model_checkpoint_path: ""\n',
        'model_checkpoint_path: "x"\n' + 'all_model_checkpoint_paths: "y"\n' * 1_000_000,
    ],
    ids=["above", "absolute", "zero", "escape", "empty", "a-million"],
)
def test_a_list_leads_nowhere_else(folder, text):
    (folder / "checkpoint").write_text(text)
    (folder.parent / "secret.index").write_bytes((folder / "ckpt-1.index").read_bytes())
    assert [Path(model).name for model in search(".").models] == SERIES
    assert set(refused(".")) <= {"checkpoint"}


def test_a_list_behind_a_link_is_not_read(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "list"
    other.write_text('model_checkpoint_path: "ckpt-1"\n')
    (folder / "checkpoint").unlink()
    (folder / "checkpoint").symlink_to(other)
    assert read_state(folder / "checkpoint") == []


def test_an_index_of_something_else_is_left_out_of_a_search(folder):
    (folder / "faiss.index").write_bytes(b"IxF2" + bytes(100))
    (folder / "ckpt-2.index").write_bytes((folder / "ckpt-2.index").read_bytes()[:200])
    skipped = []
    reports = list(audit_files(["."], skipped=skipped.append, isolate=False))
    assert [Path(report.file).name for report in skipped] == ["faiss.index"]
    failed = {Path(one.file).name: one.failure.message for one in reports if one.failure}
    assert failed == {"ckpt-2.index": "the checkpoint's index is damaged or cut short (no footer)"}
    assert "not the index of a TensorFlow checkpoint" in audit("faiss.index").failure.message


@pytest.mark.usefixtures("folder")
def test_commands_that_take_a_whole_model_refuse_it():
    said = "the file contains weights only"
    for command in (["apply", "--dry-run", "--set=*:kernel=l2(1e-4)"], ["verify"]):
        result = run(*command, "ckpt-1")
        assert result.exit_code == 3
        assert said in " ".join(result.output.split())
    result = run("diff", "ckpt-1", "ckpt-3", "--exit-code", "--no-isolate")
    assert result.exit_code == 1
    assert "4 changed" in result.output


def test_values_of_another_checkpoint_are_refused(folder):
    """As TensorFlow does: each tensor has a checksum in the index."""
    shutil.copy(folder / "ckpt-1.data-00000-of-00001", folder / SHARD)
    failure = audit("ckpt-2").failure
    assert failure.kind == "UnreadableModelError"
    assert f"{SHARD} is damaged, or of another checkpoint: the checksum of " in failure.message
    assert audit("ckpt-1").failure is None


def test_values_that_were_overwritten_are_refused(folder):
    shard = folder / SHARD
    shard.write_bytes(bytes(len(shard.read_bytes())))
    assert "is damaged, or of another checkpoint" in audit("ckpt-2").failure.message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads all")
def test_a_list_that_cannot_be_read_leaves_the_order_of_numbers(folder):
    (folder / "checkpoint").chmod(0)
    assert [Path(one).name for one in search(".").models] == SERIES


def test_a_list_that_fails_to_be_read_leaves_the_order_of_numbers(folder, monkeypatch):
    def fails(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", fails)
    assert read_state(folder / "checkpoint") == []
