"""The density of an initializer is that of what the real Keras draws."""

import numpy as np
import pytest

from regaudit.evidence.initial_density import initial_density
from regaudit.model import Layer, Weight

DRAWN = [
    ("GlorotUniform", {}, "uniform"),
    ("GlorotNormal", {}, "truncated normal"),
    ("HeUniform", {}, "uniform"),
    ("HeNormal", {}, "truncated normal"),
    ("LecunNormal", {}, "truncated normal"),
    ("RandomNormal", {"mean": 0.5, "stddev": 0.2}, "normal"),
    ("TruncatedNormal", {"mean": -0.1, "stddev": 0.3}, "truncated normal"),
    ("RandomUniform", {"minval": 0.1, "maxval": 0.4}, "uniform"),
    ("Orthogonal", {"gain": 2.0}, "orthogonal"),
    (
        "VarianceScaling",
        {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"},
        "normal",
    ),
]


def density_of(name, config=None, shape=(64, 96), class_name="Dense", **stored):
    weight = Weight(
        "d/kernel",
        "layers/d/vars/0",
        "kernel",
        shape,
        "float32",
        trainable=True,
        regularizer_key="kernel_regularizer",
    )
    stored = stored or {"kernel_initializer": {"class_name": name, "config": config or {}}}
    layer = Layer("d", "d", class_name, stored, trainable=True, weights=(weight,))
    return initial_density(layer, weight)


def share_below(density, values):
    """Return how much of a density lies below some values, by the trapezoidal rule."""
    ends = density.center - density.reach * 1.2, density.center + density.reach * 1.2
    grid = np.linspace(*ends, 20_001)
    heights = np.array([density.at(value) for value in grid])
    steps = np.diff(grid) * (heights[1:] + heights[:-1]) / 2
    return np.interp(values, grid, np.concatenate([[0.0], np.cumsum(steps)]))


@pytest.mark.parametrize(("name", "config", "shape"), DRAWN)
def test_all_of_a_density_is_one(name, config, shape):
    density = density_of(name, config)
    assert density.shape == shape
    assert share_below(density, density.center + 1e9) == pytest.approx(1, abs=1e-3)


@pytest.mark.keras
@pytest.mark.parametrize("shape", [(64, 96), (3, 3, 8, 40)])
@pytest.mark.parametrize(("name", "config"), [one[:2] for one in DRAWN])
def test_keras_draws_from_it(name, config, shape):
    keras = pytest.importorskip("keras")
    drawn = getattr(keras.initializers, name)(**config, seed=3)(shape)
    values = np.sort(np.asarray(drawn).ravel())
    density = density_of(name, config, shape, "Conv2D" if len(shape) == 4 else "Dense")
    # By Kolmogorov and Smirnov: a thousandth of all samples of so many values lies further off.
    # The entries of an orthogonal matrix depend on each other, which only draws them closer.
    expected = share_below(density, values)
    size = len(values)
    distance = np.abs(expected - (np.arange(size) + 0.5) / size).max()
    assert distance < 1.95 / np.sqrt(size)


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("Zeros", {}, "Its initializer, Zeros, draws nothing at random."),
        ("Identity", {}, "Its initializer, Identity, draws nothing at random."),
        ("Mine", {}, "Its initializer, Mine, is not one of Keras"),
        ("RandomNormal", {"stddev": 0.0}, "The settings of its initializer, RandomNormal, make no"),
        ("RandomUniform", {"minval": "a"}, "The settings of its initializer, RandomUniform, make"),
        ("RandomNormal", {"stddev": float("inf")}, "The settings of its initializer"),
        ("HeNormal", {"input_axes": [0]}, "How HeNormal counts the inputs and outputs"),
    ],
)
def test_why_there_is_none_is_said(name, config, said):
    assert density_of(name, config).startswith(said)


def test_what_the_file_does_not_say_is_not_guessed():
    assert density_of("", x=1) == "The file does not say how it was initialized."
    assert "depends on the version" in density_of(
        "GlorotUniform", class_name="EinsumDense", shape=(4, 2, 3)
    )
    assert density_of("Orthogonal", shape=(2, 3)) == (
        "It is too small for the values of Orthogonal to have a density."
    )


def test_names_of_functions_are_names_of_classes():
    found = density_of("glorot_uniform")
    assert (found.shape, found.spread) == ("uniform", pytest.approx(np.sqrt(6 / 160)))
    assert density_of("", kernel_initializer="he_normal").shape == "truncated normal"
