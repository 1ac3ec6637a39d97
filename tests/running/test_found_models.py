"""What a search makes of a folder: every model in it, and what only looks like one is named."""

import json
import os
import shutil
from itertools import product

import h5py
import numpy as np
import pytest
from command_line import run
from samples import sampled
from searched import ARCHIVE, DIRECTORY, SAVED_MODEL, WEIGHTS, lay_out, put

import regaudit
from regaudit.running.model_search import find_models, search


def found(folder):
    """Return the models of a folder, by their paths in it."""
    result = search(str(folder))
    assert not result.refused
    return [os.path.relpath(model, folder) for model in result.models]


# Which folders are models


def parts(folder, *, config=None, metadata=None, weights=False):
    """Lay some of the three parts of an unzipped archive into a folder."""
    folder.mkdir(parents=True)
    for name, said in (("config.json", config), ("metadata.json", metadata)):
        if said is not None:
            (folder / name).write_text(json.dumps(said))
    if weights:
        shutil.copy(DIRECTORY / "model.weights.h5", folder)


OWN = {"learning_rate": 0.1}
HUGGING_FACE = {"architectures": ["BertModel"], "model_type": "bert"}
NESTED = {"model": {"class_name": "Sequential", "config": {}}}
OF_KERAS = json.loads((DIRECTORY / "config.json").read_text())
VERSION = {"keras_version": "3.15.1"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"config": OWN}, []),
        ({"config": OWN, "metadata": OWN}, []),
        ({"config": OWN, "metadata": VERSION}, []),
        ({"config": OF_KERAS}, ["config.json"]),
        ({"config": OF_KERAS, "metadata": OWN}, ["config.json"]),
        ({"config": OWN, "weights": True}, ["model.weights.h5"]),
        ({"config": NESTED, "weights": True}, ["model.weights.h5"]),
        ({"config": [1], "weights": True}, ["model.weights.h5"]),
        ({"config": HUGGING_FACE, "metadata": OWN, "weights": True}, ["model.weights.h5"]),
        ({"metadata": VERSION, "weights": True}, ["model.weights.h5"]),
        ({"config": OF_KERAS, "metadata": VERSION, "weights": True}, ["."]),
        ({"config": OF_KERAS, "weights": True}, ["."]),
        ({"config": OF_KERAS, "metadata": OWN, "weights": True}, ["."]),
        ({"config": OF_KERAS, "metadata": VERSION}, ["."]),
    ],
)
def test_two_of_the_three_parts_make_a_model(given, expected, tmp_path):
    parts(tmp_path / "m", **given)
    shutil.copy(ARCHIVE, tmp_path / "m" / "a.keras")
    put(ARCHIVE, tmp_path / "m" / "sub" / "b.keras")
    assert sorted(found(tmp_path / "m")) == sorted([*expected, "a.keras", "sub/b.keras"])
    below = [os.path.normpath(f"m/{one}") for one in expected]
    assert sorted(found(tmp_path)) == sorted([*below, "m/a.keras", "m/sub/b.keras"])


def test_a_model_without_its_weights_says_so(tmp_path):
    parts(tmp_path / "m", config=OF_KERAS, metadata=VERSION)
    failure = regaudit.audit(tmp_path / "m").failure
    assert failure.message == "part of the model is missing: there is no model.weights.h5"


def test_weights_beside_a_configuration_of_something_else_are_audited(tmp_path):
    parts(tmp_path / "m", config=HUGGING_FACE, weights=True)
    (report,) = regaudit.audit_files([str(tmp_path)], isolate=False)
    assert report.format == "weights-h5"
    assert report.failure is None


# Models beside models


def test_models_in_and_beside_models_are_found_once(tmp_path):
    expected = lay_out(tmp_path)
    assert set(found(tmp_path)) == expected
    assert len(found(tmp_path)) == len(expected)
    matched = set(find_models(str(tmp_path / "*ed")))
    assert matched == {str(tmp_path / name) for name in expected} - {str(tmp_path / "top.keras")}


