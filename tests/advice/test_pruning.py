"""Dead units: what cutting them out saves is what Keras counts without them."""

import numpy as np
import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer, moments

import regaudit
from regaudit.advice.pruning import dead_units
from regaudit.evidence.evidence import Evidence
from regaudit.model import Node

UNITS, DEAD = 12, 5


def dense_chain(keras, units):
    layers = keras.layers
    return [keras.Input((6,)), layers.Dense(units, name="cut"), layers.ReLU(), layers.Dense(4)]


def normalized(keras, units):
    layers = keras.layers
    return [
        keras.Input((8, 8, 3)),
        layers.Conv2D(units, 3, name="cut"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Conv2D(4, 2),
    ]


def flattened(keras, units):
    layers = keras.layers
    return [
        keras.Input((6, 6, 2)),
        layers.Conv2D(units, 3, use_bias=False, name="cut"),
        layers.Flatten(),
        layers.Dense(4),
    ]


def depthwise(keras, units):
    layers = keras.layers
    return [
        keras.Input((8, 8, 3)),
        layers.Conv2D(units, 1, name="cut"),
        layers.DepthwiseConv2D(3),
        layers.Conv2D(4, 1),
    ]


def transposed(keras, units):
    layers = keras.layers
    return [keras.Input((8, 3)), layers.Conv1D(units, 2, name="cut"), layers.Conv1DTranspose(4, 2)]


def recurrent(keras, units):
    layers = keras.layers
    return [
        keras.Input((5, 3)),
        layers.SimpleRNN(units, return_sequences=True, name="cut"),
        layers.LSTM(4),
    ]


CHAINS = [dense_chain, normalized, flattened, depthwise, transposed, recurrent]


def audited(model, file):
    model.save(file)
    report = regaudit.audit(file)
    found = Evidence(report.model, report.moments, report.penalties)
    (cut,) = (one for one in report.model.layers if one.name == "cut")
    return dead_units(found, cut, next(one for one in cut.weights if one.role == "kernel"))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("chain", CHAINS)
def test_it_saves_what_keras_counts_less_without_them(keras, chain, tmp_path):
    model = keras.Sequential(chain(keras, UNITS))
    cut = model.get_layer("cut")
    for weight in cut.weights:  # all that leads into the last units is zero
        values = np.random.default_rng(0).normal(size=weight.shape)
        values[..., -DEAD:] = 0.0
        weight.assign(values)
    found = audited(model, tmp_path / "model.keras")
    smaller = keras.Sequential(chain(keras, UNITS - DEAD))
    assert (found.units, found.dead, found.by_gamma, found.kept) == (UNITS, DEAD, 0, "")
    assert found.own + found.next == model.count_params() - smaller.count_params()


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_the_scale_of_a_normalization_kills_too(keras, tmp_path):
    model = keras.Sequential(normalized(keras, UNITS))
    gamma = np.ones(UNITS)
    gamma[:3] = 0.0
    model.layers[1].gamma.assign(gamma)
    found = audited(model, tmp_path / "model.keras")
    assert (found.dead, found.by_gamma) == (3, 3)
    smaller = keras.Sequential(normalized(keras, UNITS - 3))
    assert found.own + found.next == model.count_params() - smaller.count_params()


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_units_behind_others_are_followed_through_concatenate(keras, tmp_path):
    def model(units):
        layers = keras.layers
        entry = keras.Input((6,))
        cut = layers.Dense(units, name="cut")(entry)
        both = layers.Concatenate()([layers.Dense(4)(entry), cut])
        return keras.Model(entry, layers.Dense(2)(both))

    whole = model(UNITS)
    values = np.random.default_rng(0).normal(size=(6, UNITS))
    values[:, :DEAD] = 0.0
    whole.get_layer("cut").kernel.assign(values)
    found = audited(whole, tmp_path / "model.keras")
    assert (found.dead, found.kept) == (DEAD, "")
    assert found.own + found.next == whole.count_params() - model(UNITS - DEAD).count_params()


def dense(path, inputs, units):
    return layer(path, weights=(kernel(path, (inputs, units)),))


def dead_of(*layers, **given):
    return dead_units(evidence(*layers, dead=2, **given), layers[0], layers[0].weights[0])


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ((), "they are outputs of the model"),
        ((layer("x", "Add"), dense("out", 9, 3)), "they feed Add"),
        ((layer("x", "Softmax"), dense("out", 9, 3)), "they feed Softmax"),
        ((layer("x", "my>Layer"), dense("out", 9, 3)), "they feed my>Layer"),
        ((dense("out", 8, 3),), "they feed Dense in a way that regaudit does not follow"),
        ((layer("x", "LayerNormalization"), dense("out", 9, 3)), "they feed LayerNormalization"),
        ((layer("x", "ReLU"), dense("out", 9, 3)), ""),
    ],
)
def test_units_that_something_else_needs_are_kept(after, kept):
    found = dead_of(dense("a", 4, 9), *after)
    assert (found.dead, found.kept) == (2, kept)
    assert found.own == 2 * 4


def test_a_custom_layer_may_do_anything_with_its_units():
    custom = replace(dense("a", 4, 9), known=False)
    assert dead_of(custom, dense("out", 9, 3)).kept == "the layers that read them are not known"


def test_without_units_or_numbers_nothing_is_counted():
    flat = layer("a", weights=(kernel("a", (9,), units=None),))
    assert dead_of(flat) is None
    one = dense("a", 4, 9)
    assert dead_units(Evidence(evidence(one).model), one, one.weights[0]) is None


def test_a_recurrent_unit_is_dead_if_its_own_state_does_not_feed_it_either():
    recurrent = kernel("a", (9, 9), role="recurrent_kernel")
    recurrent = replace(recurrent, path="a/recurrent_kernel", stored_path="layers/a/vars/1")
    cell = layer("a", "SimpleRNN", (kernel("a", (4, 9)), recurrent))
    given = evidence(cell, dead=3)
    alive = {**given.moments, "layers/a/vars/1": moments(recurrent, dead=1)}
    found = dead_units(Evidence(given.model, alive), cell, cell.weights[0])
    assert found.dead == 1  # dead in both
    # its column of each kernel, and the rest of its row of the recurrent one
    assert found.own == 4 + 9 + 8


def test_two_dead_units_of_a_recurrent_layer_share_their_crossings():
    recurrent = kernel("a", (9, 9), role="recurrent_kernel")
    recurrent = replace(recurrent, path="a/recurrent_kernel", stored_path="layers/a/vars/1")
    cell = layer("a", "SimpleRNN", (kernel("a", (4, 9)), recurrent))
    given = evidence(cell, dead=2)
    both = {**given.moments, "layers/a/vars/1": moments(recurrent, dead=2)}
    found = dead_units(Evidence(given.model, both), cell, cell.weights[0])
    assert found.own == 2 * 4 + 9 * 9 - 7 * 7


def test_a_layer_called_twice_is_kept():
    shared = dense("a", 9, 9)
    nodes = (Node("a", "Dense", ()), Node("a@2", "Dense", ("a",), "a"))
    found = dead_of(shared, nodes=nodes)
    assert found.kept == "the layer is called several times"


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, ""),
        ({"axis": -1}, ""),
        ({"axis": 1}, "they feed Concatenate"),
    ],
)
def test_units_joined_to_others_are_followed_along_the_last_axis_alone(config, kept):
    join = layer("x", "Concatenate", **config)
    assert dead_of(dense("a", 4, 9), join, dense("out", 12, 3)).kept == kept
