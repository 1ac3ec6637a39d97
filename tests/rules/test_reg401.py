import numpy as np
import pytest
from paths import FIXTURES
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.evidence.evidence import Evidence
from regaudit.report.severity import Severity
from regaudit.rules.reg401_nonfinite_weight import NonfiniteWeight
from regaudit.settings.config import Config


def check(*weights, counts=None):
    numbers = {path: {"nonfinite": count} for path, count in (counts or {}).items()}
    return list(NonfiniteWeight().check(evidence(layer("a", weights=weights), numbers=numbers)))


@pytest.mark.parametrize(("count", "fires"), [(0, False), (1, True), (1_000_000, True)])
def test_one_value_is_enough(count, fires):
    assert bool(check(kernel("a"), counts={"a/kernel": count})) is fires


def test_it_counts_them():
    (item,) = check(kernel("a"), counts={"a/kernel": 3_000})
    assert (item.path, item.severity) == ("a/kernel", Severity.ERROR)
    assert item.message == "3,000 of 1,000,000 values are NaN or infinite"
    assert item.observed == {"nonfinite": 3_000, "size": 1_000_000}


def test_the_weight_with_the_most_is_the_worst():
    small = kernel("b", (10, 10))
    items = check(kernel("a"), small, counts={"a/kernel": 2, "b/kernel": 50})
    assert max(items, key=lambda item: item.rank).path == "b/kernel"


@pytest.mark.parametrize(
    "changes", [{"role": "moving_variance"}, {"role": "variable_0"}, {"trainable": False}]
)
def test_any_weight_may_have_them(changes):
    assert check(kernel("a", **changes), counts={"a/kernel": 1})


def test_a_weight_that_was_not_measured_passes():
    given = evidence(layer("a", weights=(kernel("a"),)), numbers={"a/kernel": {"nonfinite": 1}})
    assert not list(NonfiniteWeight().check(Evidence(given.model)))


def test_needs_the_values():
    given = evidence(layer("a", weights=(kernel("a"),)))
    assert NonfiniteWeight().not_run(given) is None
    lacking = NonfiniteWeight().not_run(Evidence(given.model, values=False))
    assert "--no-weights" in lacking.needs


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_all_kinds_of_them_are_counted_in_a_file(keras, dtype, tmp_path):
    dense = keras.layers.Dense(5, dtype=dtype)
    model = keras.Sequential([keras.Input((4,)), dense])
    values = np.zeros((4, 5))
    values[0, :3] = np.nan, np.inf, -np.inf
    dense.kernel.assign(values)
    model.save(tmp_path / "model.keras")
    (finding,) = regaudit.audit(
        tmp_path / "model.keras", Config.default(select=["REG401"])
    ).findings
    (item,) = finding.items
    assert item.observed == {"nonfinite": 3, "size": 20}


def test_the_example_holds_one():
    file = FIXTURES / "rules" / "REG401" / "bad.keras"
    (finding,) = regaudit.audit(file, Config.default(select=["REG401"])).findings
    assert [item.message for item in finding.items] == ["1 of 32 values are NaN or infinite"]
