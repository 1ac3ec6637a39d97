"""What weights are before training, held against real Keras."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from rule_values import kernel, layer, moments

import regaudit
from regaudit.evidence.initializers import MIN_SIZE, Initial, is_untouched

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

GLOROT = {"class_name": "GlorotUniform", "config": {"seed": None}}
KERNEL = kernel("d", (100, 50))
BIAS = replace(kernel("d", (50,)), path="d/bias", stored_path="b", role="bias", units=None)
STD = sqrt(2 / 150)


def numbers(std=STD, **changes):
    """Return the numbers of a kernel as GlorotUniform draws it, with changes."""
    drawn = {
        "mean": 0.0,
        "std": std,
        "l1_norm": 5000 * std * sqrt(3) / 2,
        "max_abs": std * sqrt(3),
    }
    return replace(moments(KERNEL), **{**drawn, **changes})


def size_before_training(shape, stored):
    config = {} if stored is None else {"kernel_initializer": stored}
    initial = Initial.of(layer("a", **config), kernel("a", shape))
    return initial and initial.rms


@pytest.mark.keras
@pytest.mark.parametrize(("name", "config"), CONFIGS)
@pytest.mark.parametrize("shape", [(200, 300), (3, 3, 40, 60), (3, 3, 500, 1), (50, 8, 60)])
def test_is_what_keras_draws(name, config, shape):
    keras = pytest.importorskip("keras")

    keras.utils.set_random_seed(1)
    initializer = keras.initializers.get({"class_name": name, "config": config} if config else name)
    drawn = np.asarray(initializer(shape), np.float64)
    found = size_before_training(shape, {"class_name": name, "config": config})
    assert found == pytest.approx(np.sqrt(np.mean(drawn**2)), rel=0.04)


@pytest.mark.keras
def test_identity_is_what_keras_makes():
    keras = pytest.importorskip("keras")

    drawn = np.asarray(keras.initializers.Identity(gain=2.0)((30, 20)), np.float64)
    found = size_before_training((30, 20), {"class_name": "Identity", "config": {"gain": 2.0}})
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
    assert size_before_training((20, 30), stored) is None


def test_of_vectors_and_empty_weights_is_not_known():
    stored = {"class_name": "GlorotUniform", "config": {}}
    assert size_before_training((20,), stored) is None
    assert size_before_training((0, 0), {"class_name": "Identity", "config": {}}) is None


class TestIsUntouched:
    dense = layer("d", weights=(KERNEL, BIAS), kernel_initializer=GLOROT)

    def check(self, own, bias=0.0, at=None):
        at = at or self.dense
        measured = {KERNEL.stored_path: own, "b": replace(moments(BIAS), max_abs=bias)}
        return is_untouched(at, KERNEL, measured)

    def test_what_the_initializer_draws_is_untouched(self):
        assert self.check(numbers()) is True

    @pytest.mark.parametrize(
        "moved",
        [
            {"mean": 5 * STD / sqrt(5000)},
            {"std": STD * 1.03},
            {"l1_norm": 5000 * STD * 0.83},
            {"max_abs": STD * sqrt(3) * 1.001},
        ],
    )
    def test_each_statistic_can_tell(self, moved):
        assert self.check(numbers(**moved)) is False

    def test_a_bias_that_has_moved_tells(self):
        assert self.check(numbers(), bias=1e-6) is False

    @pytest.mark.parametrize(
        "initializer",
        [
            None,
            {"class_name": "Orthogonal", "config": {}},
            {"class_name": "RandomNormal", "config": {"stddev": float("nan")}},
            {"class_name": "RandomUniform", "config": {"minval": 0.0, "maxval": True}},
            {"class_name": "VarianceScaling", "config": {"scale": "1", "mode": []}},
            {"class_name": "VarianceScaling", "config": {"distribution": {}}},
            {"class_name": ["GlorotUniform"], "config": 3},
        ],
    )
    def test_of_other_initializers_nothing_is_said(self, initializer):
        at = layer("d", weights=(KERNEL, BIAS), kernel_initializer=initializer)
        assert self.check(numbers(), at=at) is None

    def test_without_bounds_a_bias_must_confirm_it(self):
        initializer = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": STD}}
        drawn = numbers(l1_norm=5000 * STD * 0.797885, max_abs=9 * STD)
        beside = layer("d", weights=(KERNEL, BIAS), kernel_initializer=initializer)
        alone = layer("d", weights=(KERNEL,), kernel_initializer=initializer)
        assert self.check(drawn, at=beside) is True
        assert self.check(drawn, at=alone) is None

    def test_an_lstm_starts_with_ones_in_its_forget_gates_alone(self):
        at = layer("d", "LSTM", (KERNEL, BIAS), kernel_initializer=GLOROT, unit_forget_bias=True)
        wide = replace(BIAS, shape=(48,))
        ones = replace(moments(wide), max_abs=1.0, l1_norm=12.0, zeros=36)
        for bias, expected in (
            (ones, True),
            (replace(ones, max_abs=1.5), False),
            (replace(ones, l1_norm=13.0), False),
            (replace(ones, zeros=35), False),
            (replace(ones, max_abs=0.0, l1_norm=0.0, zeros=48), False),
        ):
            measured = {KERNEL.stored_path: numbers(), "b": bias}
            assert is_untouched(at, KERNEL, measured) is expected

    @pytest.mark.parametrize(("size", "known"), [(MIN_SIZE - 1, False), (MIN_SIZE, True)])
    def test_a_small_kernel_has_too_few_values_to_tell(self, size, known):
        small = replace(numbers(), size=size, l1_norm=size * STD * sqrt(3) / 2)
        assert (self.check(small) is not None) == known


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "glorot_uniform",
        "glorot_normal",
        "he_uniform",
        "he_normal",
        "lecun_uniform",
        "lecun_normal",
        "random_uniform",
        "random_normal",
        "truncated_normal",
    ],
)
def test_every_kernel_of_keras_is_untouched_until_one_step_of_training(name):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(1)
    made = {"kernel_initializer": name}
    model = keras.Sequential(
        [
            layers.Input((8, 8, 16)),
            layers.Conv2D(12, 3, padding="same", **made),
            layers.DepthwiseConv2D(3, depthwise_initializer=name, depth_multiplier=2),
            layers.SeparableConv2D(9, 3, depthwise_initializer=name, pointwise_initializer=name),
            layers.Conv2DTranspose(7, 2, **made),
            layers.Reshape((25, 7)),
            layers.LSTM(12, **made),
            layers.Dense(30, **made),
        ]
    )

    def untouched():
        report = regaudit.audit(model)
        return [
            found
            for layer, weight in report.model.weights()
            if (found := is_untouched(layer, weight, report.moments)) is not None
        ]

    assert untouched() == [True] * 7
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(np.ones((4, 8, 8, 16)), np.ones((4, 30)))
    assert untouched() == [False] * 7


@pytest.mark.parametrize("shape", [(), (64,)])
def test_a_kernel_that_is_no_matrix_has_no_counts(shape):
    """Fuzzing found it: a convolution whose kernel a file calls a vector."""
    config = {"class_name": "HeNormal", "config": {}}
    weight = replace(KERNEL, shape=shape)
    conv = layer("conv", "Conv2D", weights=(weight,), kernel_initializer=config)
    assert Initial.of(conv, weight) is None
