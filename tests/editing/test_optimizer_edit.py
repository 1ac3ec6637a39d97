"""Adam made into AdamW: which decay stands for which L2, and where Keras keeps it."""

from copy import deepcopy

import numpy as np
import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.editing.optimizer_edit import to_adamw, with_decay
from regaudit.errors import RefusedEditError, UsageError
from regaudit.model import Status
from regaudit.report.proposal import Edit

VALUE = {"class_name": "AdamW", "weight_decay": 0.02}


def dense(path, regularizer, shape=(10, 10), **changes):
    return layer(path, weights=(kernel(path, shape, regularizer=regularizer, **changes),))


def edits(*layers):
    return to_adamw(evidence(*layers).model)


def adam(name="Adam", **config):
    return {
        "module": "keras.optimizers",
        "class_name": name,
        "config": {"learning_rate": 1e-3, "weight_decay": None, **config},
        "registered_name": None,
    }


def model(optimizer):
    config = {"class_name": "Sequential", "config": {}}
    return {"config.json": {**config, "compile_config": {"optimizer": optimizer}}}


class TestToAdamw:
    def test_the_decay_is_twice_the_strength(self):
        """The gradient of s w^2 is 2 s w, and of decay w it is decay w."""
        assert edits(dense("a", l2(1e-3))) == (
            Edit("a", "kernel_regularizer", None),
            Edit("", "optimizer", {"class_name": "AdamW", "weight_decay": 2e-3}),
        )

    def test_several_strengths_become_their_mean_by_parameters(self):
        *_, last = edits(dense("a", l2(1e-3), (10, 10)), dense("b", l2(4e-3), (10, 20)))
        assert last.value["weight_decay"] == pytest.approx(2 * (1e-3 + 2 * 4e-3) / 3)

    @pytest.mark.parametrize(
        ("regularizer", "changes"),
        [
            (None, {}),
            (l2(0.0, l1=1e-3), {}),
            (l2(1e-3, l1=1e-3), {}),
            (l2(-1e-3), {}),
            (l2(1e-3, status=Status.FROZEN), {}),
            (l2(1e-3, status=Status.OPAQUE), {}),
            (l2(1e-3), {"role": "bias"}),
            (l2(1e-3), {"regularizer_key": None}),
            (l2(1e-3), {"shape": (0, 10)}),
        ],
    )
    def test_other_regularizers_stay(self, regularizer, changes):
        other = dense("other", regularizer, **changes)
        assert {edit.layer for edit in edits(other, dense("a", l2(1e-3)))} == {"a", ""}
        with pytest.raises(RefusedEditError, match="no kernel has an L2"):
            edits(other)


class TestWithDecay:
    def test_the_class_and_the_decay_change_and_nothing_else(self):
        before = model(adam())
        kept = deepcopy(before)
        after = with_decay(before, VALUE)
        assert before == kept
        names = {"class_name": "AdamW", "registered_name": "AdamW"}
        assert after == model({**adam(weight_decay=0.02), **names})

    @pytest.mark.parametrize("name", ["Adam", "AdamW", "Custom>Adam"])
    def test_names_of_every_keras(self, name):
        after = with_decay(model(adam(name)), VALUE)["config.json"]["compile_config"]["optimizer"]
        assert after["class_name"] == name.replace("AdamW", "Adam").replace("Adam", "AdamW")

    def test_inside_an_optimizer_that_scales_the_loss(self):
        outer = {"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": adam()}}
        after = with_decay(model(outer), VALUE)["config.json"]["compile_config"]["optimizer"]
        assert after["class_name"] == "LossScaleOptimizer"
        assert after["config"]["inner_optimizer"]["config"]["weight_decay"] == 0.02

    def test_of_a_legacy_file(self):
        documents = {"model_config": {}, "training_config": {"optimizer_config": adam()}}
        after = with_decay(documents, VALUE)["training_config"]["optimizer_config"]
        assert (after["class_name"], after["config"]["weight_decay"]) == ("AdamW", 0.02)

    @pytest.mark.parametrize(
        ("documents", "said"),
        [
            ({"config.json": {}}, "saved without its optimizer"),
            ({"config.json": {"compile_config": None}}, "saved without its optimizer"),
            ({"config.json": {"compile_config": {"optimizer": "adam"}}}, "without its optimizer"),
            (model({"class_name": "Adam", "config": 3}), "without its optimizer"),
            (model(adam("SGD")), "its optimizer is SGD"),
            (model(adam("my>Adam")), "its optimizer is my>Adam"),
            (model({"class_name": "Adam", "config": {"lr": 1}}), "has no weight decay"),
            (model(adam(weight_decay=0.004)), "already has a weight decay: 0.004"),
        ],
    )
    def test_what_cannot_take_it_is_refused(self, documents, said):
        with pytest.raises(RefusedEditError, match=said):
            with_decay(documents, VALUE)

    @pytest.mark.parametrize("decay", [0, -0.1, 100.1, float("nan"), "0.1", True, None, [0.1]])
    def test_decays_that_make_no_sense(self, decay):
        with pytest.raises(UsageError, match="a weight decay is a number above 0 and up to 100"):
            with_decay(model(adam()), {**VALUE, "weight_decay": decay})

    @pytest.mark.parametrize(
        "value", [None, {}, {"class_name": "SGD", "weight_decay": 0.1}, {**VALUE, "clipnorm": 1.0}]
    )
    def test_other_edits_of_an_optimizer(self, value):
        with pytest.raises(UsageError, match="names the class AdamW"):
            with_decay(model(adam()), value)

    @pytest.mark.parametrize("decay", [1e-9, 100])
    def test_the_ends_of_what_makes_sense(self, decay):
        assert with_decay(model(adam()), {**VALUE, "weight_decay": decay})


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_with_sgd_the_decay_moves_weights_as_the_penalty_did(keras):
    """What is exact for SGD, on which the factor of two rests."""

    def step(strength, decay):
        dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")
        dense.kernel_regularizer = keras.regularizers.L2(strength) if strength else None
        model = keras.Sequential([keras.Input((3,)), dense])
        model.compile(keras.optimizers.SGD(0.1, weight_decay=decay), "mse")
        model.fit(np.zeros((4, 3)), np.zeros((4, 2)), batch_size=4, verbose=0)
        return dense.kernel.numpy()

    *_, edit = edits(dense("a", l2(0.03)))
    by_decay = step(None, edit.value["weight_decay"])
    assert by_decay == pytest.approx(step(0.03, None), rel=1e-6)
    assert by_decay.max() < 1.0


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_keras_reads_it_as_adamw(keras):
    stored = keras.optimizers.serialize(keras.optimizers.Adam(0.002, beta_1=0.8))
    after = with_decay(model(stored), VALUE)["config.json"]["compile_config"]["optimizer"]
    read = keras.optimizers.deserialize(after)
    assert type(read) is keras.optimizers.AdamW
    assert read.weight_decay == 0.02
    assert (read.beta_1, float(read.learning_rate)) == (0.8, pytest.approx(0.002))
