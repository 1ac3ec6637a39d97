"""What the user says of the training, and what is made of it."""

import pytest

from regaudit.evidence.training_facts import Facts


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"train_size": 1000}, None),
        ({"batch_size": 32}, None),
        ({"train_size": 1000, "batch_size": 100}, 10.0),
        ({"train_size": 20, "batch_size": 32}, 1.0),  # one step sees them all
    ],
)
def test_an_epoch_has_as_many_steps_as_batches(given, expected):
    assert Facts(**given).steps_per_epoch == expected


def test_the_gap_needs_both_losses():
    assert Facts(train_loss=0.25, val_loss=1.0).gap == 0.75
    assert Facts(train_loss=0.25).gap is Facts(val_loss=1.0).gap is None
