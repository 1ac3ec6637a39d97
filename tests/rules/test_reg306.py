import pytest
from rule_values import adam, evidence, kernel, l2, layer

from regaudit.model import Status
from regaudit.rules.reg306_adaptive_optimizer_with_l2 import AdaptiveOptimizerWithL2


def found(optimizer, **changes):
    weight = kernel("a", **{"regularizer": l2(1e-3), **changes})
    model = evidence(layer("a", weights=(weight,)), optimizer=optimizer)
    return list(AdaptiveOptimizerWithL2(overfitting_only=0).check(model))


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Nadam"])
def test_adaptive_optimizers(name):
    (item,) = found(adam(name))
    assert f"L2 of 0.001 with {name} does not act like a weight decay of 0.002" in item.message


@pytest.mark.parametrize(
    "optimizer", [None, adam("SGD"), adam("MyOwn"), adam("AdamW", weight_decay=4e-3)]
)
def test_others_pass(optimizer):
    assert not found(optimizer)


@pytest.mark.parametrize(
    "changes",
    [
        {"regularizer": None},
        {"regularizer": l2(0.0, l1=1e-3)},
        {"regularizer": l2(status=Status.FROZEN)},
        {"role": "bias"},
    ],
)
def test_kernels_without_l2_pass(changes):
    assert not found(adam(), **changes)


@pytest.mark.parametrize(("val", "speaks"), [(None, False), (0.47, False), (0.48, True)])
def test_it_speaks_where_the_losses_show_overfitting(val, speaks):
    losses = {"train_loss": 0.2} | ({"val_loss": val} if val else {})
    one = layer("a", weights=(kernel("a", regularizer=l2(1e-3)),), units=10)
    model = evidence(one, optimizer=adam(), facts=losses)
    assert bool(list(AdaptiveOptimizerWithL2().check(model))) is speaks
