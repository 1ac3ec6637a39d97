"""One model is one report, whatever file it was saved in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import run
from paths import CORPUS

import regaudit
from regaudit.report.document import document
from regaudit.running.model_search import files_among
from regaudit.settings.config import Config

KINDS = (".keras", ".h5", ".directory", ".savedmodel", ".traced.savedmodel", ".plain.keras")
HONESTLY_DIFFERENT = {
    "lora": "an .h5 keeps the factors of LoRA, an archive only the merged kernel",
    "quant_odd_int4": "an .h5 calls GroupQueryAttention by its class in Python",
    "custom_layer": "roles are attribute names in a SavedModel, numbers in an archive",
    "custom_regularizer": "from an .h5, Keras 2 loads its own class of the custom one's name",
    "custom_model": "what no configuration describes is named by its place in the file",
    "tied": "what no configuration describes is named by its place in the file",
    "shared_across": "an .h5 keeps a layer shared by nested models twice, and loads it twice",
    "shared_nested": "an .h5 keeps a layer shared by nested models twice, and loads it twice",
    "spectral": "an archive keeps the kernel of SpectralNormalization twice",
}
FROM_THE_OBJECTS = "nested_outer_frozen"
"""Keras 2 rebuilds a SavedModel object by object, each with its flag: other layers are frozen."""
OF_THE_OPTIMIZER = {"REG303", "REG304", "REG305", "REG306", "REG307", "REG317", "REG320"}
"""Rules on what a directory of the corpus does not hold: it was saved without the optimizer."""

OF_THE_FILE = frozenset({"REG905"})
"""Rules on how Keras loads one format, which differs from how it loads the others."""


def files_of_one_model():
    for folder in sorted(CORPUS.iterdir()):
        for first in sorted(folder.glob("*.keras")):
            name = first.name.removesuffix(".keras")
            for kind in KINDS[1:]:
                other = folder / (name + kind)
                frozen = name == FROM_THE_OBJECTS and "savedmodel" in kind
                if other.exists() and name not in HONESTLY_DIFFERENT and not frozen:
                    yield pytest.param(first, other, id=f"{folder.name}/{other.name}")


def said(file, left_out=frozenset(), *, proposed=True):
    """Return what is said of the model, but for what is the file's own, and some rules."""
    asked = tuple(r for r in Config.default().rules if r.about.code not in left_out)
    (report,) = document([regaudit.audit(file, Config(asked))])["reports"]
    for layer in report["layers"]:
        for weight in layer["weights"]:
            del weight["stored_path"]
    model = {
        key: value
        for key, value in report["model"].items()
        if "optimizer" not in key and key != "loads_with"
    }
    keys = ("keras_version", "coverage", "penalty", "layers", "findings", "suggestions", "failure")
    found = {"model": model, **{key: report[key] for key in keys}}
    if not proposed:
        del found["suggestions"]
        for one in found["findings"]:
            for place in (one, *one["items"]):
                place["suggestion"] = place["no_suggestion"] = None
    return found


def flat(value, path=""):
    """Yield every leaf of a document with its path."""
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(below, f"{path}/{key}")
    else:
        yield path, value


@pytest.mark.parametrize(("first", "other"), list(files_of_one_model()))
def test_every_format_of_a_model_says_the_same(first, other):
    left_out = OF_THE_OPTIMIZER if other.suffix == ".directory" else frozenset()
    left_out |= OF_THE_FILE
    # A proposal goes by the optimizer, and by where Keras loads the values to.
    proposed = other.suffix != ".directory" and other.name != "swapped.h5"
    expected = dict(flat(said(first, left_out, proposed=proposed)))
    found = dict(flat(said(other, left_out, proposed=proposed)))
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        close = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert found[path] == close, path


def test_there_are_such_models():
    assert len(list(files_of_one_model())) > 60


posix = pytest.mark.skipif(os.name != "posix", reason="links need rights there")
BLOB = "{:064x}"


def in_a_hub_cache(model, cache):
    """Put a model where the hub's client would: links to blobs, in folders that are none."""
    repository = cache / "models--org--name"
    snapshot = repository / "snapshots" / "0123abc"
    (repository / "blobs").mkdir(parents=True)
    files = sorted(path for path in model.rglob("*") if path.is_file())
    for number, file in enumerate(files):
        shutil.copy(file, repository / "blobs" / BLOB.format(number))
        link = snapshot / file.relative_to(model)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = Path(os.path.relpath(repository, link.parent), "blobs", BLOB.format(number))
        link.symlink_to(blob)
    return snapshot


IN_FOLDERS = ["tf-2.15/mlp.savedmodel", "keras-3.15.1/mlp.directory"]


