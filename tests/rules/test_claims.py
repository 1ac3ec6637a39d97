"""What the rules claim of Keras, asked of Keras."""

import numpy as np
import pytest

import regaudit

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]


def found(model, file, code):
    """Return the places of one rule in a model."""
    model.save(file)
    report = regaudit.audit(file)
    assert report.failure is None
    places = (finding.items for finding in report.findings if finding.code == code)
    return [item.path for items in places for item in items]


def data(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def short(path):
    """Return the layer and the role alone: `deep/bias`."""
    return "/".join(path.split("/")[-2:])


def gradients(model, inputs, targets):
    """Return the largest gradient of a mean squared error, by the layer and role of the weight."""
    tensorflow = pytest.importorskip("tensorflow")
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_mean((model(inputs, training=True) - targets) ** 2)
    weights = model.trainable_weights
    return {
        short(weight.path): np.abs(gradient).max()
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True)
    }


class TestBiasBeforeBatchnorm:
    def model(self, keras):
        layers = keras.layers
        entry = layers.Input((6, 6, 3))
        x = layers.Conv2D(8, 3, padding="same", name="idle")(entry)
        x = layers.BatchNormalization()(x)
        x = layers.Conv2D(8, 3, activation="relu", name="bent")(x)
        x = layers.BatchNormalization()(x)
        inner = keras.Sequential([layers.Input((4, 4, 8)), layers.DepthwiseConv2D(3, name="deep")])
        x = layers.BatchNormalization()(inner(x))
        both = layers.Dense(8, name="both")(layers.Flatten()(x))
        x = layers.Concatenate()([layers.BatchNormalization()(both), both])
        x = layers.Dense(5, name="layered")(x)
        x = layers.LayerNormalization()(x)
        return keras.Model(entry, layers.Dense(2, name="out")(x))

    def test_the_biases_without_gradient_are_those_that_are_named(self, keras, tmp_path):
        keras.utils.set_random_seed(0)
        model = self.model(keras)
        named = found(model, tmp_path / "m.keras", "REG312")
        steps = gradients(model, data(16, 6, 6, 3), data(16, 2))
        still = {path for path, step in steps.items() if path.endswith("bias") and step < 1e-5}
        assert {short(path) for path in named} == still == {"idle/bias", "deep/bias"}


class TestL2BeforeNormalization:
    @pytest.mark.parametrize("activation", ["relu", "linear", "leaky_relu", "tanh", "gelu", "elu"])
    @pytest.mark.parametrize("norm", ["BatchNormalization", "LayerNormalization"])
    def test_it_speaks_where_scaling_the_layer_changes_nothing(
        self, keras, tmp_path, activation, norm
    ):
        layers = keras.layers
        first = layers.Dense(16, activation=activation, kernel_regularizer="l2")
        model = keras.Sequential(
            [
                layers.Input((8,)),
                first,
                getattr(layers, norm)(epsilon=1e-12),
                layers.Dense(2),
            ]
        )
        named = found(model, tmp_path / "m.keras", "REG302")
        inputs = data(32, 8)
        before = model(inputs, training=True).numpy()
        first.set_weights([3 * weight for weight in first.get_weights()])
        after = model(inputs, training=True).numpy()
        assert bool(named) is np.allclose(before, after, atol=1e-3)


