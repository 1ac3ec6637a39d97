"""Checkpoints held against what the libraries that wrote them make of them."""

import json

import pytest
from msgspec.structs import replace
from paths import FIXTURES

from regaudit.auditing.audit_file import audit_file
from regaudit.keras_semantics.configuration_file import parse_configuration
from regaudit.keras_semantics.describe_checkpoint import describe_checkpoint
from regaudit.model import Status
from regaudit.settings.config import Config
from regaudit.tensors.tensorflow_checkpoint import read_checkpoint

FOLDER = FIXTURES / "checkpoints"
CASES = sorted(file.parent for file in FOLDER.glob("*/*/expected.json"))
EARLIEST = FOLDER / "tf-1.13.2" / "configured"
JOINED = [case for case in CASES if (case / "model.json").is_file()]


def named(case):
    return f"{case.parent.name}/{case.name}"


def expected(case):
    return json.loads((case / "expected.json").read_text("utf-8"))


def audited(case, *, joined=False):
    said = expected(case)
    config = Config.default()
    if joined:
        raw = (case / "model.json").read_bytes()
        config = replace(config, architecture=parse_configuration(raw, "model.json"))
    report = audit_file(case / said["prefix"], config)
    assert report.failure is None, report.failure
    assert report.format == "checkpoint"
    assert report.file.endswith(".index")
    return report, said


def found_by_values(report, said, *, joined=False):
    """Pair what is expected with the weight of the same values, which no other has."""
    left = {
        weight.stored_path: (layer, weight, report.moments[weight.stored_path])
        for layer, weight in report.model.weights()
    }
    for one in said["weights"]:
        alike = [
            key
            for key, (_, weight, moments) in left.items()
            if list(weight.shape) == one["shape"]
            and moments.l2_norm == pytest.approx(one["l2_norm"], rel=1e-6)
            and moments.l1_norm == pytest.approx(one["l1_norm"], rel=1e-6)
            and moments.zeros == one["zeros"]
            and weight.role == one["name"].rpartition("/")[2]
        ]
        assert alike, one
        yield one, *left.pop(alike[0])[:2]
    assert len(left) == said.get("others", 0) * (not joined), list(left)


@pytest.mark.parametrize("case", [case for case in CASES if case != EARLIEST], ids=named)
def test_every_weight_is_measured_and_nothing_else(case):
    report, said = audited(case)
    for _, layer, weight in found_by_values(report, said):
        assert not layer.known
        assert weight.regularizer is None
        assert not weight.regularizer_known


@pytest.mark.parametrize("case", JOINED, ids=named)
def test_with_its_configuration_it_is_what_keras_makes_of_it(case):
    report, said = audited(case, joined=True)
    for one, layer, weight in found_by_values(report, said, joined=True):
        assert layer.known
        assert weight.trainable == one["trainable"], one["name"]
        penalty = report.penalties[weight.stored_path]
        assert penalty == pytest.approx(one["penalty"], rel=1e-5), one["name"]
    if "missing" not in said:
        assert report.penalty_complete
        assert report.penalty == pytest.approx(said["losses"], rel=1e-5)


@pytest.mark.parametrize("case", [c for c in CASES if "iterations" in expected(c)], ids=named)
def test_steps_and_rate_of_the_optimizer_are_read(case):
    report, said = audited(case)
    optimizer = report.model.optimizer
    assert optimizer.iterations == said["iterations"]
    assert optimizer.learning_rate == pytest.approx(said.get("learning_rate"))


# What is told without a configuration, and what is not


def test_tensorflow_up_to_1_13_saved_the_configuration_along():
    report, said = audited(EARLIEST)
    for one, layer, weight in found_by_values(report, said):
        assert layer.known
        assert weight.path == one["name"]
        assert weight.trainable == one["trainable"]
    assert report.model.keras_version == "2.2.4-tf"
    assert report.penalty == pytest.approx(said["losses"], rel=1e-5)
    assert report.penalty_complete


def test_layers_are_named_by_edges_and_roles_by_variables():
    report, _ = audited(FOLDER / "tf-2.15.1" / "recurrent")
    paths = {weight.path for _, weight in report.model.weights()}
    assert "layer_with_weights-0/forward_layer/cell/recurrent_kernel" in paths
    assert "layer_with_weights-1/layer/kernel" in paths
    names = {layer.path: layer.name for layer in report.model.layers}
    assert names["layer_with_weights-4"] == "out"  # as the variables have it
    report, _ = audited(FOLDER / "tf-2.15.1" / "subclassed")
    paths = {weight.path for _, weight in report.model.weights()}
    assert {"first/kernel", "blocks/1/bias", "norm/moving_mean"} <= paths


def test_slots_counters_and_averages_are_no_weights():
    report, _ = audited(FOLDER / "tf-2.15.1" / "saver")
    paths = {weight.path for _, weight in report.model.weights()}
    assert paths == {"dense/kernel", "dense/bias", "head/kernel"}
    said = {skip.path: skip.reason for skip in report.skipped}
    assert said["table"].startswith("partitioned over several tensors")
    assert said["(averages)"] == "1 moving average of weights: not measured"


