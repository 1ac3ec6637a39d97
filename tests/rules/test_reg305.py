import pytest
from rule_values import adam, evidence, kernel, layer

from regaudit.rules.reg305_weight_decay_too_strong import WeightDecayTooStrong

RULE = WeightDecayTooStrong()


def given(decay, facts=None, **config):
    optimizer = adam("AdamW", 0, weight_decay=decay, **config)
    return evidence(layer("a", weights=(kernel("a"),)), optimizer=optimizer, facts=facts)


@pytest.mark.parametrize(("decay", "fires"), [(9.9, False), (10.1, True)])
def test_without_sizes_one_percent_a_step_is_the_limit(decay, fires):
    model = given(decay)
    assert bool(list(RULE.check(model))) is fires
    assert RULE.not_run(model).partly


def test_without_decay_nothing_is_asked_of_the_user():
    model = given(None)
    assert not list(RULE.check(model))
    assert RULE.not_run(model) is None


@pytest.mark.parametrize(("decay", "fires"), [(0.99, False), (1.01, True)])
def test_with_sizes_the_limit_is_an_epoch(decay, fires):
    model = given(decay, {"train_size": 32_000, "batch_size": 32})
    assert bool(list(RULE.check(model))) is fires
    assert RULE.not_run(model) is None


def test_a_short_epoch_allows_more():
    assert not list(RULE.check(given(50.0, {"train_size": 320, "batch_size": 32})))


def test_the_most_to_use():
    (item,) = RULE.check(given(2.0, {"train_size": 32_000, "batch_size": 32}))
    assert (
        "removes 0.20% of every weight in a step: weights forget within 500 steps" in item.message
    )
    assert item.message.endswith("and an epoch has 1,000; use at most 1")


def test_of_a_schedule_the_peak_is_named():
    schedule = {"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1}}
    (item,) = RULE.check(given(1.0, learning_rate=schedule))
    assert "at the largest rate of its ExponentialDecay" in item.message
    assert not list(RULE.check(given(1.0, learning_rate=None)))
