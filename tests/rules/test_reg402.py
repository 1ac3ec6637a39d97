from rule_values import evidence, kernel, layer

from regaudit.model import Weight
from regaudit.rules.reg402_dead_units import DeadUnits


class TestDeadUnits:
    def test_small_layers_and_few_dead_units_pass(self):
        small = layer("small", weights=(kernel("small", (10, 15)),))
        large = layer("large", weights=(kernel("large", (10, 100)),))
        assert not list(DeadUnits().check(evidence(small, dead=15)))
        assert not list(DeadUnits().check(evidence(large, dead=4)))
        assert list(DeadUnits().check(evidence(large, dead=5)))

    def test_layers_without_dead_units_pass_whatever_the_thresholds(self):
        large = layer("large", weights=(kernel("large", (10, 100)),))
        strict = DeadUnits(min_share=0.0, min_units=1)
        assert not list(strict.check(evidence(large, dead=0)))
        assert list(strict.check(evidence(large, dead=1)))

    def test_says_what_pruning_would_save(self):
        bias = Weight("l/bias", "layers/l/vars/1", "bias", (100,), "float32", trainable=True)
        (finding,) = DeadUnits().check(
            evidence(layer("l", weights=(kernel("l", (10, 100)), bias)), dead=20)
        )
        assert finding.observed["parameters"] == 20 * (10 + 1)
