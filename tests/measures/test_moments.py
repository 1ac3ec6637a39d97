"""Measures agree with NumPy on whole arrays, whatever the blocks, parts, threads and dtypes."""

from math import log2

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regaudit.keras_semantics.layer_table import EMBEDDINGS, TRANSPOSED, all_slots, last_axis
from regaudit.measures import partial_sums, sums
from regaudit.measures.histogram import Histogram
from regaudit.measures.moments import effective, measure
from regaudit.measures.partial_sums import near_zero_threshold
from regaudit.model import UnitView
from regaudit.tensors import tensor
from regaudit.tensors.tensor import ArrayTensor, StoredTensor


@pytest.fixture(params=["C", "NumPy"], autouse=True, scope="module")
def _implementation(request):
    """All that is said here holds with what a compiler made and without."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "NumPy":
            patch.setattr(sums, "add", sums.add_by_numpy)
        elif sums.add is sums.add_by_numpy:
            pytest.skip("no compiler was at hand when regaudit was installed")
        yield


def one(values, units=None, threads=1):
    return measure([(ArrayTensor(np.asarray(values)), units)], threads)[0]


def same(found, values, units=None):
    """Hold the moments against NumPy."""
    exact = np.asarray(values, np.float64)
    assert found.size == exact.size
    assert found.zeros == np.count_nonzero(exact == 0)
    assert found.near_zeros == np.count_nonzero(np.abs(exact) < found.threshold)
    assert found.l1_norm == pytest.approx(np.abs(exact).sum(), rel=1e-12)
    assert found.l2_norm == pytest.approx(np.sqrt(np.square(exact).sum()), rel=1e-12)
    assert found.max_abs == np.abs(exact).max(initial=0.0)
    if exact.size:
        assert found.mean == pytest.approx(exact.mean(), rel=1e-9, abs=1e-12 * found.max_abs)
        assert found.std == pytest.approx(exact.std(), rel=1e-7, abs=1e-12 * found.max_abs)
    if units and exact.size:
        by_unit = exact.reshape(units[:3])
        largest = np.abs(by_unit).max(axis=(0, 2), initial=0.0)
        assert found.dead_units == np.count_nonzero(largest < found.threshold)
        squares = np.square(by_unit).sum(axis=(0, 2))
        np.testing.assert_allclose(np.frombuffer(found.unit_squares), squares, rtol=1e-12)
        carried = np.cumsum(np.sort(squares)[::-1])
        most = np.count_nonzero(carried < 0.99 * carried[-1]) + 1
        counted = effective(np.frombuffer(found.unit_squares))
        assert counted == (most if carried[-1] else 0)
    assert found.small_values == np.count_nonzero(np.abs(exact) < 0.001)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", ">f4", "bool"])
@pytest.mark.parametrize("shape", [(0, 3), (1,), (7, 13), (300, 1000), (3, 3, 64, 130)])
def test_agrees_with_numpy(dtype, shape):
    generator = np.random.default_rng(0)
    values = (generator.normal(0.1, 2, shape) * (generator.random(shape) > 0.2)).astype(dtype)
    values[..., :1] = 0
    units = UnitView(int(np.prod(shape[:-1])), shape[-1], 1) if len(shape) > 1 else None
    same(one(values, units), values, units)


def test_bfloat16_is_read_as_numbers():
    values = np.arange(-5, 5, 0.25).astype(ml_dtypes.bfloat16)
    same(one(values), values.astype(np.float64))


@pytest.mark.parametrize("block", [1, 7, 100, 5_000])
@pytest.mark.parametrize("part", [1_000, 4_096, 1 << 22])
def test_blocks_and_parts_do_not_matter(block, part, monkeypatch):
    values = np.random.default_rng(1).normal(size=(50, 60)).astype(np.float32)
    values[:, 5] = 1e-9
    units = UnitView(50, 60, 1)
    whole = one(values, units)
    monkeypatch.setattr(tensor, "BLOCK", block)
    monkeypatch.setattr(partial_sums, "PART", part)
    found = one(values, units)
    same(found, values, units)
    assert found.dead_units == whole.dead_units == 1


def test_threads_give_the_same_to_the_last_bit(monkeypatch):
    monkeypatch.setattr(partial_sums, "PART", 10_000)
    monkeypatch.setattr(partial_sums, "WORTH_THREADS", 0)
    monkeypatch.setattr(partial_sums, "WORTH_WAITING", 0)
    values = np.random.default_rng(2).normal(size=(700, 300)).astype(np.float32)
    assert one(values, UnitView(700, 300, 1), 1) == one(values, UnitView(700, 300, 1), 4)


@pytest.mark.parametrize("view", [(1, 12, 5), (12, 5, 1), (3, 4, 5), (1, 60, 1), (60, 1, 1)])
def test_units_may_lie_anywhere(view):
    values = np.random.default_rng(3).normal(size=60)
    values.reshape(view)[:, 0, :] = 0
    same(one(values, UnitView(*view)), values, UnitView(*view))


def test_values_that_grow_later_are_still_counted_by_the_final_threshold(monkeypatch):
    monkeypatch.setattr(tensor, "BLOCK", 100)
    values = np.r_[np.full(100, 1e-4), np.full(100, 1e4)]
    found = one(values)
    assert found.near_zeros == 100


def test_not_a_number_is_counted_and_leaves_the_rest_alone():
    found = one([1.0, np.nan, -np.inf, 0.0, 2.0], None)
    assert (found.nonfinite, found.zeros) == (2, 1)
    assert found.l1_norm is found.l2_norm is found.max_abs is found.mean is found.std is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_unit_with_what_is_no_number_is_not_dead(wrong, dtype):
    values = np.ones((3, 4), dtype)
    values[:, :2] = 0
    values[1, 1] = wrong
    found = one(values, UnitView(3, 4, 1))
    assert (found.units, found.dead_units, found.nonfinite) == (4, 1, 1)


def test_the_threshold_is_a_power_of_two_near_a_thousandth():
    for rms in (1e-9, 0.02, 1.0, 1e6, float("inf")):
        threshold = near_zero_threshold(rms)
        assert log2(threshold).is_integer()
        bound = max(min(rms, 1e150) / 1000, 1e-5)
        assert bound / 2 < threshold <= bound


def test_a_constant_has_no_deviation():
    assert one(np.full(100_000, 0.1)).std == pytest.approx(0, abs=1e-12)


def test_values_are_read_from_their_place_in_a_file(tmp_path):
    values = np.random.default_rng(4).normal(size=(400, 500)).astype(np.float32)
    file = tmp_path / "weights"
    file.write_bytes(b"x" * 13 + values.tobytes())
    stored = StoredTensor(file, 13, values.shape, values.dtype)
    assert measure([(stored, UnitView(400, 500, 1))]) == [one(values, UnitView(400, 500, 1))]


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(max_dims=3, max_side=9),
        elements=st.floats(-(2.0**60), 2.0**60, width=32),
    )
)
def test_any_array_agrees_with_numpy(values):
    same(one(values), values)


def histogram_by_numpy(values, like):
    """Count finite values other than zero in bins of the same width, which lie where NumPy says."""
    values = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    places = np.trunc(values / like.width)
    places[values < 0] -= 1
    inside = np.abs(values) < 32 * like.width
    used, counts = np.unique(places[inside], return_counts=True)
    first = int(used[0]) if len(used) else 0
    bins = np.zeros(int(used[-1]) - first + 1 if len(used) else 0, int)
    bins[(used - first).astype(int)] = counts
    beyond = values[~inside]
    return Histogram(
        like.exponent, first, tuple(bins.tolist()), int((beyond < 0).sum()), int((beyond > 0).sum())
    )


@settings(deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.integers(0, 200),
        elements=st.floats(width=32, allow_subnormal=False),
    ),
    st.sampled_from([7, 64, 1 << 22]),
)
def test_histograms_count_every_finite_value_once_and_change_nothing_else(values, part):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial_sums, "PART", part)
        found, plain = (
            measure([(ArrayTensor(values), None)], histograms=asked)[0] for asked in (True, False)
        )
    assert found.histogram.coarser(99) == histogram_by_numpy(values, found.histogram).coarser(99)
    assert found.histogram == histogram_by_numpy(values, found.histogram)
    assert plain.histogram is None
    assert (found.zeros, found.near_zeros) == (plain.zeros, plain.near_zeros)
    assert (found.l2_norm, found.nonfinite) == (plain.l2_norm, plain.nonfinite)


@pytest.mark.parametrize("part", [500, 4_096, 1 << 22])
@pytest.mark.parametrize(
    ("shape", "view", "axis"),
    [
        ((300, 70), last_axis, 0),
        ((70, 1), last_axis, 0),
        ((3, 3, 40, 90), last_axis, 2),
        ((3, 20, 30), TRANSPOSED[0].units, 2),
        ((25, 48), all_slots("LSTM", before_keras_3=False)[0].units, 0),
    ],
)
def test_squares_of_inputs_are_those_of_their_axis(shape, view, axis, part, monkeypatch):
    monkeypatch.setattr(partial_sums, "PART", part)
    values = np.random.default_rng(1).normal(size=shape)
    found = one(values, view(shape, {}))
    others = tuple(other for other in range(len(shape)) if other != axis)
    expected = np.square(values).sum(axis=others)
    np.testing.assert_allclose(np.frombuffer(found.input_squares), expected, rtol=1e-12)


def test_embeddings_keep_nothing_of_each_word():
    assert one(np.ones((50, 4)), EMBEDDINGS.units((50, 4), {})).input_squares == b""


@pytest.mark.parametrize(
    ("shares", "count"),
    [
        ([], 0),
        ([0.0, 0.0], 0),
        ([1.0] * 100, 99),
        ([0.1] * 100, 99),
        ([99.0, 1.0], 1),
        ([98.9, 1.1], 2),
        ([np.inf, 1.0], None),
        ([np.nan], None),
    ],
)
def test_effective_are_the_fewest_that_carry_nearly_all(shares, count):
    assert effective(np.array(shares)) == count
