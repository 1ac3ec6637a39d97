import numpy as np
import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, l2, layer

import regaudit
from regaudit.evidence.evidence import Evidence
from regaudit.model import Node, Status, UnitView, Weight
from regaudit.rules.reg402_dead_units import DeadUnits
from regaudit.settings.config import Config


def vector(path, role, size, **changes):
    weight = Weight(f"{path}/{role}", f"layers/{path}/{role}", role, (size,), "float32", True)
    return replace(weight, **changes)


def norm(path, size):
    gamma = vector(path, "gamma", size, units=UnitView(1, size, 1))
    return layer(path, "BatchNormalization", (gamma, vector(path, "beta", size)))


def dense(path, inputs, units):
    return layer(path, weights=(kernel(path, (inputs, units)), vector(path, "bias", units)))


class TestDeadUnits:
    check = staticmethod(lambda found: list(DeadUnits().check(found)))

    def saved(self, *chain, dead=20, nodes=None):
        """Return the item of the first layer, of which alone some units are dead."""
        whole, no = evidence(*chain, dead=0, nodes=nodes), evidence(*chain, dead=dead, nodes=nodes)
        first = chain[0].weights[0].stored_path
        moments = {**whole.moments, first: no.moments[first]}
        (item,) = self.check(Evidence(whole.model, moments))
        return item

    def test_small_layers_and_few_dead_units_pass(self):
        small = layer("small", weights=(kernel("small", (10, 15)),))
        large = layer("large", weights=(kernel("large", (10, 100)),))
        assert not self.check(evidence(small, dead=15))
        assert not self.check(evidence(large, dead=4))
        assert self.check(evidence(large, dead=5))

    def test_layers_without_dead_units_pass_whatever_the_thresholds(self):
        large = layer("large", weights=(kernel("large", (10, 100)),))
        strict = DeadUnits(min_share=0.0, min_units=1)
        assert not list(strict.check(evidence(large, dead=0)))
        assert list(strict.check(evidence(large, dead=1)))

    def test_outputs_of_the_model_cannot_be_cut_out(self):
        item = self.saved(dense("l", 10, 100))
        assert item.observed["parameters"] == 20 * (10 + 1)
        assert "outputs of the model" in item.message

    def test_pruning_saves_the_rows_of_the_next_layer(self):
        item = self.saved(dense("l", 10, 100), layer("r", "ReLU"), dense("out", 100, 7))
        assert item.observed["parameters"] == 20 * (10 + 1 + 7)

    def test_and_the_normalization_between(self):
        item = self.saved(dense("l", 10, 100), norm("n", 100), dense("out", 100, 7))
        assert item.observed["parameters"] == 20 * (10 + 1 + 2 + 7)

    def test_and_all_rows_that_flatten_makes_of_a_channel(self):
        conv = layer("c", "Conv2D", (kernel("c", (3, 3, 4, 100)),))
        item = self.saved(conv, layer("f", "Flatten"), dense("out", 900, 7))
        assert item.observed["parameters"] == 20 * (36 + 9 * 7)

    def test_and_its_filter_in_a_depthwise_convolution(self):
        conv = layer("c", "Conv2D", (kernel("c", (3, 3, 4, 100)),))
        depthwise = layer("d", "DepthwiseConv2D", (kernel("d", (3, 3, 100, 1)),))
        after = layer("e", "Conv2D", (kernel("e", (1, 1, 100, 8)),))
        item = self.saved(conv, depthwise, after, layer("f", "Flatten"), dense("out", 8, 3))
        assert item.observed["parameters"] == 20 * (36 + 9 + 8)

    def test_units_that_feed_an_add_cannot_be_cut_out(self):
        item = self.saved(dense("l", 10, 100), layer("a", "Add"), dense("out", 100, 7))
        assert "they feed Add" in item.message
        assert item.observed["parameters"] == 20 * (10 + 1)

    def test_a_graph_that_runs_in_circles_is_left(self):
        nodes = (
            Node("l", "Dense", ()),
            Node("r", "ReLU", ("l", "s")),
            Node("s", "ReLU", ("r",)),
            Node("out", "Dense", ()),
        )
        chain = (dense("l", 10, 100), layer("r", "ReLU"), layer("s", "ReLU"), dense("out", 9, 7))
        assert "too many layers read them" in self.saved(*chain, nodes=nodes).message

    def test_units_dead_by_gamma_alone_count_once(self):
        chain = (dense("l", 10, 100), norm("n", 100), dense("out", 100, 7))
        whole, some, more = (evidence(*chain, dead=dead) for dead in (0, 10, 30))
        moments = {
            **whole.moments,
            "layers/l/vars/0": some.moments["layers/l/vars/0"],
            "layers/n/gamma": more.moments["layers/n/gamma"],
        }
        (item,) = self.check(Evidence(whole.model, moments))
        assert item.path == "l/kernel"
        assert (item.observed["dead_units"], item.observed["dead_by_gamma"]) == (30, 20)
        assert item.observed["parameters"] == 30 * (10 + 1 + 2 + 7)


