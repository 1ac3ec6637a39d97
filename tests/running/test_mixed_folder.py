"""A folder with a model of every form that is read: a report a model, nothing twice or left out."""

import gzip
import json
import shutil
from collections import Counter

import pytest
from archives import contents, tar, zipped
from command_line import run
from paths import CORPUS, FIXTURES, MODELS

NEWEST = CORPUS / "keras-3.15.1"
MLFLOW = FIXTURES / "mlflow"
CONFIGURED = FIXTURES / "configurations" / "keras-2.3.convnet.json"
PRESET = FIXTURES / "hub" / "bert_classifier"
KERAS, LEGACY = MODELS / "tutorial-l2.keras", NEWEST / "mlp.h5"

FORMS = {
    # where it lies in the folder, what is put there, and the format of its report
    "archive.keras": (KERAS, "keras"),
    "unzipped": (NEWEST / "mlp.directory", "keras-directory"),
    "legacy.h5": (LEGACY, "h5"),
    "legacy.hdf5": (LEGACY, "h5"),
    "saved/1": (CORPUS / "tf-2.15" / "mlp.savedmodel", "saved_model"),
    "exported": (NEWEST / "mlp.export", "saved_model"),
    "names.weights.h5": (NEWEST / "names.weights.h5", "weights-h5"),
    "mlp.weights.json": (NEWEST / "mlp.weights.json", "sharded-weights"),
    "configured/model.json": (
        FIXTURES / "configurations" / "keras-2.3.convnet.json",
        "configuration",
    ),
    "preset": (PRESET, "keras-hub"),
    "mlflow-1/data/model.h5": (MLFLOW / "h5" / "data" / "model.h5", "h5"),
    "mlflow-2/data/model": (MLFLOW / "tf" / "data" / "model", "saved_model"),
    "mlflow-3/data/model.keras": (MLFLOW / "keras" / "data" / "model.keras", "keras"),
}
"""Models by themselves, of one file or one folder."""
CHECKPOINTS = FIXTURES / "checkpoints" / "tf-2.14.1"
SERIES = {"ckpt-1.index": "checkpoint", "ckpt-2.index": "checkpoint", "model.json": "configuration"}
"""Checkpoints: an index each, with shards beside it; and what they are of."""
PACKED = {
    "sagemaker/model.tar.gz": (
        lambda: gzip.compress(
            tar({f"./1/{k}": v for k, v in contents(NEWEST / "mlp.export").items()})
        ),
        {"1": "saved_model"},
    ),
    "several.tar": (
        lambda: tar({"a.keras": KERAS.read_bytes(), "b/b.h5": LEGACY.read_bytes(), "c.txt": b"x"}),
        {"a.keras": "keras", "b/b.h5": "h5"},
    ),
    "zipped.zip": (lambda: zipped({"m.keras": KERAS.read_bytes()}), {"m.keras": "keras"}),
    "root.tgz": (
        lambda: gzip.compress(tar(contents(NEWEST / "mlp.directory"))),
        {"": "keras-directory"},
    ),
    "preset.tar": (
        lambda: tar({f"p/{k}": v for k, v in contents(PRESET).items()}),
        {"p": "keras-hub"},
    ),
    "checkpoints.tar.gz": (
        lambda: gzip.compress(tar(contents(CHECKPOINTS / "training"))),
        SERIES,
    ),
    "mlp.h5.gz": (lambda: gzip.compress(LEGACY.read_bytes()), {"": "h5"}),
}
"""Archives, and the models in them."""
FAULTS = {
    "cut.keras": (KERAS.read_bytes()[:5000], "damaged or cut short"),
    "cut.tar.gz": (gzip.compress(tar({"m.keras": KERAS.read_bytes()}))[:-99], "cut short"),
    "lfs.keras": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
}
"""What cannot be read, and what is said of it."""
OTHERS = {
    "README.md": b"# models",
    "train.csv": b"a,b\n",
    "data.tar.gz": gzip.compress(tar({"train.csv": b"a,b\n"})),
    "data.zip": zipped({"train.csv": b"a,b\n"}),
    "mlflow-1/MLmodel": b"flavors: {}",
    "mlflow-1/data/custom_objects.cloudpickle": b"cos\nsystem\n(S'false'\ntR.",
    "arrays.npz": zipped({"x.npy": b"\x93NUMPY"}),
    ".hidden/m.keras": KERAS.read_bytes(),
}
"""What is no model, or not shown."""


@pytest.fixture
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (source, _) in FORMS.items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    shutil.copytree(CHECKPOINTS / "training", tmp_path / "training")
    for shard in NEWEST.glob("mlp_0000?.weights.h5"):
        shutil.copy(shard, tmp_path)
    made = {name: build() for name, (build, _) in PACKED.items()}
    for name, raw in (made | {name: raw for name, (raw, _) in FAULTS.items()} | OTHERS).items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)


@pytest.mark.usefixtures("_folder")
def test_a_report_a_model_nothing_twice_and_nothing_left_out():
    result = run("inspect", ".", "--no-isolate", "--format", "json")
    reports = json.loads(result.stdout)["reports"]
    expected = {name: kind for name, (_, kind) in FORMS.items()}
    expected |= {f"training/{name}": kind for name, kind in SERIES.items()}
    for archive, (_, models) in PACKED.items():
        expected |= {f"{archive}/{name}".rstrip("/"): kind for name, kind in models.items()}
    read = {one["file"]: one["format"] for one in reports if not one["failure"]}
    failed = {one["file"]: one["failure"]["message"] for one in reports if one["failure"]}
    assert read == expected
    assert set(failed) == set(FAULTS)
    assert all(FAULTS[name][1] in said for name, said in failed.items())
    assert Counter(one["file"] for one in reports).most_common(1)[0][1] == 1
    assert result.exit_code == 3
    assert result.stderr == ""


@pytest.mark.usefixtures("_folder")
def test_workers_and_one_process_agree():
    alone = run("check", ".", "--no-isolate", "--format", "jsonl")
    apart = run("check", ".", "--jobs", "2", "--format", "jsonl")
    assert apart.stdout == alone.stdout
    assert apart.exit_code == alone.exit_code == 3
