"""Activity regularizers that no call applies, and those of cells, held against Keras."""

import numpy as np
import pytest

import regaudit
from regaudit.model import Status

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]


def activity(model, folder):
    file = folder / "model.keras"
    model.save(file)
    report = regaudit.audit(file)
    found = [one.activity_regularizer for one in report.model.layers if one.activity_regularizer]
    return found[0], {finding.code for finding in report.findings}


@pytest.mark.parametrize("kind", ["dense", "regularization", "rnn", "wrapper", "model"])
def test_time_distributed_applies_that_of_layers_in_a_model_only(tmp_path, kind):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    l1 = keras.regularizers.L1(0.1)
    dense = layers.Dense(2, activity_regularizer=l1)
    inner = {
        "dense": dense,
        "regularization": layers.ActivityRegularization(l1=0.1),
        "rnn": layers.LSTM(2, activity_regularizer=l1),
        "wrapper": layers.SpectralNormalization(layers.Dense(2), activity_regularizer=l1),
        "model": keras.Sequential([keras.Input((4,)), dense]),
    }[kind]
    shape = (3, 5, 4) if kind == "rnn" else (3, 4)
    model = keras.Sequential([keras.Input(shape), layers.TimeDistributed(inner)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    penalty = model.evaluate(x, model.predict(x, verbose=0), verbose=0)
    regularizer, codes = activity(model, tmp_path)
    acts = kind == "model"
    assert (penalty > 0) is acts
    assert (regularizer.status is Status.IN_FORCE) is acts
    assert ("REG103" in codes) is not acts


@pytest.mark.parametrize("stacked", [False, True])
def test_that_of_a_cell_cannot_be_trained(tmp_path, stacked):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    cell = layers.LSTMCell(2, activity_regularizer=keras.regularizers.L1(0.1))
    cell = layers.StackedRNNCells([cell]) if stacked else cell
    model = keras.Sequential([keras.Input((3, 4)), layers.RNN(cell)])
    model.compile("sgd", "mse")
    with pytest.raises(Exception):  # noqa: B017, PT011 - TensorFlow's own
        model.evaluate(np.ones((2, 3, 4)), np.ones((2, 2)), verbose=0)
    regularizer, codes = activity(model, tmp_path)
    assert regularizer.status is Status.UNKNOWN
    assert "REG321" in codes
    assert np.isfinite(model.predict(np.ones((2, 3, 4)), verbose=0)).all()


def test_that_of_an_unrolled_cell_is_in_force(tmp_path):
    keras = pytest.importorskip("keras")
    cell = keras.layers.LSTMCell(2, activity_regularizer=keras.regularizers.L1(0.1))
    model = keras.Sequential([keras.Input((3, 4)), keras.layers.RNN(cell, unroll=True)])
    model.compile("sgd", "mse")
    x = np.ones((2, 3, 4))
    assert model.evaluate(x, model.predict(x, verbose=0), verbose=0) > 0
    regularizer, codes = activity(model, tmp_path)
    assert regularizer.status is Status.IN_FORCE
    assert "REG321" not in codes
