import json
import math

import pytest
from paths import FIXTURES
from rule_values import evidence, kernel, layer

from regaudit.model import Regularizer, Status
from regaudit.rules.reg210_orthogonal_undefined import OrthogonalUndefined

CASES = [
    ((3, 4), "rows", ""),
    ((2, 1), "rows", ""),
    ((1, 2), "columns", ""),
    ((1, 4), "rows", "NaN"),
    ((4, 1), "columns", "NaN"),
    ((4,), "rows", "error"),
    ((2, 3, 4), "columns", "error"),
]


def found(shape, mode="rows", status=Status.IN_FORCE, keras="3.15.1", **changes):
    config = {"factor": 0.01, "mode": mode}
    regularizer = Regularizer("OrthogonalRegularizer", None, None, config, status)
    weight = kernel("a", shape, regularizer=regularizer, **changes)
    given = evidence(layer("a", weights=(weight,)), penalties={"a/kernel": None}, keras=keras)
    return list(OrthogonalUndefined().check(given))


@pytest.mark.parametrize(("shape", "mode", "says"), CASES)
def test_matrices_of_several_rows_pass(shape, mode, says):
    items = found(shape, mode)
    assert bool(items) is bool(says)
    assert all(says in item.message for item in items)
    assert all(item.suggestion.code == "kernel_regularizer=None" for item in items)


def test_only_what_is_paid():
    assert not found((1, 4), status=Status.FROZEN)
    assert found((1, 4), status=Status.FROZEN, keras="2.15.0")
    assert not found((1, 4), status=Status.INERT)
    assert not found((1, 4), shared_with="b/kernel")


def test_dtypes_in_which_keras_3_does_not_multiply_the_factor():
    table = json.loads((FIXTURES / "dtype_penalties.json").read_text(encoding="utf-8"))
    cases = [case for case in table["cases"] if case[1] == "OrthogonalRegularizer"]
    failed = 0
    for dtype, _, config, _, outcomes in cases:
        kept = "float32" if dtype.startswith("mixed") else dtype
        for version, outcome in zip(table["versions"], outcomes, strict=True):
            keras = version.rpartition("-")[2]
            items = found((4, 4), config["mode"], keras=keras, dtype=kept)
            assert bool(items) is isinstance(outcome, str), (dtype, version)
            assert all(kept in item.message for item in items)
            failed += bool(items)
    assert failed


@pytest.mark.keras
@pytest.mark.parametrize(("shape", "mode", "says"), CASES)
def test_keras_agrees(shape, mode, says):
    keras = pytest.importorskip("keras")
    penalty = keras.regularizers.OrthogonalRegularizer(0.01, mode)
    if says == "error":
        with pytest.raises(ValueError, match="rank 2"):
            penalty(keras.ops.ones(shape))
    else:
        assert math.isnan(float(penalty(keras.ops.ones(shape)))) is bool(says)