@pytest.mark.parametrize("model", [SAVED_MODEL, DIRECTORY])
def test_a_folder_that_is_a_model_is_searched_too(model, tmp_path):
    put(model, tmp_path / "m")
    put(ARCHIVE, tmp_path / "m" / "sub" / "a.keras")
    assert found(tmp_path / "m") == [".", "sub/a.keras"]
    result = run("check", tmp_path / "m", "--format", "jsonl", "--fail-on", "never")
    assert result.exit_code == 0, result.output
    files = [json.loads(line)["file"] for line in result.stdout.splitlines()]
    assert files == [str(tmp_path / "m"), str(tmp_path / "m" / "sub" / "a.keras")]


def test_commands_on_one_model_take_the_folder_that_is_one(tmp_path):
    for name in ("old", "new"):
        put(DIRECTORY, tmp_path / name)
        put(ARCHIVE, tmp_path / name / "a.keras")
    assert run("diff", tmp_path / "old", tmp_path / "new").exit_code == 0
    assert run("suggest", tmp_path / "old").exit_code == 0
    edit = ("--set", "dense_3:kernel=l2(0.5)", "--dry-run")
    assert run("apply", tmp_path / "old", *edit).exit_code == 0


def test_sharded_weights_in_a_folder_belong_to_its_configuration(tmp_path):
    lay_out(tmp_path)
    (tmp_path / "unzipped" / "task.weights.h5").unlink()
    sharded, whole = (regaudit.audit(tmp_path / name) for name in ("sharded", "unzipped"))
    assert sharded.failure is None
    assert [w.path for _, w in sharded.model.weights()] == [
        w.path for _, w in whole.model.weights()
    ]
    assert not any("not read" in skip.reason for skip in sharded.skipped)


# What is not read


@pytest.mark.parametrize("model", [SAVED_MODEL, DIRECTORY])
def test_weights_that_are_not_read_with_a_folder_are_named(model, tmp_path):
    put(model, tmp_path / "m")
    beside = ["head.weights.h5", "model.safetensors", "task.weights.h5", "x.ckpt"]
    for name in beside:
        (tmp_path / "m" / name).write_bytes(b"")
    (tmp_path / "m" / "tokenizer.json").write_text("{}")
    unread = [skip.path for skip in regaudit.audit(tmp_path / "m").skipped]
    assert unread[: len(beside)] == beside
    assert "tokenizer.json" not in unread
    assert "model.safetensors: lies in the model's folder and is not read" in " ".join(
        run("inspect", tmp_path / "m").output.split()
    )


def test_the_head_of_a_task_is_no_model_of_its_own(tmp_path):
    put(DIRECTORY, tmp_path / "m")
    put(WEIGHTS, tmp_path / "m" / "task.weights.h5")
    put(WEIGHTS, tmp_path / "task.weights.h5")
    assert found(tmp_path) == ["m", "task.weights.h5"]


def test_many_files_that_are_not_read_are_counted(tmp_path):
    put(DIRECTORY, tmp_path / "m")
    for number in range(1000):
        (tmp_path / "m" / f"{number}.npz").touch()
    skipped = regaudit.audit(tmp_path / "m").skipped
    assert len(skipped) < 100
    assert any("980 more" in skip.reason for skip in skipped)


# HDF5 of something else


def data(file):
    file["images"] = np.zeros((3, 4))
    file["labels"] = np.zeros(3)


def pandas(file):
    file.attrs["TITLE"] = b""
    file.attrs["PYTABLES_FORMAT_VERSION"] = b"2.1"
    row = np.dtype([("index", "i8"), ("values_block_0", "f4", (2,))])
    file.create_dataset("frame/table", data=np.zeros(4, row), chunks=True)
    file["frame/axis0"] = np.array([b"a", b"b"])


def elsewhere(file):
    file["images"] = h5py.ExternalLink("images.h5", "/")
    file["labels"] = h5py.SoftLink("/nowhere")
    file.create_dataset("huge", (1 << 40,), "f4", chunks=(1 << 20,))


def netcdf(file):
    file["x"] = np.arange(3.0)
    file["x"].make_scale("x")
    file.create_dataset("t", (3,), "f4", chunks=(3,), maxshape=(None,), compression="gzip")


