"""Spectra agree with NumPy's singular values, whatever the shape, dtype, scale and blocks."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regaudit.measures import matrix, singular_values
from regaudit.measures.matrix import matrix_of, shape_of
from regaudit.measures.power_law import LEAST, fitted_tail
from regaudit.measures.singular_values import spectrum
from regaudit.measures.spectrum import LARGEST_CONDITION
from regaudit.model import UnitView
from regaudit.tensors.tensor import ArrayTensor, StoredTensor


def never():
    """Let it take its time."""


def taken(values, view=None):
    """Return the spectrum of an array whose last axis are the units."""
    values = np.asarray(values)
    view = view or UnitView(values.size // values.shape[-1], values.shape[-1], 1)
    largest = float(np.abs(values.astype(np.float64)).max())
    shape = shape_of(values.shape, view)
    return spectrum(matrix_of(ArrayTensor(values), view, largest), shape, never)


def same(found, exact, rel=1e-5):
    """Hold a spectrum against the singular values of the whole matrix in memory."""
    exact = np.asarray(exact, np.float64)
    assert found.shape == exact.shape
    values = np.linalg.svd(exact, compute_uv=False)
    shares = values[values > 0] / values.sum()
    assert found.spectral_norm == pytest.approx(values[0], rel=rel)
    assert abs(found.spectral_norm / values[0] - 1) <= found.spectral_norm_error + 1e-15
    assert found.stable_rank == pytest.approx(((values / values[0]) ** 2).sum(), rel=rel)
    assert found.effective_rank == pytest.approx(
        np.exp(-(shares * np.log(shares)).sum()), rel=max(rel, 2e-5)
    )
    ranks = np.array(found.ranks)
    np.testing.assert_allclose(found.singular_values, values[ranks - 1], rtol=max(rel, 1e-4))
    if values[0] < 0.9 * LARGEST_CONDITION * values[-1]:
        assert found.condition == pytest.approx(values[0] / values[-1], rel=rel)
    if values[0] > 1.1 * LARGEST_CONDITION * values[-1]:
        assert (found.condition, found.condition_over) == (None, LARGEST_CONDITION)


@pytest.mark.parametrize("shape", [(400, 60), (60, 400), (90, 90), (1, 7), (7, 1), (1, 1)])
def test_any_shape_agrees_with_numpy(shape):
    values = np.random.default_rng(0).normal(size=shape)
    same(taken(values), values)


def test_singular_values_are_kept_at_some_ranks_and_where_the_tail_begins():
    values = np.random.default_rng(0).normal(size=(500, 400))
    found = taken(values)
    assert len(found.ranks) == len(found.singular_values) <= singular_values.RANKS
    assert (found.ranks[0], found.ranks[-1]) == (1, 400)
    assert found.alpha_tail in found.ranks
    assert taken(np.ones((9, 9))).ranks == (1,)


@pytest.mark.parametrize("band", [1, 50, 1_000, 1 << 22])
@pytest.mark.parametrize("shape", [(100, 30), (30, 100)])
def test_bands_and_tiles_do_not_matter(band, shape, monkeypatch):
    monkeypatch.setattr(matrix, "BAND", band)
    monkeypatch.setattr(singular_values, "_TILE", 7)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    same(taken(values), values)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int8", "uint8", "bool"])
def test_any_dtype_is_read_as_numbers(dtype):
    values = (np.random.default_rng(2).normal(size=(50, 40)) * 3).astype(dtype)
    same(taken(values), values)


def test_bfloat16_is_read_as_numbers():
    values = np.random.default_rng(2).normal(size=(50, 40)).astype(ml_dtypes.bfloat16)
    same(taken(values), values)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-30, 1e30, 1e200, 1e307])
def test_no_scale_overflows_or_vanishes(scale):
    values = np.random.default_rng(3).uniform(-1, 1, (40, 30))
    found, plain = taken(values * scale), taken(values)
    assert found.spectral_norm == pytest.approx(plain.spectral_norm * scale, rel=1e-5)
    for name in ("stable_rank", "effective_rank", "condition"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-5)


@pytest.mark.parametrize(
    "view", [(1, 12, 5), (12, 5, 1), (3, 4, 5), (2, 15, 2), (15, 2, 2), (1, 60, 1), (60, 1, 1)]
)
@pytest.mark.parametrize("band", [1, 25, 1 << 22])
def test_units_may_lie_anywhere(view, band, monkeypatch):
    monkeypatch.setattr(matrix, "BAND", band)
    values = np.random.default_rng(4).normal(size=view)
    exact = values.transpose(0, 2, 1).reshape(-1, view[1])
    same(taken(values.reshape(-1, 1), UnitView(*view)), exact)


def test_gates_of_a_recurrent_kernel_are_columns_beside_each_other():
    values = np.random.default_rng(5).normal(size=(10, 4 * 6))
    same(taken(values, UnitView(4 * 10, 6, 1)), values)


@pytest.mark.parametrize("rank", [1, 3, 40])
def test_what_is_lost_to_rounding_is_not_made_up(rank):
    """Zero singular values come out of a Gram matrix as small ones, of either sign."""
    generator = np.random.default_rng(6)
    values = generator.normal(size=(200, rank)) @ generator.normal(size=(rank, 80))
    found = taken(values)
    same(found, values)
    assert found.condition is None
    assert found.effective_rank < rank + 1e-6
    values[:, ::2] = 0
    same(taken(values), values)


@pytest.mark.parametrize("condition", [10, 1e3, 4.9e4])
@pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
def test_a_condition_is_right_as_far_as_it_is_told(condition, shape):
    generator = np.random.default_rng(7)
    left, right = (np.linalg.qr(generator.normal(size=(side, 200)))[0] for side in shape)
    values = np.r_[generator.uniform(0.1, 1, 198), 1.0, 1 / condition]
    assert taken((left * values) @ right.T).condition == pytest.approx(condition, rel=1e-5)


def test_a_diagonal_has_its_entries():
    found = taken(np.diag([4.0, 2.0, 2.0, 1.0]))
    assert found.spectral_norm == pytest.approx(4)
    assert found.stable_rank == pytest.approx(25 / 16)
    assert found.condition == pytest.approx(4)
    shares = np.array([4, 2, 2, 1]) / 9
    assert found.effective_rank == pytest.approx(np.prod(shares**-shares))


@settings(max_examples=80, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(-(2.0**60), 2.0**60, width=32),
    ).filter(np.any)
)
def test_any_array_agrees_with_numpy(values):
    same(taken(values), values)


@pytest.mark.parametrize("shape", [(300, 150), (150, 300)])
@pytest.mark.parametrize("band", [999, 1 << 22])
def test_the_norm_of_a_large_matrix_is_as_near_as_it_says(shape, band, monkeypatch):
    monkeypatch.setattr(matrix, "BAND", band)
    monkeypatch.setattr(singular_values, "GRAM_SIDE", 100)
    values = np.random.default_rng(8).normal(size=shape).astype(np.float32)
    found, exact = taken(values), np.linalg.svd(values.astype(np.float64), compute_uv=False)
    assert found.spectral_norm == pytest.approx(exact[0], rel=1e-5)
    assert abs(found.spectral_norm / exact[0] - 1) <= found.spectral_norm_error < 1e-6
    assert found.stable_rank == pytest.approx(((exact / exact[0]) ** 2).sum(), rel=1e-5)
    assert found.effective_rank is found.condition is found.condition_over is found.alpha is None
    monkeypatch.setattr(singular_values, "STEPS", 5)
    with pytest.raises(np.linalg.LinAlgError, match="not settled after 5 readings"):
        taken(values)


def test_the_norm_of_a_large_matrix_of_rank_one(monkeypatch):
    monkeypatch.setattr(singular_values, "GRAM_SIDE", 10)
    values = np.zeros((50, 60))
    values[3, 4] = 7
    found = taken(values)
    assert (found.spectral_norm, found.stable_rank) == (pytest.approx(7), pytest.approx(1))


def test_a_matrix_is_not_held_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "BAND", 1 << 14)
    values = np.random.default_rng(9).normal(size=(60_000, 32)).astype(np.float32)
    file = tmp_path / "weights"
    file.write_bytes(b"x" * 13 + values.tobytes())
    stored = StoredTensor(file, 13, values.shape, values.dtype)
    whole = matrix_of(stored, UnitView(60_000, 32, 1), 5.0)
    tracemalloc.start()
    found = spectrum(whole, values.shape, never)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    same(found, values)
    assert peak < values.nbytes / 2


def test_time_is_looked_at_within_a_matrix(monkeypatch):
    monkeypatch.setattr(matrix, "BAND", 30)
    calls = []

    def watch():
        calls.append(1)
        if len(calls) > 5:
            raise TimeoutError

    values = ArrayTensor(np.ones((40, 30)))
    for rows, units, side in ((40, 30, 100), (30, 40, 100), (40, 30, 9)):
        calls.clear()
        monkeypatch.setattr(singular_values, "GRAM_SIDE", side)
        with pytest.raises(TimeoutError):
            spectrum(matrix_of(values, UnitView(rows, units, 1), 1.0), (rows, units), watch)


# The power law


def slowly_fitted(values):
    """Clauset's fit, spelled out."""
    values = np.sort(values)
    best = (np.inf, None, None)
    for lowest in np.unique(values)[:-1]:
        tail = values[values >= lowest]
        alpha = 1 + len(tail) / np.log(tail / lowest).sum()
        fit = 1 - (tail / lowest) ** (1 - alpha)
        distance = np.abs(fit - np.arange(len(tail)) / len(tail)).max()
        best = min(best, (distance, alpha, len(tail)))
    return best[1:]


@pytest.mark.parametrize("seed", range(5))
def test_the_tail_is_that_of_the_textbook(seed):
    generator = np.random.default_rng(seed)
    values = generator.chisquare(3, size=300)
    found = fitted_tail(values)
    assert (found.alpha, found.values) == pytest.approx(slowly_fitted(values))


def test_a_power_law_is_known_again():
    values = np.random.default_rng(0).pareto(1.5, 20_000) + 1
    found = fitted_tail(values[:4_000] * 1e-9)
    assert found.alpha == pytest.approx(2.5, abs=0.1)


def test_too_few_values_and_equal_ones_have_no_tail():
    values = np.random.default_rng(0).pareto(1.5, LEAST)
    assert fitted_tail(values)
    assert fitted_tail(values[1:]) is None
    assert fitted_tail(np.full(100, 0.3)) is None
    assert fitted_tail(np.array([])) is None
