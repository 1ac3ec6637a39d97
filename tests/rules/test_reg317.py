import pytest
from rule_values import adam, evidence, kernel, l2, layer

from regaudit.model import Optimizer
from regaudit.rules.reg317_l2_too_weak_to_act import L2TooWeakToAct


def found(strength, steps=1_000, momentum=0.0, optimizer=None, rate=0.1, **changes):
    config = {"learning_rate": rate, "momentum": momentum}
    weight = kernel("a", **{"regularizer": l2(strength), **changes})
    out = layer("a", weights=(weight,), units=10)
    given = evidence(out, optimizer=optimizer or Optimizer("SGD", config, steps))
    return list(L2TooWeakToAct().check(given))


@pytest.mark.parametrize(
    ("strength", "momentum", "fires"),
    [
        (0.9e-4, 0.0, True),  # 2 x 0.1 x 1e-4 x 1000 = 0.02
        (1.1e-4, 0.0, False),
        (0.9e-5, 0.9, True),
        (1.1e-5, 0.9, False),
    ],
)
def test_penalties_that_shrank_weights_by_under_2_percent(strength, momentum, fires):
    assert bool(found(strength, momentum=momentum)) is fires


@pytest.mark.parametrize("steps", [0, None])
def test_without_steps_nothing_is_said(steps):
    assert not found(1e-6, steps)


@pytest.mark.parametrize("optimizer", [adam(), adam("MyOwn"), adam("AdamW")])
def test_only_sgd_has_such_a_rule(optimizer):
    assert not found(1e-9, optimizer=optimizer)


@pytest.mark.parametrize(
    "changes",
    [{"regularizer": None}, {"regularizer": l2(1e-6, l1=1e-3)}, {"role": "bias"}],
)
def test_what_has_no_l2_alone_passes(changes):
    assert not found(1e-6, **changes)


def test_of_a_schedule_the_largest_rate_counts():
    schedule = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1}}
    (item,) = found(1e-5, rate=schedule)
    assert "by at most 0.002 over 1,000 steps of SGD" in item.message