def layers_of_a_map(file):
    file["layers/roads"] = np.zeros((4, 2))
    file["layers/rivers/points"] = np.zeros((4, 2))


def caffe(file):
    file["data/conv1/0"] = np.zeros((2, 2))


def lora(file):
    file["lora/0/lora_kernel_a"] = np.zeros((2, 2))


FOREIGN = {
    "plain": (data, {}),
    "behind a user block, as of MATLAB": (data, {"userblock_size": 512}),
    "latest": (data, {"libver": "latest"}),
    "pandas": (pandas, {}),
    "links and bombs": (elsewhere, {}),
    "netcdf": (netcdf, {}),
    "a group called layers": (layers_of_a_map, {}),
    "a dataset called vars": (lambda file: file.update(vars=np.zeros(3)), {}),
    "of another library": (caffe, {}),
    "of KerasHub": (lora, {}),
    "nothing": (lambda _: None, {}),
}


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5"])
@pytest.mark.parametrize(("fill", "how"), FOREIGN.values(), ids=FOREIGN)
def test_data_are_skipped_by_a_search_and_fail_by_name(fill, how, name, tmp_path):
    with h5py.File(tmp_path / name, "w", **how) as file:
        fill(file)
    assert regaudit.audit(tmp_path / name).failure.kind == "ForeignDataError"
    shutil.copy(ARCHIVE, tmp_path / "a.keras")
    skipped = []
    reports = list(regaudit.audit_files([str(tmp_path)], isolate=False, skipped=skipped.append))
    assert [report.file for report in reports] == [str(tmp_path / "a.keras")]
    assert [report.file for report in skipped] == [str(tmp_path / name)]


def project(folder):
    for number in range(3):
        (folder / str(number)).mkdir()
        with h5py.File(folder / str(number) / "train.h5", "w") as file:
            data(file)
    shutil.copy(ARCHIVE, folder / "1" / "model.keras")
    shutil.copy(ARCHIVE, folder / "model.keras")


@pytest.mark.parametrize(
    ("how", "target"),
    sampled(
        product([[], ["--jobs", "2"], ["--no-isolate"], ["--cache"]], ["", "**/*.*5", "*"]), every=4
    ),
)
def test_each_is_named_on_standard_error(how, target, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    project(tmp_path)
    models = [tmp_path / target, tmp_path / "model.keras"]
    result = run("check", *models, "--format", "jsonl", "--fail-on", "never", *how)
    assert [line for line in result.stderr.splitlines() if "skipped" in line] == [
        f"{tmp_path}/{number}/train.h5: skipped: an HDF5 file that was not written by Keras"
        for number in range(3)
    ]
    assert "train.h5" not in result.stdout
    assert result.exit_code == (3 if target == "**/*.*5" else 0)


@pytest.mark.parametrize("how", [[], ["--jobs", "2"]])
def test_a_file_that_is_named_fails_also_where_a_search_skips_it(how, tmp_path):
    project(tmp_path)
    result = run("check", tmp_path, tmp_path / "0" / "train.h5", "--fail-on", "never", *how)
    assert result.exit_code == 3
    assert "0/train.h5: could not be audited" in " ".join(result.stdout.split())
    assert "1/train.h5" not in result.stdout


def test_a_folder_of_nothing_else_has_no_model(tmp_path):
    with h5py.File(tmp_path / "train.h5", "w") as file:
        data(file)
    result = run("check", tmp_path)
    assert result.exit_code == 3
    assert f"no saved model found below {tmp_path}" in " ".join(result.stdout.split())
    assert "train.h5: skipped" in result.stderr


def test_a_damaged_file_still_fails(tmp_path):
    with h5py.File(tmp_path / "data.keras", "w") as file:
        data(file)
    (tmp_path / "cut.h5").write_bytes(WEIGHTS.read_bytes()[:2000])
    (tmp_path / "empty.h5").touch()
    (tmp_path / "text.h5").write_text("hello")
    assert {r.file for r in regaudit.audit_files([str(tmp_path)], isolate=False) if r.failure} == {
        str(tmp_path / name) for name in ("cut.h5", "data.keras", "empty.h5", "text.h5")
    }
