from functools import partial

import pytest
import rule_values
from msgspec.structs import replace
from rule_values import adam, kernel, layer, severities

from regaudit.model import Optimizer, Regularizer, Status
from regaudit.report.severity import Severity
from regaudit.rules.reg101_large_layer_unregularized import LargeLayerUnregularized

evidence = partial(rule_values.evidence, optimizer=adam())


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

    def test_no_strength_is_invented_for_an_unknown_loss(self):
        (finding,) = self.check(evidence(self.big, self.out, loss="my_own_loss"))
        assert finding.suggestion is None

    @pytest.mark.parametrize(
        "weight", [kernel("big", regularizer_known=False), kernel("big", role="variable_0")]
    )
    def test_what_the_file_does_not_tell_is_not_bare(self, weight):
        custom = layer("big", "mine>Dense", (weight,))
        found = evidence(replace(custom, known=False), self.out)
        assert not self.check(found)

    @pytest.mark.parametrize(
        "around",
        [
            (layer("c", "mine>Noise"), big, out),
            (big, layer("c", "mine>Noise"), out),
            (layer("c", "mine>Flip"), layer("e", weights=(kernel("e", (3, 3)),)), big, out),
        ],
    )
    def test_a_custom_layer_may_be_the_dropout_or_the_augmentation(self, around):
        (finding,) = self.check(evidence(*around))
        assert finding.severity is Severity.WARNING
        assert "custom layers that may regularize it" in finding.message

    @pytest.mark.parametrize(
        ("compiled", "severity"), [(None, Severity.NOTE), (False, Severity.ERROR)]
    )
    def test_there_may_have_been_weight_decay_unless_the_model_was_not_compiled(
        self, compiled, severity
    ):
        found = evidence(self.big, self.out)
        model = replace(found.model, optimizer=None, compiled=compiled)
        (finding,) = self.check(replace(found, model=model))
        assert finding.severity is severity
        assert ("an optimizer that the file does not keep" in finding.message) is (compiled is None)

    def test_it_names_the_layers_that_it_does_not_judge(self):
        weight = kernel("mine", regularizer_known=False)
        custom = replace(layer("mine", "mine>Dense", (weight,)), known=False)
        some = LargeLayerUnregularized().not_run(evidence(custom, self.big, self.out))
        assert some.partly
        assert some.layers == ("mine",)
        assert some.needs == "the regularizers of mine, which custom code decides"
        none = LargeLayerUnregularized().not_run(evidence(custom, self.out))
        assert not none.partly
        assert LargeLayerUnregularized().not_run(evidence(self.big, self.out)) is None

    def test_it_lists_no_more_layers_than_can_be_read(self):
        weight = kernel("mine", regularizer_known=False)
        many = [replace(layer(f"c{n}", "mine>Dense", (weight,)), known=False) for n in range(101)]
        found = LargeLayerUnregularized().not_run(evidence(*many, self.big, self.out))
        assert found.needs.startswith("the regularizers of c0, c1, c2 and 98 more, ")
        assert found.layers == ()
        assert found.partly
