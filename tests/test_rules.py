"""The rules: each is what its name says, documented, and right about its own examples."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

import regaudit
import regaudit.rules
from regaudit import registry
from regaudit.finding import Severity
from regaudit.keras_layers import last_axis
from regaudit.measures import Moments
from regaudit.model import Layer, Model, Node, Optimizer, Regularizer, Status, Weight
from regaudit.rule import Evidence
from regaudit.rules.reg101_large_layer_unregularized import LargeLayerUnregularized
from regaudit.rules.reg402_dead_units import DeadUnits

EXAMPLES = Path(__file__).parents[1] / "fixtures" / "rules"
RULES = registry.rules()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.about.code)
class TestEveryRule:
    def test_file_class_code_and_name_agree(self, rule):
        about = rule.about
        module = rule.__module__.rpartition(".")[2]
        assert module == f"{about.code.lower()}_{about.name.replace('-', '_')}"
        assert rule.__name__.lower() == about.name.replace("-", "")
        assert re.fullmatch(r"REG\d{3}", about.code)

    def test_is_documented(self, rule):
        about = rule.about
        for text in (about.title, about.rationale, about.source, about.fix, about.false_positives):
            assert len(text) > 15
        assert about.confidence in {"high", "medium", "low"}
        assert all(field.default is not None for field in fields(rule))

    def test_fires_on_its_bad_example_and_is_silent_on_its_good_one(self, rule):
        code = rule.about.code
        bad = regaudit.audit(EXAMPLES / code / "bad.keras")
        good = regaudit.audit(EXAMPLES / code / "good.keras")
        assert code in {finding.code for finding in bad.findings}
        assert good.failure is None
        assert not good.findings

    def test_says_no_more_than_its_own_fault_of_its_bad_example(self, rule):
        bad = regaudit.audit(EXAMPLES / rule.about.code / "bad.keras")
        assert {finding.code for finding in bad.findings} == {rule.about.code}


def test_a_rule_is_added_by_one_file(tmp_path, monkeypatch):
    (tmp_path / "reg999_test_rule.py").write_text(
        Path(registry.__file__)
        .with_name("rules")
        .joinpath("reg401_nonfinite_weight.py")
        .read_text()
        .replace("REG401", "REG999")
    )
    monkeypatch.setattr(regaudit.rules, "__path__", [*regaudit.rules.__path__, str(tmp_path)])
    registry.rules.cache_clear()
    try:
        assert "REG999" in {rule.about.code for rule in registry.rules()}
    finally:
        monkeypatch.undo()
        registry.rules.cache_clear()


# The rules on values -----------------------------------------------------------------------------


def kernel(path, shape=(1000, 1000), **changes):
    weight = Weight(
        f"{path}/kernel",
        f"layers/{path}/vars/0",
        "kernel",
        shape,
        "float32",
        trainable=True,
        regularizer_key="kernel_regularizer",
        units=last_axis(shape, {}),
    )
    return replace(weight, **changes)


def layer(path, class_name="Dense", weights=(), **config):
    return Layer(path, path, class_name, config, trainable=True, weights=weights, node=path)


def moments(weight, dead=0):
    units = weight.units.units if weight.units else None
    return Moments(weight.size, 0, 0, 0, 1e-5, 100.0, 10.0, 1.0, 0.0, 0.1, units, dead)


def evidence(*layers, optimizer=None, loss="categorical_crossentropy", dead=0):
    """Return a chain of layers with made-up numbers."""
    nodes = tuple(
        Node(one.path, one.class_name, (layers[n - 1].path,) if n else ())
        for n, one in enumerate(layers)
    )
    model = Model(
        "m",
        "Sequential",
        layers,
        optimizer=optimizer,
        loss=loss,
        nodes=nodes,
        outputs=(layers[-1].path,),
    )
    return Evidence(model, {w.stored_path: moments(w, dead) for _, w in model.weights()})


def severities(found):
    return [finding.severity for finding in found]


class TestLargeLayerUnregularized:
    check = staticmethod(lambda found: list(LargeLayerUnregularized().check(found)))
    big = layer("big", weights=(kernel("big"),))
    out = layer("out", units=10)

    def test_nothing_instead_is_an_error(self):
        assert severities(self.check(evidence(self.big, self.out))) == [Severity.ERROR]

    @pytest.mark.parametrize(
        "around",
        [
            (layer("d", "Dropout"), big, out),
            (big, layer("d", "Dropout"), out),
            (big, layer("a", "Activation"), layer("n", "LayerNormalization"), out),
            (layer("n", "GaussianNoise"), layer("f", "Flatten"), big, out),
        ],
    )
    def test_dropout_noise_or_normalization_beside_it_make_it_a_warning(self, around):
        (finding,) = self.check(evidence(*around))
        assert finding.severity is Severity.WARNING
        assert len(finding.evidence) == 1

    def test_dropout_beyond_another_weight_does_not_count(self):
        other = layer("other", weights=(kernel("other", (3, 3)),))
        found = self.check(evidence(self.big, other, layer("d", "Dropout"), self.out))
        assert severities(found) == [Severity.ERROR]

    def test_a_constraint_makes_it_a_warning(self):
        held = layer("big", weights=(kernel("big", constraint="MaxNorm"),))
        assert severities(self.check(evidence(held, self.out))) == [Severity.WARNING]

    @pytest.mark.parametrize(("steps", "severity"), [(10, Severity.ERROR), (9_000, Severity.NOTE)])
    def test_weight_decay_counts_once_it_has_had_effect(self, steps, severity):
        settings = {"learning_rate": 1e-3, "weight_decay": 4e-3}
        optimizer = Optimizer("AdamW", settings, steps)
        assert severities(self.check(evidence(self.big, self.out, optimizer=optimizer))) == [
            severity
        ]

    @pytest.mark.parametrize(
        "weight",
        [
            kernel("big", (10, 10)),
            kernel("big", trainable=False),
            kernel("big", role="bias"),
            kernel("big", shared_with="other/kernel"),
            kernel("big", regularizer=Regularizer("L2", 0.0, 0.1, {}, Status.IN_FORCE)),
            kernel("big", regularizer=Regularizer("my>Own", None, None, {}, Status.OPAQUE)),
        ],
    )
    def test_small_frozen_shared_or_regularized_weights_pass(self, weight):
        assert not self.check(evidence(layer("big", weights=(weight,)), self.out))

    def test_the_models_own_strength_is_suggested_first(self):
        own = Regularizer("L2", 0.0, 3e-4, {}, Status.IN_FORCE)
        peer = layer("peer", weights=(kernel("peer", regularizer=own),))
        (finding,) = self.check(evidence(self.big, peer, self.out))
        assert finding.suggestion.code == "kernel_regularizer=keras.regularizers.L2(0.0003)"
        assert finding.suggestion.penalty == pytest.approx(3e-4 * 100)

    def test_the_budget_rule_is_suggested_otherwise(self):
        (finding,) = self.check(evidence(self.big, self.out))
        # 0.05 ln 10 / 10^2 = 0.00115, rounded to 0.001
        assert finding.suggestion.code == "kernel_regularizer=keras.regularizers.L2(0.001)"
        assert "ln 10" in finding.suggestion.reason

    def test_no_strength_is_invented_for_an_unknown_loss(self):
        (finding,) = self.check(evidence(self.big, self.out, loss="my_own_loss"))
        assert finding.suggestion is None


class TestDeadUnits:
    def test_small_layers_and_few_dead_units_pass(self):
        small = layer("small", weights=(kernel("small", (10, 15)),))
        large = layer("large", weights=(kernel("large", (10, 100)),))
        assert not list(DeadUnits().check(evidence(small, dead=15)))
        assert not list(DeadUnits().check(evidence(large, dead=4)))
        assert list(DeadUnits().check(evidence(large, dead=5)))

    def test_says_what_pruning_would_save(self):
        bias = Weight("l/bias", "layers/l/vars/1", "bias", (100,), "float32", trainable=True)
        (finding,) = DeadUnits().check(
            evidence(layer("l", weights=(kernel("l", (10, 100)), bias)), dead=20)
        )
        assert finding.observed["parameters"] == 20 * (10 + 1)
