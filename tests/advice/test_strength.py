"""Strengths that are suggested: rounded, and none where numbers leave no room for one."""

import pytest

from regaudit.advice.strength import budget_strength, chosen, gap_strength, rounded
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
    assert chosen(strength) is None


def test_norms_beyond_all_models_give_no_strength():
    assert chosen(gap_strength(0.05, 1e308)) is None
    assert chosen(gap_strength(0.05, float("inf"))) is None
    assert gap_strength(-0.05, 1.0) is None


@pytest.mark.parametrize(("strength", "other"), [(0.01, 0.005), (0.009, 0.005), (0.012, 0.02)])
def test_the_default_of_keras_is_passed_over(strength, other):
    assert chosen(strength) == other


@pytest.mark.parametrize(("norm", "strength"), [(0.0, None), (0.5, 0.2), (1.0, 0.1), (100.0, 1e-3)])
def test_the_budget_is_a_twentieth_of_the_chance_loss(norm, strength):
    assert budget_strength(CHANCE, norm) == (None if strength is None else pytest.approx(strength))
