"""Numbers as people write them."""

import math

import pytest

from regaudit.report.spelling import number, percent, strength


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0010000000474974513, "0.001"),  # a float32, as Keras 3 stores it
        (9.999999747378752e-05, "0.0001"),
        (2e-05, "2e-05"),
        (10, "10"),
        (1e6, "1000000"),
        (-10, "-10"),
        (0, "0"),
        (12.5, "12.5"),
        (1e300, "1e+300"),
    ],
)
def test_a_strength_is_as_it_was_written(value, text):
    assert strength(value) == text
    assert math.isclose(float(text), value, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (11930.2, "11,930"),
        (99999, "100,000"),
        (-54321, "-54,320"),
        (1e13, "1e+13"),
        (0.07, "0.07"),
        (0.00001, "1e-05"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (None, "-"),
    ],
)
def test_a_measured_number_has_no_exponent_where_people_write_none(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.25, "25.0%"), (0.0001, "<0.1%"), (None, "-")],
)
def test_a_share_is_a_percentage(value, text):
    assert percent(value) == text
