"""Whose decay acts on a weight: optimizers beside and inside each other, known and not known."""

import json

import pytest
from paths import FIXTURES
from rule_values import adam, evidence, kernel, l2, layer

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.optimizer_state import Training
from regaudit.evidence.trainers import Trainers, as_glob
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.read_optimizer import read_optimizer, read_parts
from regaudit.model import Optimizer, Part
from regaudit.rules.reg101_large_layer_unregularized import LargeLayerUnregularized
from regaudit.rules.reg303_decayed_twice import DecayedTwice
from regaudit.rules.reg304_weight_decay_inert import WeightDecayInert
from regaudit.rules.reg305_weight_decay_too_strong import WeightDecayTooStrong
from regaudit.rules.reg306_adaptive_optimizer_with_l2 import AdaptiveOptimizerWithL2
from regaudit.rules.reg307_decay_reaches_norms_and_biases import DecayReachesNormsAndBiases

KERAS_2 = Dialect((2, 15, 0))
SGDW = {
    "class_name": "Addons>SGDW",
    "config": {"name": "SGDW", "learning_rate": 0.01, "weight_decay": 0.05},
}
"""As TensorFlow Addons 0.23 writes it into an HDF5 file of TensorFlow 2.15."""
ADAMW = {
    "module": "tensorflow_addons.optimizers.weight_decay_optimizers",
    "class_name": "AdamW",
    "config": {"name": "AdamW", "learning_rate": 0.001, "weight_decay": 0.05},
    "registered_name": "Addons>AdamW",
}
"""The same in a `.keras` archive, and inside others."""


def inside(name, inner, **config):
    return {"class_name": name, "config": {"name": "x", "optimizer": inner, **config}}


def own(**config):
    return {"class_name": "AdamW", "module": "mine", "registered_name": "AdamW", "config": config}


def with_model(found, **changes):
    fields = {name: getattr(found.model, name) for name in found.model.__slots__}
    return Evidence(type(found.model)(**fields | changes), found.moments, found.penalties)


class TestRead:
    @pytest.mark.parametrize(
        ("stored", "class_name", "scales"),
        [
            (SGDW, "Addons>SGDW", False),
            (ADAMW, "Addons>AdamW", False),
            ({**SGDW, "class_name": "OptimizerWithDecoupledWeightDecay"}, None, False),
            ({**SGDW, "class_name": "Addons>RectifiedAdam"}, "Addons>RectifiedAdam", None),
            ({**SGDW, "class_name": "Custom>AdamW"}, "AdamW", True),
            ({**SGDW, "class_name": "adamw"}, "AdamW", True),
            (own(learning_rate=0.01, weight_decay=0.05), "mine>AdamW", None),
            (inside("Addons>Lookahead", ADAMW, sync_period=6), "Addons>AdamW", None),
            (inside("Addons>SWA", SGDW), "Addons>SGDW", False),
            (inside("Addons>MovingAverage", ADAMW), "Addons>AdamW", False),
            (inside("Collects", inside("Addons>SWA", ADAMW)), "Addons>AdamW", None),
            (
                {"class_name": "LossScaleOptimizerV3", "config": {"inner_optimizer": SGDW}},
                None,
                False,
            ),
        ],
    )
    def test_the_decay_is_that_of_the_one_that_trains(self, stored, class_name, scales):
        found = read_optimizer(stored, KERAS_2, 10)
        assert found.class_name == (class_name or found.class_name)
        assert (found.weight_decay, found.decay_known) == (0.05, True)
        assert found.scales_decay is scales

    @pytest.mark.parametrize(
        ("stored", "known"),
        [
            ({"class_name": "Adam", "config": {"learning_rate": 0.1, "decay": 0.0}}, True),
            ({"class_name": "Adam", "config": {"lr": 0.1}}, True),
            ({"class_name": "Adam", "config": {}}, True),
            ({"class_name": "Mine", "config": {"learning_rate": 0.1}}, False),
            ({"class_name": "Mine", "config": {"weight_decay_rate": 0.1}}, False),
            ({"class_name": "Mine", "config": {"weight_decay": None}}, True),
            ({"class_name": "Addons>LazyAdam", "config": {"learning_rate": 0.1}}, True),
            ({"class_name": "Ftrl", "config": {"l2_regularization_strength": 0.1}}, False),
            (inside("Mine", {"class_name": "Adam", "config": {"learning_rate": 0.1}}), False),
            (inside("Addons>SWA", {"class_name": "Adam", "config": {"lr": 0.1}}), True),
            ("adam", True),
            ("mine", False),
            ({**SGDW, "config": {"weight_decay": {"class_name": "CosineDecay"}}}, False),
        ],
    )
    def test_what_is_not_told_is_not_none(self, stored, known):
        found = read_optimizer(stored, KERAS_2)
        assert (found.weight_decay, found.decay_known) == (None, known)

    def test_without_a_version_a_name_has_no_defaults(self):
        found = read_optimizer("adamw", None)
        assert (found.class_name, found.learning_rate, found.decay_known) == ("AdamW", None, False)

    def test_the_rate_of_the_state_goes_before_the_default(self):
        assert read_optimizer("sgd", Dialect((3, 0, 5)), rate=0.5).learning_rate == 0.5

    @pytest.mark.parametrize("value", [None, "", 3, [], {}, ["adam", "sgd"], {"class_name": 3}])
    def test_anything_else_is_no_optimizer(self, value):
        assert read_optimizer(value, KERAS_2) is None

    def test_optimizers_nested_without_end_are_not_known(self):
        stored = SGDW
        for _ in range(50):
            stored = inside("Mine", stored)
        assert not read_optimizer(stored, KERAS_2).decay_known


