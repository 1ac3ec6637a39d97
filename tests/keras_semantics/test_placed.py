"""Weights of subclasses of Keras's layers: where they are placed, and what is said of them.

`fixtures/custom_classes.py` made the files, and the oracles: what real Keras says of the models.
"""

import json
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace
from paths import FIXTURES

import regaudit
from regaudit.keras_semantics.dialect import CURRENT, Dialect
from regaudit.keras_semantics.parent_classes import _OWN, parents_of
from regaudit.keras_semantics.placing import with_roles
from regaudit.model import Layer, Model, Status, Weight
from regaudit.report.document import record
from regaudit.report.read_record import report_of
from regaudit.settings.config import Config

FOLDER = FIXTURES / "custom_classes"
NUMBERED = (
    "keras-3/m.keras",
    "keras-3/m.weights.h5",
    "tf-keras/m.keras",
    "tf-keras/m.weights.h5",
)
"""Of which weights are stored without names."""
NAMED = ("keras-3/m.h5", "tf-keras/m.h5", "tf-keras/m.savedmodel")
FILES = (*NUMBERED, *NAMED)
PARENTS = {
    "conv": "Conv2D",
    "norm": "BatchNormalization",
    "attention": "MultiHeadAttention",
    "embedding": "Embedding",
    "lstm": "LSTM",
    "square": "GRU",
    "dense": "Dense",
    "scaled": "Dense",
    "careless": "Dense",
}
DECLARED = {
    "MyConv2D": "Conv2D",
    "team>MyBatchNormalization": "BatchNormalization",
    "MyMultiHeadAttention": "MultiHeadAttention",
    "team>MyEmbedding": "Embedding",
    "MyLSTM": "LSTM",
    "MyGRU": "GRU",
    "MyDense": "Dense",
}


def oracle(file):
    return json.loads((FOLDER / file).with_name("oracle.json").read_text("utf-8"))


@cache
def audited(file, **layers):
    config = Config.default(layers=layers)
    if "weights" in file:
        architecture = (FOLDER / file).with_name("m.json").read_text("utf-8")
        config = replace(config, architecture=json.loads(architecture))
    report = regaudit.audit(FOLDER / file, config)
    assert report.failure is None, report.failure
    return report


def of(report, name):
    """Return the weights of a layer, those in its parts included."""
    return [weight for _, weight in report.model.weights() if weight.path.partition("/")[0] == name]


def are_alone(file, name):
    """Whether the weights of a layer have only one place by names or shapes."""
    if file in NAMED:
        return True
    return name not in {"norm", "square"} and (name != "scaled" or file.startswith("keras-3"))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", PARENTS)
def test_weights_are_placed_where_names_or_shapes_leave_no_choice(file, name):
    report, real = audited(file), oracle(file)["weights"][name]
    layer = next(layer for layer in report.model.layers if layer.path == name)
    assert (layer.placed_as, layer.known) == (PARENTS[name] * are_alone(file, name), False)
    stored = sorted((weight.role, list(weight.shape)) for weight in of(report, name))
    roles = sorted((role, shape) for role, shape, _ in real)
    if file in NUMBERED and file.startswith("keras-3"):
        roles = [one for one in roles if one[0] != "gain"]  # Keras 3 does not store it
    assert (stored == roles) == are_alone(file, name)


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_said_to_be_in_force_that_custom_code_decides(file):
    report, real = audited(file), oracle(file)["weights"]
    placed = [layer for layer in report.model.layers if layer.placed_as]
    for layer in placed:
        for weight in layer.weights:
            assert weight.regularized is None
            assert report.penalties[weight.stored_path] is None
            if weight.regularizer:
                assert weight.regularizer.status is Status.UNKNOWN
        (reason,) = (skip.reason for skip in report.skipped if skip.path == layer.path)
        assert f"placed as those of {layer.placed_as}, but its code decides" in reason
    kernel = next(weight for weight in of(report, "careless") if weight.role == "kernel")
    assert kernel.regularizer.l2 == pytest.approx(0.01)
    assert real["careless"][0][2] == 0.0
    assert not report.penalty_complete


