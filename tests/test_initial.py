"""What kernels look like before training, held against Keras's initializers."""

from dataclasses import replace
from math import sqrt

import pytest
from rule_values import kernel, layer, moments

import regaudit
from regaudit.initial import Initial, is_untouched

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
            "glorot_uniform",
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
    np = pytest.importorskip("numpy")
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
            is_untouched(layer, weight, report.moments)
            for layer, weight in report.model.weights()
            if Initial.of(layer, weight) is not None
        ]

    assert untouched() == [True] * 7
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((4, 8, 8, 16)), np.ones((4, 30)))
    assert untouched() == [False] * 7


@pytest.mark.parametrize("shape", [(), (64,)])
def test_a_kernel_that_is_no_matrix_has_no_counts(shape):
    """Fuzzing found it: a convolution whose kernel a file calls a vector."""
    config = {"class_name": "HeNormal", "config": {}}
    weight = replace(KERNEL, shape=shape)
    conv = layer("conv", "Conv2D", weights=(weight,), kernel_initializer=config)
    assert Initial.of(conv, weight) is None