class TestAddons:
    def test_ten_steps_take_off_40_percent(self):
        """Measured with TensorFlow Addons 0.23: ten steps without a gradient make 0.599 of 1."""
        training = Training.of(read_optimizer(SGDW, KERAS_2, 10))
        assert (1 - training.share) ** 10 == pytest.approx(0.599, abs=1e-3)
        found = evidence(layer("a", weights=(kernel("a"),)))
        found = with_model(found, optimizer=read_optimizer(SGDW, KERAS_2, 10))
        assert not list(WeightDecayInert().check(found))
        (item,) = WeightDecayTooStrong().check(found)
        assert "removes 5.00% of every weight in a step" in item.message

    def test_exclusions_are_in_the_file(self):
        stored = {**ADAMW, "config": {**ADAMW["config"], "exclude_from_weight_decay": ["b/", "x+"]}}
        a, b = (layer(name, weights=(kernel(name),)) for name in "ab")
        found = with_model(evidence(a, b), optimizer=read_optimizer(stored, KERAS_2, 10))
        assert found.training_of(b.weights[0]).weight_decay == 0
        assert not found.decay_unknown(b.weights[0])
        assert found.decay_unknown(a.weights[0])  # `x+` is an expression that is not tried

    def test_names_say_what_each_optimizer_trains(self):
        """As `MultiOptimizer` of TensorFlow Addons 0.23 writes itself."""
        sgd = {"class_name": "SGD", "config": {"learning_rate": 0.1, "decay": 0.0}}
        specs = [
            {"optimizer": sgd, "weights": ["a/kernel:0", "a/bias:0"]},
            {"optimizer": ADAMW, "weights": ["b/kernel:0", "b/bias:0"]},
        ]
        stored = {"class_name": "Addons>MultiOptimizer", "config": {"optimizer_specs": specs}}
        parts = read_parts(stored, KERAS_2, 3)
        trainers = Trainers(parts)
        assert trainers.of("a/kernel") is parts[0]
        assert trainers.of("inner/b/bias") is parts[1]
        assert trainers.of("c/kernel") is None


STORED = json.loads((FIXTURES / "optimizers.json").read_text("utf-8"))


@pytest.mark.parametrize("file", [".keras", ".h5"])
@pytest.mark.parametrize("one", STORED, ids=lambda one: f"{one['version']} {one['given']}")
def test_an_optimizer_is_what_keras_trained_with(one, file):
    """However `compile` was given it; what is not known of its decay is not taken for Keras's."""
    found = read_optimizer(one["stored"][file], Dialect.of(one["version"]), 10)
    assert found.class_name.rpartition(">")[2] == one["class"]
    assert found.learning_rate == pytest.approx(one["rate"], rel=1e-6)
    assert (found.weight_decay, found.decay_known) == (one["decay"], True)
    own = "subclass" in one["given"] or "Rectified" in one["given"]
    assert (found.scales_decay is None) == own
    if not own and one["decay"]:
        assert (1 - Training.of(found).share) ** 10 == pytest.approx(one["left"], rel=1e-5)


