"""The size of a weight before training, held against real Keras."""

import numpy as np
import pytest

from regaudit.initialization import initial_rms
from regaudit.model import Layer, Weight

NAMES = [
    "GlorotUniform",
    "GlorotNormal",
    "HeUniform",
    "HeNormal",
    "LecunUniform",
    "LecunNormal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "Orthogonal",
    "glorot_uniform",
    "he_normal",
]
CONFIGS = [
    *((name, {}) for name in NAMES),
    ("VarianceScaling", {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"}),
    ("VarianceScaling", {"scale": 0.5, "mode": "fan_avg", "distribution": "truncated_normal"}),
    ("RandomNormal", {"mean": 0.1, "stddev": 0.02}),
    ("RandomUniform", {"minval": -0.1, "maxval": 0.3}),
    ("Orthogonal", {"gain": 1.5}),
]


def expected(shape, stored):
    weight = Weight(
        "a/kernel", "0", "kernel", shape, "float32", True, regularizer_key="kernel_regularizer"
    )
    config = {} if stored is None else {"kernel_initializer": stored}
    return initial_rms(Layer("a", "a", "Dense", config, trainable=True), weight)


@pytest.mark.keras
@pytest.mark.parametrize(("name", "config"), CONFIGS)
@pytest.mark.parametrize("shape", [(200, 300), (3, 3, 40, 60), (3, 3, 500, 1), (50, 8, 60)])
def test_is_what_keras_draws(name, config, shape):
    keras = pytest.importorskip("keras")

    keras.utils.set_random_seed(1)
    initializer = keras.initializers.get({"class_name": name, "config": config} if config else name)
    drawn = np.asarray(initializer(shape), np.float64)
    found = expected(shape, {"class_name": name, "config": config})
    assert found == pytest.approx(np.sqrt(np.mean(drawn**2)), rel=0.04)


@pytest.mark.keras
def test_identity_is_what_keras_makes():
    keras = pytest.importorskip("keras")

    drawn = np.asarray(keras.initializers.Identity(gain=2.0)((30, 20)), np.float64)
    found = expected((30, 20), {"class_name": "Identity", "config": {"gain": 2.0}})
    assert found == pytest.approx(np.sqrt(np.mean(drawn**2)))


@pytest.mark.parametrize(
    "stored",
    [
        None,
        5,
        "mine",
        {"class_name": "Zeros", "config": {}},
        {"class_name": 5},
        {"class_name": "GlorotUniform", "config": 5},
        {"class_name": "GlorotUniform", "config": {"input_axes": [0]}},
        {"class_name": "RandomNormal", "config": {"stddev": "wide"}},
        {"class_name": "VarianceScaling", "config": {"mode": 3}},
        {"class_name": "VarianceScaling", "config": {"mode": "fan_up"}},
        {"class_name": "VarianceScaling", "config": {"scale": -1.0}},
        {"class_name": "Orthogonal", "config": {"gain": []}},
    ],
)
def test_is_not_known_where_the_file_does_not_tell(stored):
    assert expected((20, 30), stored) is None


def test_of_vectors_and_empty_weights_is_not_known():
    stored = {"class_name": "GlorotUniform", "config": {}}
    assert expected((20,), stored) is None
    assert expected((0, 0), {"class_name": "Identity", "config": {}}) is None
