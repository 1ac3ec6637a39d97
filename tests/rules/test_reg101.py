import pytest
from rule_values import evidence, kernel, layer, severities

from regaudit.model import Optimizer, Regularizer, Status
from regaudit.report.severity import Severity
from regaudit.rules.reg101_large_layer_unregularized import LargeLayerUnregularized


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
        in_float32 = Regularizer("L2", 0.0, 3.0000001e-4, {}, Status.IN_FORCE)
        other = layer("other", weights=(kernel("other", regularizer=in_float32),))
        (finding,) = self.check(evidence(self.big, peer, other, self.out))
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
