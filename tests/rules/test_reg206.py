import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.rules.reg206_overregularized import Overregularized


def found(train, val, strength=1e-3, *between):
    """One kernel of norm 10 (R = 100 x strength) before 10 classes: H = 2.303."""
    out = layer("out", weights=(kernel("out", regularizer=l2(strength)),), units=10)
    facts = {"train_loss": train, "val_loss": val}
    return list(Overregularized().check(evidence(out, *between, facts=facts)))


@pytest.mark.parametrize(
    ("train", "val", "strength", "fires"),
    [
        (0.5, 0.55, 4.9e-3, False),  # a gap of 0.05 allows 0.5
        (0.5, 0.55, 5.1e-3, True),
        (0.5, 0.5, 2.2e-3, False),  # no gap counts as 0.023
        (0.5, 0.5, 2.4e-3, True),
        (0.5, 0.3, 2.4e-3, True),
    ],
)
def test_fires_above_ten_times_the_gap(train, val, strength, fires):
    assert bool(found(train, val, strength)) is fires


def test_what_normalization_rescales_is_left_out():
    norm = layer("norm", "LayerNormalization")
    out = layer("head", weights=(kernel("head", regularizer=l2(1e-5)),), units=10)
    assert not found(0.5, 0.5, 0.1, norm, out)


def test_needs_both_losses():
    lacking = Overregularized().not_run(evidence(layer("out", units=10)))
    assert lacking.needs == "--train-loss and --val-loss"
