"""Effective units are what NumPy counts in the weights of real Keras models."""

import numpy as np
import pytest

import regaudit

keras = pytest.importorskip("keras")
pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

UNITS = 40


def squares(values, axis):
    others = tuple(other for other in range(values.ndim) if other != axis % values.ndim)
    return np.square(values.astype(np.float64)).sum(axis=others)


def fewest(carried):
    """Return how many carry 99 %, counted one by one."""
    count, left = 0, carried.sum()
    for one in sorted(carried, reverse=True):
        if left <= 0.01 * carried.sum():
            break
        count, left = count + 1, left - one
    return count


def dense(layers):
    chain = [layers.Dense(UNITS, name="cut"), layers.ReLU(), layers.Dropout(0.1), layers.Dense(4)]
    return (6,), chain, lambda cut, read: squares(cut[0], 1) * squares(read[0], 0)


def flattened(layers):
    chain = [layers.Conv2D(UNITS, 3, name="cut"), layers.Flatten(), layers.Dense(4)]

    def carried(cut, read):
        by_position = read[0].reshape(-1, UNITS, 4)
        return squares(cut[0], 3) * squares(by_position, 1)

    return (6, 6, 2), chain, carried


def normalized(layers):
    chain = [
        layers.Conv2D(UNITS, 3, use_bias=False, name="cut"),
        layers.BatchNormalization(name="between"),
        layers.ReLU(),
        layers.Conv2D(4, 2),
    ]
    return (8, 8, 3), chain, lambda _, read, between: np.square(between[0]) * squares(read[0], 2)


def depthwise(layers):
    chain = [
        layers.Conv2D(UNITS, 1, name="cut"),
        layers.DepthwiseConv2D(3, name="between"),
        layers.Conv2D(4, 1),
    ]

    def carried(cut, read, between):
        return squares(cut[0], 3) * squares(between[0], 2) * squares(read[0], 2)

    return (8, 8, 3), chain, carried


def rectified(layers):
    chain = [
        layers.Conv2D(UNITS, 1, name="cut"),
        layers.PReLU(shared_axes=[1, 2]),
        layers.Conv2D(4, 1),
    ]
    return (8, 8, 3), chain, lambda cut, read: squares(cut[0], 3) * squares(read[0], 2)


def transposed(layers):
    chain = [layers.Conv1DTranspose(UNITS, 2, name="cut"), layers.Conv1DTranspose(4, 2)]
    return (8, 3), chain, lambda cut, read: squares(cut[0], 1) * squares(read[0], 2)


def recurrent(layers):
    chain = [layers.LSTM(UNITS, return_sequences=True, name="cut"), layers.GRU(4)]

    def carried(cut, read):
        into = sum(squares(one.reshape(len(one), 4, UNITS), 2) for one in cut[:2])
        return into * (squares(cut[1], 0) + squares(read[0], 0))

    return (5, 3), chain, carried


def both_directions(layers):
    chain = [
        layers.Conv1D(UNITS, 2, name="cut"),
        layers.Bidirectional(layers.SimpleRNN(3)),
    ]
    return (
        (5, 3),
        chain,
        lambda cut, read: squares(cut[0], 2) * (squares(read[0], 0) + squares(read[3], 0)),
    )


def unknown_reader(layers):
    chain = [layers.Conv1D(UNITS, 2, name="cut"), layers.LayerNormalization(), layers.Dense(3)]
    return (5, 3), chain, lambda cut, _: np.square(squares(cut[0], 2))


CHAINS = [
    dense,
    flattened,
    normalized,
    depthwise,
    rectified,
    transposed,
    recurrent,
    both_directions,
    unknown_reader,
]


@pytest.mark.parametrize("chain", CHAINS)
def test_weights_in_and_out_are_taken_together(chain, tmp_path):
    shape, layers, carried = chain(keras.layers)
    model = keras.Sequential([keras.Input(shape), *layers])
    generator = np.random.default_rng(0)
    for layer in model.layers:  # units as unlike as can be, in both halves
        values = [generator.normal(size=one.shape) for one in layer.get_weights()]
        layer.set_weights([one * np.exp(2 * generator.normal(size=one.shape)) for one in values])
    model.save(tmp_path / "model.keras")
    report = regaudit.audit(tmp_path / "model.keras")
    kernel = next(one for _, one in report.model.weights() if one.path.startswith("cut/"))
    names = [one.name for one in model.layers]
    between = [model.get_layer("between").get_weights()] if "between" in names else []
    cut = model.get_layer("cut").get_weights()
    expected = fewest(np.sqrt(carried(cut, model.layers[-1].get_weights(), *between)))
    assert 1 < expected < UNITS
    assert report.moments[kernel.stored_path].effective_units == expected


def test_a_layer_whose_units_are_there_and_do_nothing_is_found(tmp_path):
    """A regressor under L1 and Adam: no unit is dead, no value zero, and most can be silenced."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64 * 200, 64)).astype(np.float32)
    y = x[:, 0] - 0.5 * x[:, 1]
    l1 = keras.regularizers.L1(0.001)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(512, "relu", kernel_regularizer=l1, name="hidden"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", steps_per_execution=50)
    model.fit(x, y, batch_size=64, epochs=8, verbose=0)
    model.save(tmp_path / "model.keras")
    report = regaudit.audit(tmp_path / "model.keras")
    found = report.moments[report.model.layers[0].weights[0].stored_path]
    assert (found.sparsity, found.dead_units, found.units) == (0.0, 0, 512)
    assert found.small_share > 0.9
    assert found.effective_units < 200
    (fault,) = (one for one in report.findings if one.code == "REG402")
    (place,) = fault.items
    assert f"{found.effective_units} of 512 units are effective" in place.message
    assert "L1 penalty may be too strong" in place.message

    hidden, out = model.layers
    norms = [np.sqrt(squares(hidden.kernel.numpy(), 1)), np.sqrt(squares(out.kernel.numpy(), 0))]
    silenced = np.argsort(norms[0] * norms[1])[: 512 - found.effective_units]
    before = model.predict(x[:2000], verbose=0)
    kernel = out.kernel.numpy()
    kernel[silenced] = 0.0
    out.kernel.assign(kernel)
    moved = model.predict(x[:2000], verbose=0) - before
    assert moved.std() < 0.02 * before.std()
