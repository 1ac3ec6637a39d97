import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.model import Status
from regaudit.rules.reg308_bias_regularized import BiasRegularized


def check(**changes):
    bias = kernel("l", (10,), role="bias", regularizer_key="bias_regularizer", **changes)
    return list(BiasRegularized().check(evidence(layer("l", weights=(bias,)))))


class TestBiasRegularized:
    def test_says_what_the_bias_adds_and_how_to_drop_it(self):
        (item,) = check(regularizer=l2(1e-3))
        assert item.observed["penalty"] == pytest.approx(0.1)
        assert item.suggestion.code == "bias_regularizer=None"

    def test_free_frozen_and_shared_biases_pass(self):
        assert not check()
        assert not check(regularizer=l2(0.0, status=Status.INERT))
        assert not check(regularizer=l2(status=Status.FROZEN))
        assert not check(regularizer=l2(), shared_with="other/bias")

    def test_regularized_kernels_pass(self):
        one = layer("l", weights=(kernel("l", regularizer=l2()),))
        assert not list(BiasRegularized().check(evidence(one)))
