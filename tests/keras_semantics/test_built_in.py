"""Every public layer of Keras is known as Keras's own, whatever version wrote it."""

import inspect
import json

import numpy as np
import pytest
from paths import FIXTURES, MODELS

import regaudit
from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.layer_table import is_built_in

pytestmark = pytest.mark.filterwarnings("ignore")

PUBLIC = json.loads((FIXTURES / "public_layers.json").read_text("utf-8"))
"""Names of all public layers, aliases among them."""


@pytest.mark.parametrize("line", PUBLIC)
def test_every_public_layer_is_in_the_table(line):
    assert [name for name in PUBLIC[line] if not is_built_in(name)] == []


@pytest.mark.keras
def test_the_list_of_public_layers_is_that_of_the_installed_keras():
    keras = pytest.importorskip("keras")
    found = {
        name
        for module in (keras, keras.layers, keras.utils, keras.models)
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, keras.layers.Layer)
    }
    assert found <= set(PUBLIC["Keras 3.0 to 3.15"]) | {"Functional"}


@pytest.mark.parametrize(
    ("identity", "custom"),
    [
        ({"module": "keras.layers"}, False),
        ({"module": "keras.src.layers.core.dense"}, False),
        ({"module": "tf_keras.src.layers.core.dense"}, False),
        ({"module": "tensorflow.python.keras.layers.core"}, False),
        ({"module": "keras_core.layers"}, False),
        ({"registered_name": "keras>Dense"}, False),
        ({"registered_name": "tf_keras>Dense"}, False),
        ({"registered_name": "keras.src.layers>Dense"}, False),
        ({"registered_name": "Dense"}, False),
        ({}, False),
        ({"registered_name": "Custom>Dense"}, True),
        ({"registered_name": "kerasy>Dense"}, True),
        ({"module": "my_keras.layers"}, True),
    ],
)
def test_where_a_class_comes_from_says_whose_it_is(identity, custom):
    assert is_custom({"class_name": "Dense", "config": {}, **identity}) is custom


def test_layers_that_only_tf_keras_has_are_known_in_an_archive():
    report = regaudit.audit(MODELS / "tf-keras-only.keras")  # values: fixtures/tf_keras_only.py
    assert report.penalty == pytest.approx(0.0899446, rel=1e-5)
    assert report.penalty_complete
    assert (report.model.trainable_parameters, report.model.parameters) == (1142, 1148)
    assert [weight.role for _, weight in report.model.weights()] == [
        *("kernel", "bias"),
        *("gamma", "beta", "moving_mean", "moving_variance"),
        *("kernel", "bias"),
    ]
    assert report.skipped == ()


# Held against Keras --------------------------------------------------------------------------


def lookups(keras):
    """Yield layers that look up what they are fed, weighted by tf-idf."""
    strings = keras.layers.StringLookup(output_mode="tf_idf", max_tokens=6)
    strings.adapt(np.array([["a"], ["b"]]))
    yield strings, "string"
    numbers = keras.layers.IntegerLookup(output_mode="tf_idf", max_tokens=6)
    numbers.adapt(np.array([[1], [2], [3]]))
    yield numbers, "int64"
    texts = keras.layers.TextVectorization(output_mode="tf_idf", max_tokens=6)
    texts.adapt(["a b c", "b c d"])
    yield texts, "string"


def agrees(report, model):
    assert report.failure is None
    assert report.skipped == ()
    assert all(layer.known for layer in report.model.layers)
    assert report.penalty_complete
    assert report.penalty == pytest.approx(sum(map(float, model.losses)), rel=1e-5)
    assert report.model.parameters == model.count_params()
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert report.model.trainable_parameters == trainable


@pytest.mark.keras
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_tables_of_lookups_are_no_weights(tmp_path, suffix):
    keras = pytest.importorskip("keras")
    for layer, dtype in lookups(keras):
        dense = keras.layers.Dense(2, kernel_regularizer="l2")
        model = keras.Sequential([keras.Input((1,), dtype=dtype), layer, dense])
        file = tmp_path / f"{layer.name}.{suffix}"
        model.save(file)
        agrees(regaudit.audit(file), model)


@pytest.mark.keras
def test_a_feature_space_holds_its_preprocessors(tmp_path):
    keras = pytest.importorskip("keras")
    tensorflow = pytest.importorskip("tensorflow")
    features = {"a": "float_normalized", "s": "string_categorical", "z": "float_normalized"}
    space = keras.utils.FeatureSpace(features, output_mode="concat")
    data = {"a": np.arange(6.0), "s": list("abcabc"), "z": np.arange(6.0)}
    space.adapt(tensorflow.data.Dataset.from_tensor_slices(data))
    file = tmp_path / "features.keras"
    space.save(file)
    report = regaudit.audit(file)
    agrees(report, keras.models.load_model(file))
    paths = {
        path.partition("_preprocessor")[0] for path in (w.path for _, w in report.model.weights())
    }
    assert paths == {"a", "z"}


@pytest.mark.keras
def test_a_model_of_tensorflow_inside_a_layer_is_no_custom_layer(tmp_path):
    keras = pytest.importorskip("keras")
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, kernel_regularizer="l2")])
    inner.export(tmp_path / "inner", verbose=False)
    layer = keras.layers.TFSMLayer(tmp_path / "inner", call_endpoint="serve")
    layer.filepath = str(layer.filepath)
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(2)])
    model.save(tmp_path / "outer.keras")
    report = regaudit.audit(tmp_path / "outer.keras")
    assert report.penalty_complete
    assert report.model.parameters == model.count_params()
    assert sum(map(float, model.losses)) == report.penalty == 0