@pytest.mark.parametrize("file", FILES)
def test_declared_classes_add_what_keras_adds(file):
    report, real = audited(file, **DECLARED), oracle(file)["weights"]
    for name in PARENTS.keys() - {"scaled", "careless"}:
        layer = next(layer for layer in report.model.layers if layer.path == name)
        assert layer.known
        assert (layer.class_name, layer.custom_class.startswith("team>My")) == (PARENTS[name], True)
        ours = sorted((w.role, report.penalties[w.stored_path]) for w in of(report, name))
        theirs = sorted((role, adds) for role, _, adds in real[name])
        assert [role for role, _ in ours] == [role for role, _ in theirs]
        assert [adds for _, adds in ours] == pytest.approx([adds for _, adds in theirs], rel=1e-5)
    assert not {layer.path for layer in report.model.layers if not layer.class_name}


@pytest.mark.parametrize("file", ["tf-keras/m.h5", "tf-keras/m.savedmodel", "keras-3/m.h5"])
def test_no_regularizer_is_called_inert_whose_weights_lie_in_parts(file):
    """Those of attention and of recurrent layers act, as the oracle says."""
    report = audited(file)
    assert not [one for one in report.findings if one.code == "REG103"]
    layers = [layer for layer in report.model.layers if not layer.known]
    unplaced = [found for layer in layers for found in layer.unplaced.values()]
    assert {found.status for found in unplaced} <= {Status.UNKNOWN}


def test_the_record_says_it_in_keys_of_their_own_and_is_read_back():
    report = audited("keras-3/m.keras", MyDense="Dense")
    written = record(report)
    layers = {layer["path"]: layer for layer in written["layers"]}
    said = {
        path: (one["class_name"], one.get("custom_class"), one.get("placed_as"))
        for path, one in layers.items()
        if path in {"dense", "conv", "out"}
    }
    assert said == {
        "dense": ("Dense", "team>MyDense", None),
        "conv": ("team>MyConv2D", None, "Conv2D"),
        "out": ("Dense", None, None),
    }
    assert record(report_of(written))["layers"] == written["layers"]


@pytest.mark.keras
def test_every_class_is_told_by_the_keys_that_keras_writes(keras):
    makers = {
        "EinsumDense": ("ab,bc->ac", 2),
        "Embedding": (3, 2),
        "MultiHeadAttention": (2, 2),
        "GroupNormalization": (1,),
        "BatchNormalization": (),
        "LayerNormalization": (),
        "PReLU": (),
    }
    for name in _OWN:
        window = (2,) if name.startswith("Depthwise") else (2, 2)
        arguments = makers.get(name, window if "Conv" in name else (2,))
        config = getattr(keras.layers, name)(*arguments).get_config()
        assert parents_of(config, Dialect(CURRENT)) == [name]
        for key in ("units", "filters", "axis", "input_dim", "shared_axes", "num_heads"):
            if key in config:
                lacking = {one: value for one, value in config.items() if one != key}
                assert name not in parents_of(lacking, Dialect(CURRENT))


@pytest.mark.parametrize(
    "change",
    [
        {"units": 6},
        {"lora_rank": 2},
        {"quantization_config": {"class_name": "Int8"}},
        {"gain_regularizer": "l2"},
        {"recurrent_regularizer": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_contradicts_a_parent_leaves_its_layer_alone(change):
    config = {"use_bias": True, "units": 5, "activation": "relu", "kernel_regularizer": "l2"}
    for stem in ("kernel", "bias"):
        for kind in ("initializer", "constraint", "regularizer"):
            config.setdefault(f"{stem}_{kind}", None)

    def placed(config):
        weights = tuple(
            Weight(f"d/variable_{at}", str(at), f"variable_{at}", shape, "float32", trainable=True)
            for at, shape in enumerate([(4, 5), (5,)])
        )
        layer = Layer("d", "d", "team>D", config, trainable=True, known=False, weights=weights)
        tensors = {str(at): np.zeros(weight.shape) for at, weight in enumerate(weights)}
        model, _ = with_roles(Model("m", "Functional", (layer,)), (), tensors)
        return model.layers[0].placed_as

    assert placed(config) == "Dense"
    assert not placed({**config, **change})
