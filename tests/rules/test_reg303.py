import pytest
from rule_values import adam, evidence, kernel, l2, layer

from regaudit.model import Optimizer
from regaudit.rules.reg303_decayed_twice import DecayedTwice


def found(optimizer, **changes):
    weight = kernel("a", **{"regularizer": l2(1e-3), **changes})
    return list(DecayedTwice().check(evidence(layer("a", weights=(weight,)), optimizer=optimizer)))


def sgd(momentum=0.0, weight_decay=5e-4, steps=0):
    config = {"learning_rate": 0.1, "momentum": momentum, "weight_decay": weight_decay}
    return Optimizer("SGD", config, steps)


@pytest.mark.parametrize(("momentum", "together"), [(0.0, "0.0025"), (0.9, "0.0205")])
def test_under_sgd_both_add_up(momentum, together):
    (item,) = found(sgd(momentum))
    assert item.message.endswith(f"together a decay of {together}")


def test_under_adam_they_do_not():
    (item,) = found(adam("AdamW", weight_decay=4e-3))
    assert "follow different rules" in item.message


@pytest.mark.parametrize("decay", [None, 0.0, -0.1])
def test_no_decay_passes(decay):
    assert not found(sgd(weight_decay=decay))


@pytest.mark.parametrize(
    "changes",
    [{"regularizer": None}, {"regularizer": l2(0.0, l1=1e-3)}, {"role": "bias"}],
)
def test_weights_without_l2_and_biases_pass(changes):
    assert not found(sgd(), **changes)


def test_an_l1_beside_it_is_not_taken_away():
    (item,) = found(sgd(), regularizer=l2(1e-3, l1=1e-4))
    assert item.suggestion is None
