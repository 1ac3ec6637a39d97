"""Which regularizers a file tells, and that no others are taken for absent."""

import pytest
from paths import FIXTURES, MODELS

import regaudit
from regaudit.model import Tally

APPLY, CORPUS = FIXTURES / "apply", FIXTURES / "corpus"


@pytest.mark.parametrize(
    ("file", "regularized"),
    [
        (MODELS / "digits-cnn.keras", Tally(0, 6, 0)),
        (APPLY / "custom.keras", Tally(0, 2, 2)),
        (APPLY / "custom.h5", Tally(0, 2, 2)),
        (APPLY / "regularized.directory/model.weights.h5", Tally(0, 0, 4)),
        (CORPUS / "keras-3.15.1/quant_float8.keras", Tally(0, 0, 0)),
    ],
)
def test_weights_of_which_the_file_does_not_tell_are_counted_apart(file, regularized):
    report = regaudit.audit(file)
    found = report.coverage.regularized
    if "quant" in file.name:
        assert not found.unknown
    else:
        assert found == regularized
    assert sum(found) == sum(w.shared_with is None for _, w in report.model.weights())


def test_a_custom_regularizer_is_known_to_be_there():
    report = regaudit.audit(FIXTURES / "rules/REG904/bad.keras")
    kernel = next(weight for _, weight in report.model.weights() if weight.role == "kernel")
    assert kernel.regularizer_known
    assert kernel.regularized
    assert report.penalties[kernel.stored_path] is None


def test_what_is_not_known_adds_nothing_that_is_known():
    report = regaudit.audit(APPLY / "custom.keras")
    untold = [w for _, w in report.model.weights() if not w.regularizer_known]
    assert untold
    assert all(report.penalties[weight.stored_path] is None for weight in untold)


@pytest.mark.parametrize(
    ("folder", "told"), [("keras-3.3.3", False), ("keras-3.5.0", True), ("tf-keras-2.21", True)]
)
def test_activity_regularizers_that_a_version_does_not_store_are_unknown(folder, told):
    files = sorted((CORPUS / folder).glob("*.keras"))
    layers = [
        layer
        for file in files
        for layer in regaudit.audit(file).model.layers
        if layer.class_name == "Dense" and layer.activity_regularizer is None
    ]
    assert layers
    assert all(layer.activity_known is told for layer in layers)


def test_those_of_custom_layers_are_unknown_unless_stored():
    model = regaudit.audit(APPLY / "custom.keras").model
    told = {layer.class_name: layer.activity_known for layer in model.layers}
    custom = next(layer for layer in model.layers if layer.class_name.endswith("MyDense"))
    assert told.pop(custom.class_name) is ("activity_regularizer" in custom.config)
    assert all(told.values())
