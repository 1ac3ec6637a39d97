"""Orbax checkpoints: held against the Keras that wrote them, and refused where they are unsafe.

`fixtures/orbax_checkpoints.py` made the files, and the oracle.
"""

import json
import shutil
import sys

import pytest
from command_line import run
from msgspec.structs import replace
from paths import FIXTURES

import regaudit
from regaudit.model import Status
from regaudit.settings.config import Config

FOLDER = FIXTURES / "orbax"
WHOLE, ALONE = FOLDER / "whole", FOLDER / "weights" / "10"
ORACLE = json.loads((FOLDER / "oracle.json").read_text("utf-8"))
ARCHITECTURE = json.loads((FOLDER / "m.json").read_text("utf-8"))
STEPS = ("2", "10")


def audited(folder, **options):
    report = regaudit.audit(folder, Config.default(**options))
    assert report.failure is None, report.failure
    return report


def agrees(report, step):
    """Hold a report against what Keras said of the model at a step."""
    weights = {weight.path: weight for _, weight in report.model.weights()}
    real = {one["path"].replace("early/", "before/early/"): one for one in ORACLE[step]["weights"]}
    assert weights.keys() == real.keys()
    for path, weight in weights.items():
        one = real[path]
        assert list(weight.shape) == one["shape"]
        assert weight.trainable == one["trainable"]
        assert report.moments[weight.stored_path].l2_norm == pytest.approx(one["l2_norm"], rel=1e-6)
        adds = report.penalties[weight.stored_path]
        assert adds == pytest.approx(one["adds"], rel=1e-5, abs=1e-12), path
    assert report.penalty == pytest.approx(ORACLE[step]["losses"], rel=1e-5)
    assert report.penalty_complete
    assert not report.skipped


class TestWithTensorStore:
    @pytest.fixture(autouse=True)
    def _tensorstore(self):
        pytest.importorskip("tensorstore")

    @pytest.mark.parametrize("step", STEPS)
    def test_a_whole_model_is_what_keras_says(self, step):
        report = audited(WHOLE / step)
        agrees(report, step)
        optimizer = report.model.optimizer
        assert (optimizer.class_name, optimizer.iterations) == ("SGD", int(step))
        assert (optimizer.weight_decay, optimizer.learning_rate) == (0.01, pytest.approx(0.1))
        frozen = next(w for _, w in report.model.weights() if w.path == "frozen/kernel")
        assert frozen.regularizer.status is Status.FROZEN

    def test_weights_alone_are_joined_with_their_configuration(self):
        config = replace(Config.default(), architecture=ARCHITECTURE)
        report = regaudit.audit(ALONE, config)
        assert report.failure is None
        agrees(report, "10")
        assert report.model.optimizer.iterations is None  # only the configuration tells of it

    def test_weights_alone_are_measured_and_tell_which_are_trained(self):
        report = audited(ALONE)
        norms = {one["path"]: one["l2_norm"] for one in ORACLE["10"]["weights"]}
        trained = {one["path"] for one in ORACLE["10"]["weights"] if one["trainable"]}
        weights = {weight.path: weight for _, weight in report.model.weights()}
        assert weights.keys() == norms.keys()
        for path, weight in weights.items():
            assert report.moments[weight.stored_path].l2_norm == pytest.approx(norms[path])
            assert (weight.trainable, weight.trainable_known) == (path in trained, True)
            assert not weight.regularizer_known
        assert not report.findings

    def test_the_steps_of_a_folder_are_models_in_their_order(self):
        said = run("check", WHOLE, "--format", "json")
        files = [one["file"] for one in json.loads(said.stdout)["reports"]]
        assert [file.rpartition("/")[2] for file in files] == ["2", "10"]

    def test_links_are_not_followed(self, tmp_path):
        shutil.copytree(WHOLE / "2", tmp_path / "2")
        manifest = tmp_path / "2/pytree/manifest.ocdbt"
        manifest.unlink()
        manifest.symlink_to(WHOLE / "2/pytree/manifest.ocdbt")
        said = run("check", tmp_path / "2")
        assert said.exit_code == 3
        assert "manifest.ocdbt is a link" in said.output

    @pytest.mark.parametrize("name", ["pytree/manifest.ocdbt", "pytree/d"])
    def test_what_is_damaged_is_said_in_one_line(self, name, tmp_path):
        shutil.copytree(WHOLE / "2", tmp_path / "2")
        for file in (tmp_path / "2").rglob("*"):
            if file.is_file() and str(file.relative_to(tmp_path / "2")).startswith(name):
                file.write_bytes(file.read_bytes()[:-20] + bytes(20))
        said = run("check", tmp_path / "2")
        assert said.exit_code == 3
        assert "an array cannot be read" in said.output
        assert "Traceback" not in said.output

    @pytest.mark.parametrize(
        ("shape", "chunk", "limit"),
        [([1 << 20, 1 << 20], [1, 1 << 10], "inflation"), ([1 << 30], [1 << 30], "chunk_bytes")],
    )
    def test_far_more_declared_than_stored_is_refused(self, shape, chunk, limit, tmp_path):
        store = pytest.importorskip("tensorstore")
        shutil.copytree(WHOLE / "2", tmp_path / "2")
        base = f"file://{tmp_path}/2/pytree/"
        spec = {
            "driver": "zarr3",
            "kvstore": {
                "driver": "ocdbt",
                "base": base,
                "path": "trainable_variables.out.kernel/",
            },
            "metadata": {
                "shape": shape,
                "data_type": "float32",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
                "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            },
        }
        store.open(spec, create=True, delete_existing=True).result()
        report = regaudit.audit(tmp_path / "2")
        assert report.failure.kind == "UnsafeFileError"
        assert f"--limit {limit}=N allows more" in report.failure.message

    @pytest.mark.parametrize(("limit", "what"), [("chunk_bytes", 8), ("objects", 2)])
    def test_limits_hold(self, limit, what):
        report = regaudit.audit(WHOLE / "2", Config.default(limits={limit: what}))
        assert report.failure.kind == "UnsafeFileError"
        assert f"--limit {limit}=N allows more" in report.failure.message


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({}, "holds no variables of a Keras model"),
        ({"a": {"key_metadata": [{"key": "trainable_variables"}, {"key": ".."}]}}, "proper name"),
        ({"a": {"key_metadata": [{"key": "trainable_variables"}, {"key": "a/b"}]}}, "proper name"),
        ({"a": {"key_metadata": [7]}}, "proper name"),
        ({"a": {"key_metadata": {"key": "x"}}}, "proper name"),
        ({"a": None}, "proper name"),
        ([], "holds no variables of a Keras model"),
    ],
)
def test_names_that_are_none_are_refused(tree, said, tmp_path):
    shutil.copytree(WHOLE / "2", tmp_path / "2")
    listed = {"tree_metadata": tree, "use_ocdbt": True, "use_zarr3": True}
    (tmp_path / "2/pytree/_METADATA").write_text(json.dumps(listed), "utf-8")
    report = regaudit.audit(tmp_path / "2")
    assert report.failure.kind == "UnreadableModelError"
    assert said in report.failure.message


def test_what_is_missing_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    report = regaudit.audit(WHOLE / "2")
    assert "pip install 'tensorstore>=0.1.60'" in report.failure.message