class TestMaxNormAxis:
    @pytest.mark.parametrize(
        "make",
        [
            lambda layers, held: layers.Conv1D(4, 3, kernel_constraint=held),
            lambda layers, held: layers.Conv2D(4, 3, kernel_constraint=held),
            lambda layers, held: layers.Conv2DTranspose(4, 3, kernel_constraint=held),
            lambda layers, held: layers.DepthwiseConv2D(3, depthwise_constraint=held),
            lambda layers, held: layers.DepthwiseConv1D(3, depthwise_constraint=held),
            lambda layers, held: layers.Dense(4, kernel_constraint=held),
        ],
    )
    def test_the_axes_that_it_names_hold_the_weights_into_each_unit(self, keras, tmp_path, make):
        def model(axis):
            keras.utils.set_random_seed(0)
            layer = make(keras.layers, keras.constraints.UnitNorm(axis=axis))
            shape = (None, 7, 5) if "1D" in type(layer).__name__ else (None, 7, 7, 5)
            layer.build((None, 5) if isinstance(layer, keras.layers.Dense) else shape)
            return keras.Sequential([keras.Input(shape[1:]), layer]), layer

        def is_held(layer):
            """Whether every unit's input weights have the norm 1: by moving one unit alone."""
            weights = layer.kernel
            weights.assign(weights.constraint(weights))
            return np.allclose(unit_norms(layer), 1.0, atol=1e-3)

        def unit_norms(layer):
            kernel = layer.kernel.numpy()
            name = type(layer).__name__
            if "Transpose" in name:
                return np.sqrt((kernel**2).sum(axis=(0, 1, 3)))
            last = 2 if "Depthwise" in name else 1
            return np.sqrt((kernel**2).sum(axis=tuple(range(kernel.ndim - last))))

        network, layer = model(0)
        assert bool(found(network, tmp_path / "m.keras", "REG315")) is not is_held(layer)
        report = regaudit.audit(tmp_path / "m.keras")
        for finding in report.findings:
            if finding.code == "REG315":
                axes = [int(axis) for axis in finding.message.rpartition("[")[2][:-1].split(",")]
                assert is_held(model(axes)[1])


class TestEmbeddingPenalizedDensely:
    def test_rows_that_no_batch_contains_shrink(self, keras, tmp_path):
        table = keras.layers.Embedding(2_000, 51, embeddings_regularizer=keras.regularizers.L2(0.1))
        model = keras.Sequential([keras.layers.Input((3,)), table, keras.layers.Flatten()])
        assert found(model, tmp_path / "m.keras", "REG316") == ["embedding/embeddings"]
        model.compile(keras.optimizers.SGD(0.1), "mse")
        before = np.abs(table.get_weights()[0][10:]).max()
        model.fit(np.zeros((4, 3)), np.zeros((4, 153)), epochs=20, verbose=0)
        assert np.abs(table.get_weights()[0][10:]).max() < 0.7 * before


class TestRegularizerNeverApplied:
    def test_a_simple_rnn_never_applies_an_activity_regularizer(self, keras):
        layers, penalty = keras.layers, keras.regularizers.L2(0.5)
        for make, pays in ((layers.SimpleRNN, False), (layers.LSTM, True)):
            model = keras.Sequential([layers.Input((4, 3)), make(2, activity_regularizer=penalty)])
            model(data(2, 4, 3))
            assert bool(model.losses) is pays
            assert (model.layers[0].get_config()["activity_regularizer"] is not None) is pays

    def test_keys_of_weights_that_options_leave_out_cost_nothing(self, keras, tmp_path):
        layers, penalty = keras.layers, keras.regularizers.L2(0.5)
        model = keras.Sequential(
            [
                layers.Input((4, 3)),
                layers.Dense(4, use_bias=False, bias_regularizer=penalty),
                layers.LayerNormalization(scale=False, gamma_regularizer=penalty),
                layers.LayerNormalization(rms_scaling=True, beta_regularizer=penalty),
                layers.LSTM(2, use_bias=False, bias_regularizer=penalty),
                layers.EinsumDense("ab,bc->ac", 3, bias_regularizer=penalty),
            ]
        )
        model(data(2, 4, 3))
        assert not model.losses
        assert len(found(model, tmp_path / "m.keras", "REG103")) == 5


class TestDropoutBeforeBatchnorm:
    @pytest.mark.parametrize("class_name", ["Dropout", "GaussianDropout", "AlphaDropout"])
    def test_it_speaks_where_the_variance_differs_in_use(self, keras, tmp_path, class_name):
        layers = keras.layers
        noise = getattr(layers, class_name)(0.5)
        model = keras.Sequential(
            [layers.Input((64,)), noise, layers.BatchNormalization(), layers.Dense(2)]
        )
        inputs = data(4_096, 64)
        shifted = noise(inputs, training=True).numpy().var() / inputs.var()
        assert bool(found(model, tmp_path / "m.keras", "REG313")) is bool(abs(shifted - 1) > 0.3)
