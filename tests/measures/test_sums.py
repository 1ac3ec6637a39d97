"""The pass over values in C gives what NumPy gives, on whatever it is handed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regaudit.measures.sums import BINADES, add_by_numpy

compiled = pytest.importorskip("regaudit.measures._sums", reason="no compiler was at hand")


def both(values, below, columns, column):
    """Return what each finds, with its counts and maxima."""
    answers = []
    for add in (compiled.add, add_by_numpy):
        counts, maxima = np.zeros(BINADES, np.int64), np.zeros(columns, values.dtype)
        found = add(values, values.itemsize, below, counts, maxima, column)
        answers.append((found, counts, maxima))
    return answers


def same(values, below=0.0, columns=0, column=0):
    (by_c, counts, maxima), (by_numpy, expected_counts, expected_maxima) = both(
        values, below, columns, column
    )
    finite = values[np.isfinite(values)].astype(np.float64)
    size = np.abs(finite).sum()
    for ours, theirs, scale in zip(by_c[:3], by_numpy[:3], (size, size, by_numpy[2]), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-13, abs=1e-13 * scale, nan_ok=True)
    assert by_c[3:] == by_numpy[3:]
    np.testing.assert_array_equal(counts, expected_counts)
    np.testing.assert_array_equal(maxima, expected_maxima)
    assert by_c[4] == len(values) - len(finite)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 4095, 4096, 4097, 70_000, 300_001])
def test_of_any_length(dtype, size):
    generator = np.random.default_rng(size)
    values = generator.normal(0, 0.05, size).astype(dtype)
    values[generator.random(size) < 0.1] = 0
    for columns, column in ((0, 0), (1, 0), (7, 3), (1000, 999), (5000, 17)):
        same(values, 2.0**-9, columns, column)
    same(values, np.inf, 64)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("places", [[0], [5000], [4095, 4096], range(0, 9000, 7)])
def test_with_what_is_no_number(wrong, places):
    values = np.random.default_rng(1).normal(0, 1, 9000).astype(np.float32)
    values[::10] = 0
    values[list(places)] = wrong
    same(values, 0.125, 30, 11)
    same(values.astype(np.float64), np.inf, 30, 11)


def test_doubles_whose_squares_overflow_are_numbers_all_the_same():
    values = np.array([1e200, -3.0, 0.0, 1e-320])
    ((total, absolute, squares, largest, nonfinite, zeros), counts, _), _ = both(values, 1, 0, 0)
    assert (absolute, squares, largest, nonfinite, zeros) == (1e200, np.inf, 1e200, 0, 1)
    assert total == 1e200
    assert counts[0] == 2  # the zero, and the one too small for an exponent


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.integers(0, 300),
        elements=st.floats(width=32),
    ),
    st.sampled_from([0.0, 2.0**-17, 1.0, 2.0**90, np.inf]),
    st.integers(0, 90),
    st.data(),
)
def test_of_any_values(values, below, columns, data):
    column = data.draw(st.integers(0, max(columns - 1, 0)))
    same(values, below, columns, column)


@pytest.mark.parametrize(
    "wrong",
    [
        {"itemsize": 2},
        {"itemsize": 0},
        {"itemsize": -4},
        {"counts": np.zeros(7, np.int64)},
        {"column": 5},
        {"column": -1},
        {"values": np.zeros(9, np.uint8)[1:].view(np.float32)},
    ],
)
def test_what_would_reach_beyond_its_memory_is_refused(wrong):
    given = {
        "values": np.zeros(8, np.float32),
        "itemsize": 4,
        "below": 1.0,
        "counts": np.zeros(BINADES, np.int64),
        "maxima": np.zeros(5, np.float32),
        "column": 0,
    }
    compiled.add(*given.values())
    with pytest.raises(ValueError, match="aligned"):
        compiled.add(*(given | wrong).values())


def test_only_arrays_in_one_piece_that_may_be_written_are_taken():
    values, counts = np.zeros(8, np.float32), np.zeros(BINADES, np.int64)
    maxima = np.zeros(5, np.float32)
    with pytest.raises((ValueError, BufferError), match="contiguous"):
        compiled.add(values[::2], 4, 1.0, counts, maxima, 0)
    maxima.flags.writeable = False
    with pytest.raises((ValueError, BufferError, TypeError), match=r"read-only|read-write"):
        compiled.add(values, 4, 1.0, counts, maxima, 0)