class TestTrainers:
    sgd, adamw, rest = (Part((p,) if p else (), adam(p)) for p in ("a/.*", "a/bias", ""))

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("a/kernel", "a/.*"),
            ("a/bias", "a/bias"),  # one that is the path goes before one that fits
            ("c/kernel", ""),
            ("model/a/kernel", None),  # with the model before it, or without it
        ],
    )
    def test_by_path_as_keras_does(self, path, found):
        part = Trainers((self.sgd, self.adamw, self.rest)).of(path)
        assert (part and part.optimizer.class_name) == found

    def test_two_that_fit_are_none(self):
        assert Trainers((self.sgd, Part((".*/kernel",), adam()), self.rest)).of("a/kernel") is None

    @pytest.mark.parametrize("pattern", ["(a|b)/.*", "[ab]/.*", r"a\.b", "a{2}", "(a+)+$", "a*"])
    def test_only_simple_expressions_are_tried(self, pattern):
        assert as_glob(pattern) is None
        assert Trainers((Part((pattern,), adam()), self.rest)).of("a/kernel") is None

    def test_no_expression_takes_for_ever(self):
        glob = as_glob(".*a" * 40 + "b")
        assert glob is not None
        trainers = Trainers((Part((".*a" * 40 + "b",), adam()), self.rest))
        assert trainers.of("a" * 5_000) is self.rest


class TestRules:
    big = layer("big", weights=(kernel("big"),))
    small = layer("out", weights=(kernel("out", regularizer=l2()),))

    def both(self):
        found = evidence(self.big, self.small)
        parts = (Part(("big/.*",), adam("AdamW", 10_000, weight_decay=0.1)), Part((), adam("SGD")))
        return with_model(found, optimizer=Optimizer("MultiOptimizer", {}, 10_000), parts=parts)

    def test_each_weight_has_the_decay_of_its_own_optimizer(self):
        (item,) = LargeLayerUnregularized().check(self.both())
        assert item.severity.name == "NOTE"
        assert not list(DecayedTwice().check(self.both()))
        assert not list(AdaptiveOptimizerWithL2().check(self.both()))
        assert not list(DecayReachesNormsAndBiases().check(self.both()))

    @pytest.mark.parametrize(
        "changes",
        [
            {"optimizer": None, "optimizer_known": False, "compiled": True},
            {"optimizer": Optimizer("Mine", {}, 10, decay_known=False), "compiled": True},
            {"inner_optimizers": {"big": None}, "compiled": True},
        ],
    )
    def test_a_lack_of_decay_that_is_not_told_is_not_judged(self, changes):
        big = layer("big/dense", weights=(kernel("big/dense"),))
        found = with_model(evidence(big, self.small), **changes)
        rule = LargeLayerUnregularized()
        assert not list(rule.check(found))
        lacking = rule.not_run(found)
        assert (lacking.layers, lacking.partly) == (("big/dense",), False)

    def test_the_others_are_judged(self):
        other = layer("other", weights=(kernel("other"),))
        found = with_model(
            evidence(layer("in/big", weights=(kernel("in/big"),)), other),
            inner_optimizers={"in": None},
        )
        rule = LargeLayerUnregularized()
        assert [item.path for item in rule.check(found)] == ["other/kernel"]
        assert (rule.not_run(found).layers, rule.not_run(found).partly) == (("in/big",), True)

    def test_a_model_that_was_not_compiled_is_judged(self):
        found = with_model(evidence(self.big), optimizer=None, compiled=False)
        assert list(LargeLayerUnregularized().check(found))
        assert LargeLayerUnregularized().not_run(found) is None

    def test_the_decay_of_a_nested_models_own_optimizer_counts(self):
        big = layer("in/big", weights=(kernel("in/big"),))
        inner = {"in": adam("AdamW", 10_000, weight_decay=0.1)}
        (item,) = LargeLayerUnregularized().check(with_model(evidence(big), inner_optimizers=inner))
        assert item.evidence == ("AdamW's weight decay of 0.1 over 10,000 steps",)
