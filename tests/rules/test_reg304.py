import pytest
from rule_values import adam, evidence, kernel, layer

from regaudit.rules.reg304_weight_decay_inert import WeightDecayInert

SCHEDULE = {"class_name": "CosineDecay", "config": {"initial_learning_rate": 1e-3}}


def found(steps, facts=None, **config):
    optimizer = adam("AdamW", steps, **{"weight_decay": 4e-3, **config})
    model = evidence(layer("a", weights=(kernel("a"),)), optimizer=optimizer, facts=facts)
    return list(WeightDecayInert().check(model))


@pytest.mark.parametrize(("steps", "fires"), [(1, True), (4_999, True), (5_001, False)])
def test_decay_that_shrank_weights_by_under_2_percent(steps, fires):
    assert bool(found(steps)) is fires


@pytest.mark.parametrize("steps", [0, None])
def test_without_steps_nothing_is_said(steps):
    assert not found(steps)


@pytest.mark.parametrize("config", [{"weight_decay": None}, {"learning_rate": "odd"}])
def test_without_decay_or_a_known_rate_nothing_is_said(config):
    assert not found(100, **config)


def test_of_a_schedule_the_largest_rate_counts():
    (item,) = found(100, learning_rate=SCHEDULE)
    assert "by at most 0.0004 over 100 steps" in item.message


@pytest.mark.parametrize("steps", [99, 1_999])
def test_short_trainings_have_no_useful_decay(steps):
    facts = {"train_size": 32_000, "batch_size": 32} if steps > 100 else None
    (item,) = found(steps, facts)
    assert item.message.endswith("no weight decay is useful in so few steps")


def test_the_useful_range():
    (item,) = found(1_000)
    assert item.message.endswith("for this many steps, a decay of 1 or more is useful")
    (item,) = found(1_000, facts={"train_size": 3_200, "batch_size": 32})
    assert item.message.endswith("a decay from 1 to 10 is useful")
