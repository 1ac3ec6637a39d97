import pytest
from rule_values import adam, evidence, kernel, l2, layer

from regaudit.rules.reg405_l1_without_sparsity import L1WithoutSparsity


def penalized(shape=(100, 100), l1=1e-4, **changes):
    return layer("d", weights=(kernel("d", shape, regularizer=l2(0.0, l1=l1), **changes),))


class TestL1WithoutSparsity:
    check = staticmethod(lambda found: list(L1WithoutSparsity().check(found)))

    @pytest.mark.parametrize(("near", "count"), [(0, 1), (99, 1), (100, 0)])
    def test_a_hundredth_near_zero_is_enough(self, near, count):
        numbers = {"d/kernel": {"near_zeros": near}}
        assert len(self.check(evidence(penalized(), numbers=numbers))) == count

    def test_small_kernels_l2_and_biases_pass(self):
        assert not self.check(evidence(penalized((15, 17))))
        assert self.check(evidence(penalized((16, 16))))
        assert not self.check(evidence(layer("d", weights=(kernel("d", regularizer=l2()),))))
        assert not self.check(evidence(penalized(role="bias")))

    def test_untrained_models_pass(self):
        assert not self.check(evidence(penalized(), optimizer=adam(steps=0)))
        assert self.check(evidence(penalized(), optimizer=adam(steps=1)))
