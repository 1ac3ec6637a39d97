"""The words of a verdict."""

import numpy as np
import pytest
from msgspec.structs import replace
from sweep_values import SETTING, as_it_is, rung

from regaudit.sweeping.columns import with_error
from regaudit.sweeping.verdict import judged_by


def said(saved, found, **setting):
    return judged_by(replace(SETTING, **setting), (saved, found), found.name, ()).verdict


@pytest.mark.parametrize(
    ("apart_error", "said_of_it"),
    [
        (0.011, "-13% +- 4%"),
        (0.0011, "-13.1% +- 0.4%"),
        (0.0001, "-13.1% +- less than 0.1%"),
        (0.0, "-13%"),
    ],
)
def test_an_error_is_never_said_to_be_nothing(apart_error, said_of_it):
    text = said(as_it_is(apart_error=apart_error), rung(4, 0.271))
    assert text.startswith(
        f"L2 of 4 times the suggestion (0.004): validation loss 0.312 -> 0.271, {said_of_it}; "
        "accuracy 91.2% -> 92.0%. "
    )
    assert "+- 0%" not in text
    assert "+- 0.0%" not in text


def test_both_losses_have_as_many_decimals():
    text = said(as_it_is(val_loss=0.5083), rung(1, 0.42))
    assert text.startswith("L2 as suggested (0.001): validation loss 0.508 -> 0.420, -17%")
    assert "validation loss 12.31 -> 8.40," in said(as_it_is(val_loss=12.31), rung(1, 8.4))


def test_a_temperature_that_does_nothing_is_said_to_do_nothing():
    text = said(as_it_is(tempered=0.3119), rung(4, 0.271))
    assert text.endswith("A temperature alone would not lower the loss.")
    text = said(as_it_is(tempered=0.3119), rung(4, 0.271), measure="R2")
    assert text.endswith("Shrinking its predictions alone would not lower the loss.")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.50832, 0.0651, "0.508 +- 0.065"),
        (0.4, 0.02, "0.400 +- 0.020"),
        (123.45, 7.89, "123.5 +- 7.9"),
        (12345.6, 789.0, "12,350 +- 790"),
        (0.25, 0.0, "0.25"),
        (0.25, None, "0.25"),
        (None, 0.1, "-"),
        (np.inf, 0.1, "-"),
    ],
)
def test_a_value_has_the_digits_that_its_error_leaves(value, error, text):
    assert with_error(value, error) == text