def test_the_class_of_the_optimizer_stays_unknown():
    report, _ = audited(FOLDER / "tf-2.15.1" / "slots")
    optimizer = report.model.optimizer
    assert optimizer.class_name == "unknown optimizer"
    assert optimizer.config["momentum"] == pytest.approx(0.9)
    assert optimizer.config["decay"] == pytest.approx(1e-3)
    assert not optimizer.decay_known
    assert report.model.compiled


def test_rules_on_decay_work_where_it_is_stored():
    report, _ = audited(FOLDER / "addons-0.23.0" / "decay", joined=True)
    assert report.model.optimizer.weight_decay == pytest.approx(0.002)
    assert {"REG303", "REG304"} <= {finding.code for finding in report.findings}


# What does not fit


def joined_with(case, change):
    """Audit a checkpoint with a changed configuration; return what is said of it."""
    model = json.loads((case / "model.json").read_bytes())
    change(model["config"]["layers"])
    raw = json.dumps(model).encode()
    config = replace(Config.default(), architecture=parse_configuration(raw, "model.json"))
    return audit_file(case / expected(case)["prefix"], config)


def widen(layers):
    layers[-1]["config"]["units"] = 7


def append(layers):
    layers.append({"class_name": "Dense", "config": {"name": "new", "units": 2}})


TRAINING = FOLDER / "tf-2.15.1" / "training"


def test_a_weight_of_another_shape_is_refused_as_by_tensorflow():
    message = joined_with(TRAINING, widen).failure.message
    assert message.startswith("Keras does not load these weights into the model of --config: ")
    assert "'out/kernel' has the shape (3, 7), where the checkpoint has (3, 1)" in message


def test_a_configuration_that_nothing_fits_is_refused():
    case = FOLDER / "tf-2.15.1" / "attention"
    raw = (TRAINING / "model.json").read_bytes()
    config = replace(Config.default(), architecture=parse_configuration(raw, "model.json"))
    message = audit_file(case / "cp.ckpt", config).failure.message
    assert "give the configuration that they were saved with" in message


def test_what_the_checkpoint_lacks_is_named_and_the_rest_loaded():
    report = joined_with(TRAINING, append)
    assert [skip.path for skip in report.skipped] == ["new/kernel", "new/bias"]
    assert all("not stored in this file" in skip.reason for skip in report.skipped)
    assert {weight.path for _, weight in report.model.weights()} == {
        "hidden/kernel",
        "hidden/bias",
        "out/kernel",
        "out/bias",
    }


def test_the_model_of_several_is_found_and_the_others_are_named():
    report, _ = audited(FOLDER / "tf-2.15.1" / "two-models", joined=True)
    assert ("(checkpoint)", "also holds generator: not part of this model") in report.skipped


@pytest.mark.parametrize("version", ["tf-2.15.1", "tf-keras-2.21.0"])
def test_of_a_layer_that_models_share_the_outermost_is_restored(version):
    report, said = audited(FOLDER / version / "shared", joined=True)
    missing = [skip.path for skip in report.skipped if "not stored" in skip.reason]
    assert missing == said["missing"]
    [lost] = [layer for layer in report.model.layers if layer.path == "inner/common"]
    assert lost.unplaced["kernel_regularizer"].status is Status.UNKNOWN


def test_names_decide_where_there_are_no_objects():
    layer = {
        "class_name": "Dense",
        "config": {"name": "dense", "units": 3, "kernel_regularizer": "l2"},
    }
    model = {"class_name": "Sequential", "keras_version": "2.15.0", "config": {"layers": [layer]}}
    config = replace(Config.default(), architecture=model)
    report = audit_file(FOLDER / "tf-2.15.1" / "saver" / "model.ckpt-5", config)
    [kernel] = [weight for _, weight in report.model.weights() if weight.path == "dense/kernel"]
    assert kernel.regularizer.l2 == pytest.approx(0.01)
    layer["config"]["name"] = "other"
    message = audit_file(FOLDER / "tf-2.15.1" / "saver" / "model.ckpt-5", config).failure.message
    assert "no variable of the checkpoint is named for one of its layers" in message


def test_values_of_an_unknown_type_are_named():
    case = FOLDER / "keras-3.15.1" / "training"
    architecture = parse_configuration((case / "model.json").read_bytes(), "model.json")
    checkpoint = read_checkpoint(case / "ckpt-3")
    whole = describe_checkpoint(checkpoint, architecture).model
    kernels = {weight.stored_path for _, weight in whole.weights() if weight.role == "kernel"}
    assert len(kernels) == 2
    odd = {key: replace(checkpoint.entries[key], dtype=99) for key in kernels}
    changed = replace(checkpoint, entries={**checkpoint.entries, **odd})
    found = describe_checkpoint(changed, architecture)
    assert {skip.path for skip in found.skipped} == kernels
    assert {weight.path for _, weight in found.model.weights()} == {"hidden/bias", "out/bias"}
