"""What regularizers add to the loss, worked out by NumPy and by Keras itself."""

import numpy as np
import pytest
from msgspec.structs import replace
from rule_values import kernel, l2, layer, moments

from regaudit.measures.penalty import penalties
from regaudit.model import Model, Regularizer, Status
from regaudit.tensors.tensor import ArrayTensor

VALUES = np.random.default_rng(0).normal(0.1, 0.5, (7, 5))


def penalty(regularizer, values=VALUES, version="3.15.1", **changes):
    """Return what one weight adds, by its values."""
    weight = kernel("a", values.shape, regularizer=regularizer, **changes)
    model = Model("m", "Sequential", (layer("a", weights=(weight,)),), keras_version=version)
    measured = replace(
        moments(weight),
        l1_norm=float(np.abs(values).sum()),
        l2_norm=float(np.sqrt(np.square(values).sum())),
    )
    at = weight.stored_path
    (found,) = penalties(model, {at: measured}, {at: ArrayTensor(values)}).items()
    assert found[0] == at
    return found[1]


def orthogonal(factor=0.1, mode="rows", status=Status.IN_FORCE):
    config = {"factor": factor, "mode": mode}
    return Regularizer("OrthogonalRegularizer", None, None, config, status)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.3), (0.2, 0.0), (0.2, 0.3), (0.0, 1e-12)])
def test_l1_and_l2_without_a_half(first, second):
    expected = first * np.abs(VALUES).sum() + second * np.square(VALUES).sum()
    assert penalty(l2(second, l1=first)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (2, 1), (1_300, 3)])  # more rows than a block
@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_is_the_mean_of_the_cosines(shape, mode):
    values = np.random.default_rng(1).normal(size=shape)
    rows = values if mode == "rows" else values.T
    if len(rows) == 1:
        assert penalty(orthogonal(mode=mode), values) is None  # 0/0 in Keras
        return
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    above = np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]
    assert penalty(orthogonal(0.1, mode), values) == pytest.approx(0.1 * above.mean(), rel=1e-9)


def test_orthogonal_rows_cost_nothing_and_a_row_of_zeros_neither():
    assert penalty(orthogonal(), np.eye(4)) == pytest.approx(0.0)
    assert penalty(orthogonal(), np.zeros((3, 4))) == 0.0


def test_orthogonal_of_what_is_no_matrix_is_not_told():
    assert penalty(orthogonal(), np.ones((2, 2, 2))) is None


@pytest.mark.parametrize(
    ("status", "keras_3", "keras_2"),
    [
        (Status.IN_FORCE, 0.5, 0.5),
        (Status.FROZEN, 0.0, 0.5),  # Keras 2 adds it as a constant
        (Status.INERT, 0.0, 0.0),
        (Status.OPAQUE, None, None),
        (Status.UNKNOWN, None, None),
    ],
)
def test_what_a_status_means_depends_on_the_keras(status, keras_3, keras_2):
    values = np.ones((4, 1))
    assert penalty(l2(0.125, status=status), values) == keras_3
    assert penalty(l2(0.125, status=status), values, "2.15.0") == keras_2
    assert penalty(l2(0.125, status=status), values, None) == keras_3


def test_no_regularizer_costs_nothing_and_a_shared_weight_pays_once():
    assert penalty(None) == 0.0
    assert penalty(l2(1.0), shared_with="b/kernel") == 0.0


@pytest.mark.parametrize("norms", [{"l1_norm": None}, {"l2_norm": None}, None])
def test_values_that_were_not_measured_leave_it_untold(norms):
    weight = kernel("a", regularizer=l2(1.0))
    model = Model("m", "Sequential", (layer("a", weights=(weight,)),), keras_version="3.15.1")
    measured = {} if norms is None else {weight.stored_path: replace(moments(weight), **norms)}
    assert penalties(model, measured, {}) == {weight.stored_path: None}


def test_a_sum_beyond_all_numbers_is_not_told():
    assert penalty(l2(1e300), np.full((2, 2), 1e100)) is None


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("values", [VALUES, VALUES.T, np.zeros((3, 3))], ids=["7x5", "5x7", "0"])
def test_it_is_what_keras_adds(keras, values):
    made = keras.regularizers
    pairs = [
        (made.L1(0.2), l2(0.0, l1=0.2)),
        (made.L2(0.3), l2(0.3)),
        (made.L1L2(0.2, 0.3), l2(0.3, l1=0.2)),
        (made.OrthogonalRegularizer(0.1, "rows"), orthogonal(0.1, "rows")),
        (made.OrthogonalRegularizer(0.1, "columns"), orthogonal(0.1, "columns")),
    ]
    for real, ours in pairs:
        expected = float(real(keras.ops.convert_to_tensor(values, "float32")))
        assert penalty(ours, values) == pytest.approx(expected, rel=1e-4, abs=1e-6)
