import json
import math

import numpy as np
import pytest
from paths import FIXTURES
from rule_values import evidence, kernel, layer

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import is_refused, parse_regularizer
from regaudit.measures.moments import measure
from regaudit.model import Regularizer, Status
from regaudit.report.severity import Severity
from regaudit.rules.reg211_penalty_out_of_range import PenaltyOutOfRange
from regaudit.tensors.tensor import ArrayTensor

TABLE = json.loads((FIXTURES / "dtype_penalties.json").read_text(encoding="utf-8"))

CASES = [
    # dtype, l1, l2, value of all 256 x 256 weights, and what Keras makes of it
    ("float16", 0.0, 1e-4, 1.2, math.inf),  # the sum overflows
    ("float16", 1e-4, 0.0, 1.0, math.inf),
    ("float16", 0.0, 1e-4, 300.0, math.inf),  # a square does
    ("float16", 0.0, 1e5, 0.1, math.inf),  # the strength does
    ("float16", 1e-4, 1e-4, 1.2, math.inf),
    ("float16", 0.0, 1e-4, 0.5, 1.638671875),
    ("float16", 0.0, 1e-8, 0.5, 0.0),  # the strength underflows
    ("float16", 1e-8, 0.0, 0.5, 0.0),
    ("float16", 0.0, 1e-2, 1e-4, 0.0),  # the squares do
    ("float16", 1e-2, 1e-2, 1e-4, 0.0655),
    ("float32", 0.0, 1e-4, 1.2, 9.437),
    ("float32", 0.0, 1e-2, 1e20, math.inf),
    ("float32", 1e-2, 0.0, 3e38, math.inf),
    ("float32", 0.0, 1e-46, 1.0, 0.0),
    ("float32", 0.0, 1e-2, 1e-23, 0.0),
    ("bfloat16", 0.0, 1e-2, 1e20, math.inf),
    ("bfloat16", 0.0, 1e-4, 1.0, 6.55),
    ("float64", 0.0, 1e-4, 1e20, 6.5536e40),
]


def found(dtype, l1, l2, value, *, status=Status.IN_FORCE, keras="3.15.1", **changes):
    regularizer = Regularizer("L1L2", l1, l2, {"l1": l1, "l2": l2}, status)
    return found_on((256, 256), value, dtype, regularizer, keras, **changes)


def found_on(shape, value, dtype, regularizer, keras, *, layers=1, **changes):
    """Return what is found on kernels filled with one value."""
    stored = np.full(shape, value, "float32" if dtype == "bfloat16" else dtype)
    (numbers,) = measure([(ArrayTensor(stored), None)])
    measured = {k: getattr(numbers, k) for k in ("l1_norm", "l2_norm", "max_abs")}
    names = "abc"[:layers]
    weights = [kernel(n, shape, dtype=dtype, regularizer=regularizer, **changes) for n in names]
    given = evidence(
        *(layer(name, weights=(weight,)) for name, weight in zip(names, weights, strict=True)),
        penalties=dict.fromkeys((f"{name}/kernel" for name in names), 1.0),
        numbers={f"{name}/kernel": measured for name in names},
        keras=keras,
    )
    return list(PenaltyOutOfRange().check(given))


@pytest.mark.parametrize("version", TABLE["versions"])
def test_every_keras_finds_the_penalty_so(version):
    """Infinite, zero, an error or neither; see `fixtures/dtype_penalties.py`."""
    at, keras = TABLE["versions"].index(version), version.rpartition("-")[2]
    wrong = []
    for dtype, class_name, config, value, outcomes in TABLE["cases"]:
        outcome = outcomes[at]
        stored = {"class_name": class_name, "config": config}
        regularizer = parse_regularizer(stored, Dialect.of(keras))
        kept = "float32" if dtype.startswith("mixed") else dtype
        items = found_on((4, 4), value, kept, regularizer, keras)
        says = items[0].severity if items else None
        if is_refused(regularizer) or regularizer.status is Status.INERT:
            right = isinstance(outcome, str) or outcome == 0.0
        elif isinstance(outcome, str):
            right = says is Severity.ERROR
        elif outcome == 0.0:
            right = says is Severity.WARNING
        else:
            right = not items
        if not right and class_name != "OrthogonalRegularizer":
            wrong.append(f"{dtype} {class_name} {config} {value}: {outcome} in Keras, not {says}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("dtype", "value", "strength"), [("float16", 50.0, 1.0), ("float32", 1e18, 15.0)]
)
def test_penalties_overflow_together(dtype, value, strength):
    """As measured: `sum(model.losses)` and the loss of a step are infinite."""
    regularizer = Regularizer("L2", 0.0, strength, {"l2": strength}, Status.IN_FORCE)
    assert not found_on((4, 4), value, dtype, regularizer, "3.15.1", layers=1)
    (item,) = found_on((4, 4), value, dtype, regularizer, "3.15.1", layers=2)
    assert item.message.startswith(f"the penalties of its {dtype} weights overflow {dtype} tog")
    assert item.severity is Severity.ERROR


@pytest.mark.parametrize(("dtype", "l1", "l2", "value", "penalty"), CASES)
def test_overflow_is_an_error_and_underflow_a_warning(dtype, l1, l2, value, penalty):
    items = found(dtype, l1, l2, value)
    assert bool(items) is (penalty in {0.0, math.inf})
    for item in items:
        assert f"flows {'' if penalty else 'to 0 in '}{dtype}" in item.message
        assert item.severity is (Severity.ERROR if penalty else Severity.WARNING)


def test_only_what_is_paid():
    case = ("float16", 0.0, 1e-4, 2.0)
    assert not found(*case, status=Status.FROZEN)
    assert found(*case, status=Status.FROZEN, keras="2.15.0")
    assert not found(*case, shared_with="b/kernel")
    assert not found("float16", 0.0, 0.0, 1.2)
    assert not found("float16", 0.0, 1e-4, 0.0)
    assert not found("int8", 0.0, 1e-4, 1.0)


@pytest.mark.keras
@pytest.mark.parametrize(("dtype", "l1", "l2", "value", "penalty"), CASES)
def test_keras_agrees(dtype, l1, l2, value, penalty):
    keras = pytest.importorskip("keras")
    regularizer = keras.regularizers.L1L2(l1, l2) if l1 else keras.regularizers.L2(l2)
    weight = keras.ops.cast(keras.ops.full((256, 256), value, "float64"), dtype)
    assert float(regularizer(weight)) == pytest.approx(penalty, rel=1e-2)
