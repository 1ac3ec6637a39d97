"""Metrics and seeds of subclassed layers and models are no weights, in any format."""

import h5py
import numpy as np
import pytest

import regaudit
from regaudit.keras_semantics.metric_state import metrics_among
from regaudit.keras_semantics.object_graph import ObjectGraph
from regaudit.tensors.tensorflow_objects import ObjectNode

MEAN = (np.float32(2.5), np.float32(4))
KERNEL = np.full((3, 4), 0.5, "f4")


def weights_file(folder, groups):
    """Write a weights file of Keras 3's layout: variables by the path of their group."""
    file = folder / "model.weights.h5"
    with h5py.File(file, "w") as hdf5:
        hdf5.create_group("vars")
        for path, variables in groups.items():
            for number, value in enumerate(variables):
                hdf5[f"{path}/vars/{number}"] = value
    return [weight.stored_path for _, weight in regaudit.audit(file).model.weights()]


@pytest.mark.parametrize("holder", ["", "layers/vae/", "layers/td/layer/", "block/inner/"])
@pytest.mark.parametrize(
    ("key", "variables"),
    [
        ("total_tracker", MEAN),
        ("loss_metric", MEAN),
        ("train_loss", MEAN),
        ("metric_list/mean_1", MEAN),
        ("auc", [np.ones(5, "f4")] * 4),
        ("d_precision", [np.ones(1, "f4")] * 2),
    ],
)
def test_metrics_under_attributes_are_no_weights(tmp_path, holder, key, variables):
    found = weights_file(tmp_path, {"dense": [KERNEL], f"{holder}{key}": variables})
    assert found == ["dense/vars/0"]


@pytest.mark.parametrize(
    ("key", "variables"),
    [
        ("scale", MEAN),
        ("metric", [KERNEL]),
        ("metric", [np.full(4, 0.5, "f4")]),
        ("loss", [np.float32(0.5), np.float32(0.25)]),
        ("loss", [np.ones(4, "f4"), np.ones(4, "f4")]),
        ("layers/tracker", MEAN),
        ("tracker", [np.ones(2, "i4")]),
    ],
)
def test_what_may_be_a_weight_is_kept(tmp_path, key, variables):
    found = weights_file(tmp_path, {key: variables})
    assert len(found) == len(variables)


def test_the_table_of_a_lookup_is_no_weight(tmp_path):
    file = tmp_path / "model.weights.h5"
    with h5py.File(file, "w") as hdf5:
        hdf5.create_group("vars")
        hdf5["layers/string_lookup/vars/idf_weights"] = np.ones(4, "f4")
        hdf5["layers/dense/vars/0"] = KERNEL
    found = [weight.stored_path for _, weight in regaudit.audit(file).model.weights()]
    assert found == ["layers/dense/vars/0"]


def test_metrics_alone_do_not_tell_that_a_model_was_compiled(tmp_path):
    weights_file(tmp_path, {"dense": [KERNEL], "loss_tracker": MEAN})
    assert regaudit.audit(tmp_path / "model.weights.h5").model.compiled is None


@pytest.mark.parametrize("listed", [True, False])
def test_metrics_in_legacy_files_have_names_without_a_layer(tmp_path, listed):
    file = tmp_path / "weights.h5"
    values = {"vae/dense/kernel:0": KERNEL, "total:0": MEAN[0], "count:0": MEAN[1]}
    values["true_positives:0"] = np.ones(3, "f4")
    with h5py.File(file, "w") as hdf5:
        group = hdf5.create_group("vae")
        hdf5.attrs["layer_names"] = [b"vae"]
        if listed:
            group.attrs["weight_names"] = [name.encode() for name in values]
        for name, value in values.items():
            group[name] = value
    found = [weight.path for _, weight in regaudit.audit(file).model.weights()]
    assert found == ["vae/dense/kernel"]


class Scalar:
    shape = ()


class Vector:
    shape = (3,)


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({"total:0": Scalar, "count:0": Scalar}, {"total:0", "count:0"}),
        ({"count:0": Scalar}, set()),
        ({"total:0": Vector, "count:0": Scalar}, set()),
        ({"a/total:0": Scalar, "a/count:0": Scalar}, set()),
        ({"false_negatives": Vector, "kernel": Vector}, {"false_negatives"}),
    ],
)
def test_which_names_are_those_of_metrics(tensors, found):
    assert metrics_among(tensors) == found


@pytest.mark.parametrize(
    ("name", "found"), [("StateVar", []), ("b/seed_generator_state", []), ("b/state", [1])]
)
def test_the_state_of_a_generator_is_no_variable_of_its_layer(name, found):
    nodes = {
        0: ObjectNode(children={"generator": 1}),
        1: ObjectNode(variable=True, name=name),
    }
    assert list(ObjectGraph(nodes, {}).reach(0)) == found
