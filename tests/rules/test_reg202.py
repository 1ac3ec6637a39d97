from math import log

import pytest
from rule_values import evidence, kernel, l2, layer, severities

from regaudit.evidence.evidence import Evidence
from regaudit.model import Status
from regaudit.report.severity import Severity
from regaudit.rules.reg202_penalty_over_budget import PenaltyOverBudget

H = log(10)


def model(strength=1e-3, **changes):
    """Two kernels of norm 10 (R = 200 x strength) before 10 classes: H = 2.303."""
    hidden = layer("hidden", weights=(kernel("hidden", regularizer=l2(strength)),))
    out = layer("out", weights=(kernel("out", regularizer=l2(strength)),), units=10)
    return evidence(hidden, out, **changes)


def check(given, **thresholds):
    return list(PenaltyOverBudget(**thresholds).check(given))


@pytest.mark.parametrize(
    ("strength", "found"),
    [
        (2.87e-3, None),  # 0.574 of 0.576, a quarter of H
        (2.89e-3, Severity.WARNING),
        (5.77e-3, Severity.WARNING),
    ],
)
def test_a_quarter_of_the_chance_loss_is_a_warning(strength, found):
    assert severities(check(model(strength))) == [found] * (2 if found else 0)


@pytest.mark.parametrize(
    ("gap", "strength", "found"),
    [
        (0.1, 5.75e-3, None),  # 1.150 of 1.151, half of H
        (0.1, 5.77e-3, Severity.ERROR),
        (2.0, 1.9e-2, None),  # 3.8 of twice the gap
        (2.0, 2.1e-2, Severity.ERROR),
    ],
)
def test_with_both_losses_what_is_over_half_of_it_and_over_twice_the_gap_fails(
    gap, strength, found
):
    given = model(strength, facts={"train_loss": 0.2, "val_loss": 0.2 + gap})
    assert severities(check(given)) == [found] * (2 if found else 0)


@pytest.mark.parametrize(
    ("share", "found"), [(0.25, []), (0.2501, [Severity.WARNING]), (0.5, [Severity.WARNING])]
)
def test_a_penalty_on_a_threshold_passes_it(share, found):
    given = model(penalties={"hidden/kernel": share * H, "out/kernel": 0.0})
    assert severities(check(given)) == found


def test_thresholds_can_be_set():
    assert not check(model(5.77e-3), warning_share=0.51)
    losses = {"train_loss": 0.2, "val_loss": 0.3}
    assert severities(check(model(2.89e-3, facts=losses), error_share=0.2)) == [Severity.ERROR] * 2


def test_the_numbers_of_each_kernel_and_of_all():
    given = model(penalties={"hidden/kernel": 0.4, "out/kernel": 1.2})
    first, second = check(given)
    assert first.message == (
        "its penalty is 0.4; all kernels together add 1.6 to the loss, 69% of the chance loss "
        "(ln 10, a cross-entropy over 10 classes); --train-loss and --val-loss would tell if it is "
        "right"
    )
    assert first.observed == {
        "penalty": 0.4,
        "total_penalty": pytest.approx(1.6),
        "chance_loss": pytest.approx(2.302585),
    }
    assert first.rank < second.rank


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "bias"},
        {"regularizer": l2(1.0, status=Status.FROZEN)},
        {"regularizer": l2(1.0, status=Status.OPAQUE)},
        {"regularizer": None},
        {"shared_with": "other/kernel"},
    ],
)
def test_what_does_not_pay_as_a_kernel_passes(changes):
    weight = kernel("out", **{"regularizer": l2(1.0), **changes})
    assert not check(evidence(layer("out", weights=(weight,), units=10)))


def test_what_normalization_rescales_is_left_out():
    hidden = layer("hidden", weights=(kernel("hidden", regularizer=l2(1.0)),))
    norm = layer("norm", "BatchNormalization")
    out = layer("out", weights=(kernel("out", regularizer=l2(3e-3)),), units=10)
    assert not check(evidence(hidden, norm, out))  # 0.3 of 0.576


def test_a_penalty_that_the_file_does_not_tell_counts_as_nothing():
    given = model(penalties={"hidden/kernel": None, "out/kernel": 0.6})
    assert [item.path for item in check(given)] == ["out/kernel"]


def test_needs_a_chance_loss_and_the_values():
    rule, unknown = PenaltyOverBudget(), model(1.0, loss="my_own")
    assert not rule.not_run(unknown).partly
    assert "my_own" in rule.not_run(unknown).needs
    assert not check(unknown)
    given = model(1.0)
    unread = Evidence(given.model, values=False)
    assert "--no-weights" in rule.not_run(unread).needs
    assert rule.not_run(given) is None


def test_a_custom_layer_after_a_kernel_may_normalize_it():
    hidden = layer("hidden", weights=(kernel("hidden", regularizer=l2(1.0)),))
    out = layer("out", weights=(kernel("out"),), units=10)
    assert check(evidence(hidden, layer("r", "ReLU"), out))
    assert not check(evidence(hidden, layer("c", "mine>Norm"), layer("r", "ReLU"), out))