def chain_of(keras, units, strength=0.0):
    """Return a network of two hidden layers whose penalties kill units."""
    made = keras.regularizers
    return keras.Sequential(
        [
            keras.layers.Input((12,)),
            keras.layers.Dense(units[0], kernel_regularizer=made.L2(strength), name="normed"),
            keras.layers.BatchNormalization(gamma_regularizer=made.L1(2 * strength), name="norm"),
            keras.layers.ReLU(),
            keras.layers.Dense(units[1], kernel_regularizer=made.L2(strength), name="plain"),
            keras.layers.ReLU(),
            keras.layers.Dense(1, name="out"),
        ]
    )


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_trained_to_death_it_counts_what_numpy_counts_through_keras(tmp_path):
    keras = pytest.importorskip("keras")
    np = pytest.importorskip("numpy")
    keras.utils.set_random_seed(0)
    model = chain_of(keras, (48, 32), strength=0.06)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([2000, 2500], [0.1, 0.01, 1e-4])
    model.compile(keras.optimizers.SGD(rate), "mse", steps_per_execution=100)
    inputs = np.random.default_rng(0).normal(size=(64, 12)).astype("float32")
    truth = np.abs(inputs[:, :1])
    many, alike = np.tile(inputs, (100, 1)), np.tile(truth, (100, 1))
    model.fit(many, alike, batch_size=64, epochs=30, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    config = Config.default(select=["REG402"])
    report = regaudit.audit(tmp_path / "model.keras", config)
    found = {item.path: item.observed for finding in report.findings for item in finding.items}
    for path, watched, position in (("normed/kernel", "norm", 0), ("plain/kernel", "plain", 1)):
        seen = keras.Model(model.inputs, model.get_layer(watched).output)
        spread = seen.predict(many[:640], verbose=0).std(axis=0)
        dead = int((spread < 1e-3 * spread.max()).sum())
        assert 0 < dead < len(spread)
        assert found[path]["dead_units"] == dead
        units = [48, 32]
        units[position] -= dead
        saved = model.count_params() - chain_of(keras, units).count_params()
        assert found[path]["parameters"] == saved


class TestFewEffectiveUnits:
    few = {"effective_units": 40, "small_values": 9_990}  # noqa: RUF012 - never changed

    def found(self, *chain, **numbers):
        return list(DeadUnits().check(evidence(*chain, numbers={"l/kernel": self.few | numbers})))

    def penalized(self, regularizer=None, **changes):
        changes["regularizer"] = regularizer or l2(0.0, l1=0.001)
        return layer("l", weights=(kernel("l", (100, 100), **changes),))

    def test_a_penalized_layer_of_which_less_than_half_does_anything(self):
        (item,) = self.found(self.penalized())
        assert "40 of 100 units are effective (40%)" in item.message
        assert "99.9% of its values are below 0.001" in item.message
        assert "may be too strong" in item.message
        assert (item.observed["effective_units"], item.observed["dead_units"]) == (40, 0)

    def test_half_of_the_units_and_what_is_not_known_pass(self):
        assert not self.found(self.penalized(), effective_units=50)
        assert not self.found(self.penalized(), effective_units=None)

    def test_layers_without_a_penalty_in_force_pass(self):
        assert not self.found(layer("l", weights=(kernel("l", (100, 100)),)))
        assert not self.found(self.penalized(l2(status=Status.FROZEN)))

    def test_what_a_normalization_makes_large_again_passes(self):
        assert not self.found(self.penalized(), norm("n", 100))

    def test_a_layer_has_both_faults_in_one_place(self):
        (item,) = self.found(
            self.penalized(), dead_units=50, dead=np.packbits([1] * 50 + [0] * 50).tobytes()
        )
        assert item.message.startswith("50 of 100 units are dead (50%)")
        assert "40 of 100 units are effective" in item.message
