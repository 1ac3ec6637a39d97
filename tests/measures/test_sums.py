"""The pass over values in C gives what NumPy gives, on whatever it is handed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regaudit.measures.sums import BINADES, Grid, Sums, add_by_numpy

compiled = pytest.importorskip("regaudit.measures._sums", reason="no compiler was at hand")


def both(values, below, columns, start, *, inputs, each):
    """Return what each finds, with its counts and what it took of columns and inputs."""
    answers = []
    for add in (compiled.add, add_by_numpy):
        counts, grid = np.zeros(BINADES, np.int64), Grid.of(values.dtype, columns, inputs, each)
        with np.errstate(all="ignore"):
            found = Sums(*add(values, values.itemsize, below, counts, *grid, start))
        answers.append((found, counts, grid))
    return answers


def same(values, below=0.0, columns=1, start=0, *, inputs=0, each=1):
    (by_c, counts, grid), (by_numpy, expected_counts, expected) = both(
        values, below, columns, start, inputs=inputs, each=each
    )
    finite = values[np.isfinite(values)].astype(np.float64)
    size = np.abs(finite).sum()
    for ours, theirs, scale in zip(by_c[:3], by_numpy[:3], (size, size, by_numpy[2]), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-13, abs=1e-13 * scale, nan_ok=True)
    assert by_c[3:] == by_numpy[3:]
    np.testing.assert_array_equal(counts, expected_counts)
    np.testing.assert_array_equal(grid.maxima, expected.maxima)
    assert by_c.nonfinite == len(values) - len(finite)
    assert by_c.small == np.count_nonzero(np.abs(finite) < 0.001)
    if np.isfinite(by_c.squares) and not by_c.nonfinite:
        places = start + np.arange(len(values))
        squares = np.square(values, dtype=np.float64)
        of_each = [(grid.by_column, expected.by_column, places % columns)]
        if inputs:
            of_each.append((grid.by_input, expected.by_input, places // each % inputs))
        for ours, theirs, where in of_each:
            wanted = np.bincount(where, squares, len(ours))
            np.testing.assert_allclose(ours, wanted, rtol=1e-12)
            np.testing.assert_allclose(theirs, wanted, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 4095, 4096, 4097, 70_000, 300_001])
def test_of_any_length(dtype, size):
    generator = np.random.default_rng(size)
    values = generator.normal(0, 0.05, size).astype(dtype)
    values[generator.random(size) < 0.1] = 0
    for columns, start in ((1, 0), (7, 3), (1000, 999), (5000, 17)):
        same(values, 2.0**-9, columns, start)
    for inputs, each in ((1, 1), (3, 10), (40, 64), (7, 5000)):
        same(values, 2.0**-9, 1024, 12_345, inputs=inputs, each=each)
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
    (found, counts, grid), _ = both(values, 1, 1, 0, inputs=0, each=1)
    assert found == Sums(1e200, 1e200, np.inf, nonfinite=0, zeros=1, small=2)
    assert grid.maxima == 1e200
    assert counts[0] == 2  # the zero, and the one too small for an exponent


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.integers(0, 300),
        elements=st.floats(width=32),
    ),
    st.sampled_from([0.0, 2.0**-17, 1.0, 2.0**90, np.inf]),
    st.integers(1, 90),
    st.integers(0, 300),
    st.tuples(st.integers(0, 9), st.integers(1, 70)),
)
def test_of_any_values(values, below, columns, start, grid):
    inputs, each = grid
    same(values, below, columns, start, inputs=inputs, each=each)


@pytest.mark.parametrize(
    "wrong",
    [
        {"itemsize": 2},
        {"itemsize": 0},
        {"itemsize": -4},
        {"counts": np.zeros(7, np.int64)},
        {"maxima": np.zeros(4, np.float32)},
        {"maxima": np.zeros(0, np.float32), "by_column": np.zeros(0)},
        {"each": 0},
        {"start": -1},
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
        "by_column": np.zeros(5),
        "by_input": np.zeros(3),
        "each": 2,
        "start": 0,
    }
    compiled.add(*given.values())
    with pytest.raises(ValueError, match="aligned"):
        compiled.add(*(given | wrong).values())


def test_only_arrays_in_one_piece_that_may_be_written_are_taken():
    values, counts = np.zeros(8, np.float32), np.zeros(BINADES, np.int64)
    grid = Grid.of(values.dtype, 5)
    with pytest.raises((ValueError, BufferError), match="contiguous"):
        compiled.add(values[::2], 4, 1.0, counts, *grid, 0)
    grid.maxima.flags.writeable = False
    with pytest.raises((ValueError, BufferError, TypeError), match=r"read-only|read-write"):
        compiled.add(values, 4, 1.0, counts, *grid, 0)