@posix
@pytest.mark.parametrize("name", IN_FOLDERS)
def test_a_snapshot_of_the_hub_is_read_through_its_links(name, tmp_path, monkeypatch):
    snapshot = in_a_hub_cache(CORPUS / name, tmp_path)
    assert said(snapshot) == said(CORPUS / name)
    assert regaudit.audit(snapshot).size == regaudit.audit(CORPUS / name).size
    monkeypatch.chdir(snapshot)
    assert said(".") == said(CORPUS / name)
    (tmp_path / "alias").symlink_to(snapshot)
    assert said(tmp_path / "alias") == said(CORPUS / name)


def by_a_blob_that_is_a_link(snapshot, link):
    link.resolve().replace(snapshot.parents[3] / "elsewhere")
    (snapshot.parents[1] / "blobs" / link.readlink().name).symlink_to("../../../elsewhere")


def by_a_folder_of_blobs_that_is_a_link(snapshot, _):
    blobs = snapshot.parents[1] / "blobs"
    blobs.replace(snapshot.parents[3] / "elsewhere")
    blobs.symlink_to("../../elsewhere")


def to_another_file_of_the_cache(snapshot, link):
    link.resolve().replace(snapshot.parents[1] / "blobs" / "notes.txt")
    link.unlink()
    link.symlink_to("../../blobs/notes.txt")


def to_the_blobs_of_another_model(snapshot, link):
    other = snapshot.parents[2] / "models--org--other" / "blobs"
    other.mkdir(parents=True)
    name = link.readlink().name
    shutil.copy(link, other / name)
    link.unlink()
    link.symlink_to(other / name)


def of_a_folder_that_is_no_cache(snapshot, _):
    snapshot.parents[1].rename(snapshot.parents[2] / "mine")


@posix
@pytest.mark.parametrize(
    "astray",
    [
        by_a_blob_that_is_a_link,
        by_a_folder_of_blobs_that_is_a_link,
        to_another_file_of_the_cache,
        to_the_blobs_of_another_model,
        of_a_folder_that_is_no_cache,
    ],
)
def test_a_link_that_leaves_its_models_blobs_is_not_followed(astray, tmp_path):
    snapshot = in_a_hub_cache(CORPUS / "keras-3.15.1/mlp.directory", tmp_path / "hub")
    assert regaudit.audit(snapshot).failure is None
    astray(snapshot, snapshot / "config.json")
    (link,) = (tmp_path / "hub").glob("*/snapshots/*/config.json")
    assert link.is_file()  # the link itself leads to the file
    failure = regaudit.audit(link.parent).failure
    assert failure.kind == "UnsafeFileError"
    assert "is a link" in failure.message


@posix
def test_an_edit_of_a_snapshot_goes_elsewhere_and_is_whole(tmp_path):
    snapshot = in_a_hub_cache(CORPUS / "keras-3.15.1/mlp.directory", tmp_path / "hub")
    edit = ["--set", "dense_3:kernel=l2(0.5)"]
    blobs = {blob: blob.read_bytes() for blob in (tmp_path / "hub").rglob("blobs/*")}
    result = run("apply", str(snapshot), *edit, "-o", str(tmp_path / "new"))
    assert result.exit_code == 0, result.output
    assert not any(part.is_symlink() for part in (tmp_path / "new").iterdir())
    assert regaudit.audit(tmp_path / "new").failure is None
    result = run("apply", str(snapshot), *edit, "--in-place")
    assert result.exit_code != 0
    assert "link into a cache" in result.output
    assert {blob: blob.read_bytes() for blob in (tmp_path / "hub").rglob("blobs/*")} == blobs


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
def test_the_groups_of_a_deep_model_take_little_memory(tmp_path):
    file = tmp_path / "deep.h5"
    with h5py.File(file, "w") as hdf5:
        for number in range(4000):
            hdf5.create_group(f"layers/dense_{number}/vars")["0"] = np.zeros(16, np.float32)
    program = f"""
from pathlib import Path
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

file = Path({str(file)!r})
before = resident()
with opened(file) as hdf5:
    read_tree(hdf5, file)
    print((resident() - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 36  # MB; 26, and 45 if HDF5 keeps all that it read


def test_a_folder_of_shards_is_the_model_that_their_list_is(tmp_path):
    for file in (CORPUS / "keras-3.15.1").glob("mlp*.weights.*"):
        shutil.copy(file, tmp_path)
    shutil.copy(tmp_path / "mlp_00000.weights.h5", tmp_path / "other_00000.weights.h5")
    assert [Path(report.file).name for report in regaudit.audit_files([str(tmp_path)])] == [
        "mlp.weights.json",
        "other_00000.weights.h5",
    ]
    alone = regaudit.audit(tmp_path / "mlp_00001.weights.h5").failure.message
    assert alone == "a shard with only the optimizer's state: audit its list, *.weights.json"
    names = ("s/a/x.weights.json", "s/a/x_00001.weights.h5", "s/b/x_00001.weights.h5")
    assert files_among(names) == [names[0], names[2]]
