import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.model import Status
from regaudit.rules.reg309_norm_scale_regularized import NormScaleRegularized


def check(role, regularizer):
    key = f"{role}_regularizer"
    weight = kernel("n", (8,), role=role, regularizer_key=key, regularizer=regularizer)
    one = layer("n", "BatchNormalization", (weight,))
    return list(NormScaleRegularized().check(evidence(one)))


class TestNormScaleRegularized:
    @pytest.mark.parametrize("role", ["gamma", "beta"])
    def test_l2_is_named_with_how_to_drop_it(self, role):
        (item,) = check(role, l2())
        assert role in item.message
        assert item.suggestion.code == f"{role}_regularizer=None"

    def test_a_pure_l1_on_gamma_is_network_slimming(self):
        assert not check("gamma", l2(0.0, l1=1e-4))
        assert check("gamma", l2(1e-4, l1=1e-4))
        assert check("beta", l2(0.0, l1=1e-4))

    def test_free_and_frozen_ones_pass(self):
        assert not check("gamma", None)
        assert not check("gamma", l2(status=Status.FROZEN))
        assert not check("alpha", l2())
