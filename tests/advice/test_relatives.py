"""Advice agrees with itself on models of less usual shapes, too."""

from itertools import product

import numpy as np
import pytest
from advised import applied, audited, grave, options, places
from command_line import run
from samples import sampled

import regaudit

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

LOSSES = {"train_loss": 0.2, "val_loss": 0.9}
FACTS = [{}, LOSSES, {"train_loss": 0.2, "val_loss": 0.21}]


def dense(keras, units, activation="relu", strength=None, **rest):
    l2 = keras.regularizers.L2(strength) if strength else None
    return keras.layers.Dense(units, activation=activation, kernel_regularizer=l2, **rest)


def nested(keras):
    encoder = keras.Sequential(
        [
            keras.layers.Input((400,)),
            dense(keras, 300, strength=0.05, name="one"),
            dense(keras, 64, name="two"),
        ],
        name="encoder",
    )
    inputs = keras.layers.Input((400,))
    return keras.Model(inputs, dense(keras, 10, "softmax", name="out")(encoder(inputs)))


def shared(keras):
    layer = dense(keras, 300, strength=0.02, name="shared")
    left, right = keras.layers.Input((400,)), keras.layers.Input((400,))
    both = keras.layers.Concatenate()([layer(left), layer(right)])
    return keras.Model([left, right], dense(keras, 10, "softmax", name="out")(both))


def bidirectional(keras):
    lstm = keras.layers.LSTM(200, kernel_regularizer="l1", name="lstm")
    return keras.Sequential(
        [
            keras.layers.Input((10, 16)),
            keras.layers.Bidirectional(lstm, name="both"),
            dense(keras, 5, "softmax", name="out"),
        ]
    )


def attention(keras):
    layers, l2 = keras.layers, keras.regularizers.L2(0.01)
    inputs = layers.Input((10, 128))
    x = layers.MultiHeadAttention(8, 64, kernel_regularizer=l2, name="att")(inputs, inputs)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, dense(keras, 5, "softmax", name="out")(x))


@pytest.mark.parametrize(
    ("build", "facts"), sampled(product([nested, shared, bidirectional, attention], FACTS))
)
def test_a_penalty_too_large_is_made_right_in_one_step(keras, save, build, facts):
    file = save(build(keras))
    report = audited(file, **facts)
    assert places(report, "REG202")
    assert report.proposal.decision == "weaken"
    out, after = applied(file, **facts)
    assert not places(after, "REG202")
    assert not places(after, "REG203")
    truth = keras.models.load_model(out)
    assert sum(map(float, truth.losses)) == pytest.approx(after.penalty, rel=1e-5)


def two_outputs(keras):
    inputs = keras.layers.Input((400,))
    x = dense(keras, 300, name="hidden")(inputs)
    outputs = [dense(keras, 10, "softmax", name="kind")(x), dense(keras, 1, None, name="size")(x)]
    return keras.Model(inputs, outputs)


def test_two_outputs_say_all_that_they_need(keras, save):
    file = save(two_outputs(keras), loss=["sparse_categorical_crossentropy", "mse"])
    assert "--target-variance" in run("suggest", file).output
    checked = run("check", file).output
    assert "--train-loss LOSS --val-loss LOSS --target-variance VARIANCE" in checked
    facts = {**LOSSES, "target_variance": 1.0}
    applied(file, **facts)
    assert audited(file, **facts).proposal.decision == "add"


def mlp(keras, strength=None):
    return keras.Sequential(
        [
            keras.layers.Input((400,)),
            dense(keras, 300, strength=strength, name="hidden"),
            dense(keras, 10, "softmax", strength, name="out"),
        ]
    )


def test_a_strength_is_no_cure_of_what_it_leaves(keras, save):
    decay = keras.optimizers.Lion(1e-4, weight_decay=0.1)
    file = save(mlp(keras, 0.05), decay, steps=200)
    report = audited(file)
    assert places(report, "REG202")["hidden/kernel"].suggestion is not None
    twice = places(report, "REG303")["hidden/kernel"]
    assert twice.suggestion is None
    assert "does not end this fault" in twice.no_suggestion
    _, after = applied(file)
    left = places(after, "REG303")["hidden/kernel"]
    assert "keep the penalty, and compile without a weight decay" in left.no_suggestion


def test_no_place_of_too_much_is_told_to_add(keras, save):
    model = keras.Sequential(
        [
            keras.layers.Input((400,)),
            dense(keras, 8, strength=0.01, name="small"),
            dense(keras, 300, name="middle"),
            dense(keras, 300, strength=0.03, name="large"),
            dense(keras, 10, "softmax", name="out"),
        ]
    )
    report = audited(save(model), train_loss=0.01, val_loss=2.0)
    small = report.proposal.of("small/kernel")
    assert small.after > small.before
    item = places(report, "REG203")["small/kernel"]
    assert item.suggestion is None
    assert "does not end this fault" in item.no_suggestion


@pytest.mark.parametrize("steps", [2, 50, 20_000])
def test_a_decay_that_is_proposed_acts(keras, save, steps):
    file = save(mlp(keras, 1e-4), steps=steps)
    proposal = regaudit.suggest(audited(file), aim="adamw")
    if steps == 2:
        assert proposal.edits == ()
        assert "none acts in 2 steps" in proposal.verdict
        return
    out = file.with_name("adamw.keras")
    regaudit.apply(file, proposal.edits, out)
    after = audited(out)
    assert not places(after, "REG304")
    assert not grave(after)


def test_a_dtype_that_takes_no_penalty_says_what_to_do(keras, save):
    keras.config.set_dtype_policy("float16")
    try:
        file = save(mlp(keras))
    finally:
        keras.config.set_dtype_policy("float32")
    item = places(audited(file, **LOSSES), "REG101")["hidden/kernel"]
    assert item.suggestion is None
    assert "use dropout or weight decay" in item.no_suggestion
    suggested = run("suggest", file, *options(**LOSSES)).output
    assert "use dropout or weight decay" in " ".join(suggested.split())


def test_a_regression_that_does_not_overfit_needs_no_variance(keras, save):
    layers = [keras.layers.Input((400,)), dense(keras, 300), dense(keras, 1, None)]
    file = save(keras.Sequential(layers), loss="mse")
    facts = {"train_loss": 0.4, "val_loss": 0.39}
    assert "does not overfit" in run("suggest", file, *options(**facts)).output
    assert run("check", file, *options(**facts)).exit_code == 0


def test_a_start_is_not_handed_on_to_what_a_normalization_rescales(keras, save):
    model = keras.Sequential(
        [
            keras.layers.Input((400,)),
            dense(keras, 300, None, use_bias=False, name="rescaled"),
            keras.layers.BatchNormalization(),
            dense(keras, 10, "softmax", name="out"),
        ]
    )
    report = audited(save(model))
    assert {change.layer for change in report.proposal.changes} == {"out"}
    assert report.proposal.after < 0.1 * np.log(10)
