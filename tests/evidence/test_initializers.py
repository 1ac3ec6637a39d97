"""What weights are before training, held against real Keras."""

from math import sqrt

import numpy as np
import pytest
from msgspec.structs import replace
from rule_values import kernel, layer, moments
from samples import sampled

import regaudit
from regaudit.evidence.initializers import MIN_SIZE, TRUNCATED, Initial, is_untouched

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


def of(class_name, **config):
    """Return what an initializer makes of a kernel of 200 inputs and 300 units."""
    stored = {"class_name": class_name, "config": config}
    return Initial.of(layer("a", kernel_initializer=stored), kernel("a", (200, 300)))


@pytest.mark.parametrize(
    ("name", "config", "rms"),
    [
        ("GlorotUniform", {}, sqrt(1 / 250)),
        ("HeNormal", {}, sqrt(2 / 200)),
        ("VarianceScaling", {}, sqrt(1 / 200)),
        ("VarianceScaling", {"scale": 3.0, "mode": "fan_out"}, sqrt(3 / 300)),
        ("RandomNormal", {}, 0.05),
        ("RandomNormal", {"mean": 0.1, "stddev": 0.02}, sqrt(0.1**2 + 0.02**2)),
        ("TruncatedNormal", {}, 0.05 * TRUNCATED),
        (
            "TruncatedNormal",
            {"mean": 0.1, "stddev": 0.02},
            sqrt(0.1**2 + (0.02 * TRUNCATED) ** 2),
        ),
        ("RandomUniform", {}, 0.05 / sqrt(3)),
        ("RandomUniform", {"minval": 0.0, "maxval": 0.3}, 0.3 / sqrt(3)),
        ("Orthogonal", {"gain": 1.5}, 1.5 / sqrt(300)),
        ("Identity", {"gain": 1.5}, 1.5 / sqrt(300)),
    ],
)
def test_the_size_by_the_formulas_of_the_papers(name, config, rms):
    assert of(name, **config).rms == pytest.approx(rms)


@pytest.mark.parametrize(
    ("name", "config", "bound"),
    [
        ("GlorotUniform", {}, sqrt(3)),
        ("GlorotNormal", {}, 2 / TRUNCATED),
        ("VarianceScaling", {}, 2 / TRUNCATED),
        ("VarianceScaling", {"distribution": "untruncated_normal"}, None),
        ("TruncatedNormal", {}, 2 / TRUNCATED),
        ("RandomNormal", {}, None),
    ],
)
def test_what_is_drawn_around_zero_has_a_distribution(name, config, bound):
    assert of(name, **config).distribution.bound == (bound and pytest.approx(bound))


@pytest.mark.parametrize("name", ["TruncatedNormal", "RandomNormal"])
def test_what_is_drawn_around_another_mean_has_none(name):
    assert of(name, mean=0.1).distribution is None


@pytest.mark.parametrize(
    ("class_name", "shape", "known", "plain"),
    [
        ("Dense", (20, 30), True, True),
        ("Dense", (20, 30), False, False),
        ("Conv2D", (3, 3, 20, 30), True, True),
        ("Conv2D", (3, 3, 20, 30), False, False),
        ("EinsumDense", (4, 20, 30), True, False),
    ],
)
def test_it_is_sure_only_where_the_shape_counts_inputs_and_outputs(class_name, shape, known, plain):
    at = replace(layer("a", class_name, kernel_initializer=GLOROT), known=known)
    assert (Initial.of(at, kernel("a", shape)).distribution is not None) is plain


def test_a_weight_that_takes_no_regularizer_names_no_initializer():
    weight = kernel("a", (20, 30), regularizer_key=None)
    assert Initial.of(layer("a", kernel_initializer=GLOROT), weight) is None


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
        {"class_name": "GlorotUniform", "config": {"output_axes": [1]}},
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
        assert self.check(replace(numbers(), **moved)) is False

    @pytest.mark.parametrize("within", [{"std": STD * 1.02}, {"l1_norm": 5000 * STD * 0.85}])
    def test_chance_moves_each_statistic_a_little(self, within):
        assert self.check(replace(numbers(), **within)) is True

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
    sampled(
        [
            "glorot_uniform",
            "he_uniform",
            "lecun_uniform",
            "lecun_normal",
            "he_normal",
            "truncated_normal",
            "random_uniform",
            "random_normal",
            "glorot_normal",
        ],
        every=3,
    ),
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
