"""Layers of QKeras, the optimization toolkit and TensorFlow Addons, held against these libraries.

`fixtures/nearly_keras.py` made the files, and the oracles: what the libraries say of the models.
"""

import json
from functools import cache

import pytest
from command_line import run
from paths import FIXTURES

import regaudit
from regaudit.keras_semantics.layer_table import OPTIMIZATION_WRAPPERS
from regaudit.model import Status
from regaudit.report.document import record
from regaudit.report.read_record import report_of

FOLDER = FIXTURES / "nearly_keras"
FILES = sorted(
    f"{path.parent.name}/{path.name}" for path in FOLDER.glob("*/m.*") if path.suffix != ".py"
)
KINDS = {"pruned", "clustered", "quantized", "recurrent"}
TOOLKIT = [file for file in FILES if file.partition("/")[0] in KINDS]
QKERAS = [file for file in FILES if file.startswith("qkeras")]
ADDONS = [file for file in FILES if file.startswith("addons")]


@cache
def audited(file):
    report = regaudit.audit(FOLDER / file)
    assert report.failure is None, report.failure
    return report


def oracle(file):
    return json.loads((FOLDER / file).with_name("oracle.json").read_text("utf-8"))


def role_of(name):
    """Return the last part of a name; of `.._kernel/0`, where 0 is the cell, `.._kernel_0`."""
    owner, _, role = name.partition(":")[0].rpartition("/")
    return f"{owner.rpartition('/')[2]}_{role}" if role.isdigit() else role


def pairs(file):
    """Yield each weight with what the library says of it, told by its layer, shape and norm."""
    report = audited(file)
    left = list(oracle(file)["weights"])
    for _, weight in report.model.weights():
        if weight.shared_with is not None:
            continue
        norm = report.moments[weight.stored_path].l2_norm
        same = [
            one
            for one in left
            if one["layer"] == weight.path.partition("/")[0]
            and one["shape"] == list(weight.shape)
            and one["l2_norm"] == pytest.approx(norm, rel=1e-6)
        ]
        assert same, weight.path
        found = next((one for one in same if role_of(one["name"]) == weight.role), same[0])
        left.remove(found)
        yield weight, found
    assert not left


@pytest.mark.parametrize("file", FILES)
def test_no_role_and_no_penalty_is_another_than_the_library_says(file):
    report = audited(file)
    for weight, real in pairs(file):
        if weight.role_known:
            assert weight.role == role_of(real["name"])
        clone = "_naked_clone_layer" in weight.stored_path  # a load thaws it with its wrapper
        if weight.trainable_known and not clone:
            assert weight.trainable == real["trainable"], weight.path
        known = report.penalties[weight.stored_path]
        told = report.penalty_if_applied(weight) if known is None else known
        if told is not None:
            assert told == pytest.approx(real["adds"], rel=1e-5), weight.path


@pytest.mark.parametrize("file", TOOLKIT)
def test_wrappers_of_the_toolkit_leave_nothing_open(file):
    report = audited(file)
    assert report.penalty == pytest.approx(oracle(file)["losses"], rel=1e-5)
    assert report.penalty_complete
    assert not report.skipped
    assert report.coverage.unplaced_regularizers == 0
    assert all(weight.role_known for _, weight in report.model.weights())
    assert report.model.trainable_parameters == sum(
        weight.size for weight, real in pairs(file) if real["trainable"]
    )


@pytest.mark.parametrize("file", TOOLKIT)
def test_no_finding_is_about_the_state_of_a_wrapper(file):
    own = {
        weight.path
        for layer, weight in audited(file).model.weights()
        if layer.class_name in OPTIMIZATION_WRAPPERS
    }
    found = {item.path for one in audited(file).findings for item in one.items}
    assert own
    assert not own & found


@pytest.mark.parametrize("file", QKERAS)
def test_every_regularizer_of_qkeras_is_placed_and_its_code_decides(file):
    report = audited(file)
    real = oracle(file)
    assert report.coverage.unplaced_regularizers == 0
    assert report.penalty + report.total_if_applied == pytest.approx(real["losses"], rel=1e-5)
    placed = [weight for _, weight in report.model.weights() if weight.placed_by]
    assert len(placed) == sum(bool(one["adds"]) for one in real["weights"]) - 1  # `out` is Keras's
    ways = {"shape", "order"} if file.endswith(".keras") else {"name"}
    assert {weight.placed_by for weight in placed} == ways
    for weight in placed:
        assert weight.regularizer.status is Status.UNKNOWN
        assert weight.regularized is None
        assert not weight.bare
        assert report.penalties[weight.stored_path] is None


@pytest.mark.parametrize("file", ADDONS)
def test_what_a_wrapper_of_addons_holds_keeps_its_regularizers(file):
    report = audited(file)
    paid = {
        weight.path: report.penalties[weight.stored_path] for _, weight in report.model.weights()
    }
    assert paid["spectral/conv/kernel"] > 0
    assert paid["normed/dense/kernel"] > 0
    loose = {layer.path for layer in report.model.layers if layer.unplaced}
    assert not loose & {"spectral", "spectral/conv", "normed", "normed/dense"}
    state = [w for _, w in report.model.weights() if w.role in {"sn_u", "initialized"}]
    assert len(state) == 2
    assert not any(weight.trainable for weight in state)


@pytest.mark.parametrize("file", QKERAS[:1])
def test_it_is_said_on_every_surface(file):
    path = str(FOLDER / file)
    for surface in ("terminal", "markdown", "html", "csv", "json", "sarif"):
        text = run("report", path, "--format", surface).output
        assert "the strength of" not in text
        assert "does not say which weight" not in text
        if surface == "sarif":
            continue
        assert "by name" in text or '"placed_by": "name"' in text or ",name," in text
    written = record(audited(file))
    weights = {one["path"]: one for layer in written["layers"] for one in layer["weights"]}
    assert weights["q_dense/kernel"]["placed_by"] == "name"
    assert weights["q_dense/kernel"]["penalty"] is None
    assert weights["q_dense/kernel"]["penalty_if_applied"] == pytest.approx(0.20609, rel=1e-4)
    assert "placed_by" not in weights["out/kernel"]
    assert written["penalty"]["if_applied"] == pytest.approx(audited(file).total_if_applied)
    assert record(report_of(written)) == written


@pytest.mark.parametrize("file", ["qkeras/m.h5", "qkeras/m.keras"])
def test_an_edit_says_what_it_adds_if_custom_code_applies_it(file, tmp_path):
    out = tmp_path / file.rpartition("/")[2]
    said = run("apply", FOLDER / file, "-o", out, "--set", "q_*:kernel=l2(1e-4)")
    assert said.exit_code == 0
    text = " ".join(said.stdout.split())
    assert "q_separable is like a SeparableConv2D, which has no use for kernel_regularizer" in text
    after = regaudit.audit(out)
    before = audited(file)
    assert f"{before.total_if_applied:.6g} -> {after.total_if_applied:.6g}" in said.stdout
    kernel = next(w for _, w in after.model.weights() if w.path == "q_dense/kernel")
    assert (kernel.regularizer.l2, kernel.regularizer.status) == (1e-4, Status.UNKNOWN)


def test_what_custom_code_decides_is_no_kernel_with_a_penalty():
    said = run("suggest", FOLDER / "qkeras/m.h5").stdout
    assert "every kernel of Keras's own layers has a penalty" in " ".join(said.split())
