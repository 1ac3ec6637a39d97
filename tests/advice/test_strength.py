"""Strengths that are suggested: rounded, and none where numbers leave no room for one."""

import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.advice.strength import budget_strength, gap_strength, overfits, rounded, usable
from regaudit.advice.suggestions import scale
from regaudit.evidence.outputs import ChanceLoss

CHANCE = ChanceLoss(2.0, "a loss of two")


@pytest.mark.parametrize(
    ("strength", "nearest"),
    [(1.1e-4, 1e-4), (1.5e-4, 2e-4), (3e-4, 2e-4), (4e-4, 5e-4), (8e-4, 1e-3), (9.9e-4, 1e-3)],
)
def test_rounded_by_ratio(strength, nearest):
    assert rounded(strength) == nearest


@pytest.mark.parametrize("strength", [0.0, 1e-320, 1e-31, 1e31, float("inf")])
def test_what_float32_does_not_hold_is_no_strength(strength):
    assert usable(strength) is None


def test_norms_beyond_all_models_give_no_strength():
    assert gap_strength(0.5, 0.1, 1e308) is None
    assert gap_strength(0.5, 0.1, float("inf")) is None


@pytest.mark.parametrize(("factor", "scaled"), [(0.1, True), (1e-300, False), (0.0, False)])
def test_scaling_both_strengths_or_neither(factor, scaled):
    weight = kernel("a", regularizer=l2(1e-3, l1=1e-25))
    one = layer("a", weights=(weight,))
    assert bool(scale(evidence(one), one, weight, factor, "so")) is scaled
    tiny = kernel("a", regularizer=l2(1e-3, l1=1e-29))
    assert scale(evidence(layer("a", weights=(tiny,))), one, tiny, 1e-4, "so") is None


@pytest.mark.parametrize(("norm", "strength"), [(0.0, None), (0.5, 0.2), (1.0, 0.1), (100.0, 1e-3)])
def test_the_budget_is_a_twentieth_of_the_chance_loss(norm, strength):
    assert budget_strength(CHANCE, norm) == strength


@pytest.mark.parametrize(("gap", "expected"), [(-1.0, False), (0.1, False), (0.1001, True)])
def test_a_gap_of_a_twentieth_of_the_chance_loss_asks_for_nothing(gap, expected):
    assert overfits(gap, CHANCE) is expected
