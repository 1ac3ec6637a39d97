"""What a file does not tell of a weight is unknown: neither trainable nor frozen, nor bare."""

import h5py
import numpy as np
import pytest
from paths import CORPUS, MODELS

import regaudit
from regaudit.report.document import document


def of(file):
    return [weight for _, weight in regaudit.audit(file).model.weights()]


def test_variables_of_custom_layers_are_unknown():
    report = regaudit.audit(MODELS / "custom.keras")
    for layer, weight in report.model.weights():
        assert weight.trainable_known is weight.regularizer_known is layer.known
    unknown = sum(w.size for _, w in report.model.weights() if not w.trainable_known)
    assert report.model.unknown_parameters == unknown > 0


@pytest.mark.parametrize(
    "file", sorted(CORPUS.glob("keras-3.15.1/*[a-z].weights.h5"))[:6], ids=lambda file: file.name
)
def test_weights_alone_are_unknown_statistics_among_them(file):
    for weight in of(file):
        assert not weight.trainable
        assert not weight.trainable_known
        assert not weight.regularizer_known


def test_statistics_that_are_named_so_are_known_in_weights_alone(tmp_path):
    file = tmp_path / "weights.h5"
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["layer_names"] = [b"bn"]
        group = hdf5.create_group("bn")
        names = [f"bn/{role}:0" for role in ("gamma", "moving_mean")]
        group.attrs["weight_names"] = [name.encode() for name in names]
        for name in names:
            group[name] = np.ones(3, "f4")
    gamma, mean = of(file)
    assert (gamma.trainable, gamma.trainable_known) == (True, False)
    assert (mean.trainable, mean.trainable_known) == (False, True)


def test_built_in_layers_tell_all():
    for weight in of(MODELS / "regularized-cnn.keras"):
        assert weight.trainable_known
        assert weight.regularizer_known


def test_json_says_what_is_known():
    record = document([regaudit.audit(MODELS / "custom.keras")])["reports"][0]
    assert record["model"]["trainable_parameters_known"] is False
    known = {w["trainable_known"] for layer in record["layers"] for w in layer["weights"]}
    assert known == {True, False}
