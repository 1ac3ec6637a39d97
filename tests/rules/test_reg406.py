import pytest
from msgspec.structs import replace
from rule_values import adam, evidence, kernel, l2, layer

import regaudit
from regaudit.rules.reg406_unbalanced_penalty import UnbalancedPenalty
from regaudit.settings.config import Config


def dense(path, strength=1e-4, activation="relu", **changes):
    weights = (kernel(path, regularizer=l2(strength), **changes),)
    return layer(path, weights=weights, activation=activation)


class TestUnbalancedPenalty:
    check = staticmethod(lambda found: list(UnbalancedPenalty().check(found)))

    def found(self, *between, first=None, second=None, ratio=6.0, **given):
        """Return what is found in a chain whose second kernel adds `ratio` times as much."""
        chain = (first or dense("a"), *between, second or dense("b"), layer("out"))
        penalties = {"a/kernel": 0.01, "b/kernel": 0.01 * ratio}
        return self.check(evidence(*chain, penalties=penalties, **given))

    @pytest.mark.parametrize(("ratio", "count"), [(4.9, 0), (5.1, 1), (0.21, 0), (0.19, 1)])
    def test_neighbours_may_differ_by_a_factor_of_five(self, ratio, count):
        assert len(self.found(ratio=ratio)) == count

    def test_the_larger_penalty_is_named(self):
        (item,) = self.found()
        assert item.path == "b/kernel"
        assert item.observed["ratio"] == pytest.approx(6)

    @pytest.mark.parametrize(
        "between",
        [
            layer("x", "ReLU"),
            layer("x", "Dropout", rate=0.5),
            layer("x", "Flatten"),
            layer("x", "Activation", activation="relu"),
        ],
    )
    def test_what_scales_along_is_looked_through(self, between):
        assert self.found(between)

    @pytest.mark.parametrize(
        "between",
        [
            layer("x", "BatchNormalization"),
            layer("x", "Activation", activation="tanh"),
            layer("x", "ReLU", max_value=6.0),
            layer("x", "GaussianNoise"),
            layer("x", "my>Own"),
        ],
    )
    def test_what_does_not_scale_along_ends_the_chain(self, between):
        assert not self.found(between)

    @pytest.mark.parametrize(
        "first",
        [
            dense("a", activation="tanh"),
            dense("a", strength=2e-4),
            dense("a", constraint="MaxNorm"),
            dense("a", trainable=False),
            replace(dense("a"), class_name="LSTM"),
        ],
    )
    def test_other_activations_strengths_and_constraints_pass(self, first):
        assert not self.found(first=first)

    def test_untrained_and_collapsed_kernels_pass(self):
        assert not self.found(optimizer=adam(steps=0))
        assert not self.found(numbers={"a/kernel": {"max_abs": 9e-4}})


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_a_chain_trained_to_its_minimum_is_balanced(tmp_path):
    keras = pytest.importorskip("keras")
    np = pytest.importorskip("numpy")
    keras.utils.set_random_seed(0)
    strength = keras.regularizers.L2(0.01)
    model = keras.Sequential(
        [
            keras.layers.Input((10,)),
            keras.layers.Dense(12, activation="relu", kernel_regularizer=strength),
            keras.layers.Dense(12, activation="relu", kernel_regularizer=strength),
            keras.layers.Dense(1, kernel_regularizer=strength),
        ]
    )
    model.layers[0].kernel.assign(3 * model.layers[0].kernel)
    model.compile(keras.optimizers.SGD(0.1), "mse", steps_per_execution=100)
    inputs = np.random.default_rng(0).normal(size=(64, 10)).astype("float32")
    inputs = np.tile(inputs, (100, 1))  # an epoch of 100 steps on the same batch
    truth = np.abs(inputs[:, :1])
    config = Config.default(select=["REG406"])

    def found(epochs):
        model.fit(inputs, truth, epochs=epochs, batch_size=64, shuffle=False, verbose=0)
        model.save(tmp_path / "model.keras")
        return regaudit.audit(tmp_path / "model.keras", config).findings

    assert found(1)
    assert not found(20)
    penalties = [0.01 * float((layer.kernel.numpy() ** 2).sum()) for layer in model.layers]
    assert max(penalties) < 1.2 * min(penalties)
