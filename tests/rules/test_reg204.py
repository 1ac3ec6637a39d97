import numpy as np
import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, l2, layer

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.model import Regularizer, Status
from regaudit.rules.reg204_default_strength import DefaultStrength


def check(regularizer, facts=None, **changes):
    """One kernel of norm 10 before 10 classes: H = 2.303."""
    weight = kernel("out", regularizer=regularizer, **changes)
    given = evidence(layer("out", weights=(weight,), units=10), facts=facts)
    return list(DefaultStrength().check(given))


@pytest.mark.parametrize(
    ("strength", "fires"),
    [
        (0.01, True),
        (float(np.float32(0.01)), True),  # what some versions store
        (0.01 * (1 + 9e-7), True),
        (0.01 * (1 + 2e-6), False),
        (0.01 * (1 - 2e-6), False),
        (0.001, False),
        (0.1, False),
        (0.0, False),
        (float("nan"), False),
    ],
)
@pytest.mark.parametrize("make", [l2, lambda value: l2(0.0, l1=value)])
def test_fires_on_the_default_alone(strength, fires, make):
    assert bool(check(make(strength))) is fires


def test_one_of_two_strengths_is_enough():
    assert check(l2(0.003, l1=0.01))
    assert check(l2(0.01, l1=0.003))


@pytest.mark.parametrize(("factor", "fires"), [(0.01, True), (0.02, False), ("0.01", False)])
def test_of_orthogonal_regularizers_it_reads_the_factor(factor, fires):
    config = {"factor": factor, "mode": "rows"}
    regularizer = Regularizer("OrthogonalRegularizer", None, None, config, Status.IN_FORCE)
    assert bool(check(regularizer)) is fires


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.IN_FORCE])
def test_what_is_not_in_force_passes(status):
    assert not check(l2(0.01, status=status))


def test_it_names_the_regularizer_and_its_penalty():
    (item,) = check(l2(0.01))
    assert (item.path, item.message) == ("out/kernel", "L2 with the default strength of 0.01")
    assert item.observed == {"penalty": pytest.approx(1.0)}  # 0.01 x 10^2


def test_no_strength_of_l2_is_suggested_for_l1_or_a_bias():
    for items in (check(l2(0.0, l1=0.01)), check(l2(0.01), role="bias")):
        assert [item.suggestion for item in items] == [None]


def test_of_outputs_too():
    (item,) = DefaultStrength().check(
        evidence(replace(layer("a"), activity_regularizer=l2(0.0, l1=0.01)))
    )
    assert (item.path, item.suggestion) == ("a", None)
    assert item.message == "activity regularizer L1 with the default strength of 0.01"
    for other in (l2(0.02), l2(0.01, status=Status.INERT)):
        plain = replace(layer("a"), activity_regularizer=other)
        assert not list(DefaultStrength().check(evidence(plain)))


def test_a_shared_weight_is_found_where_it_is_stored():
    assert not check(l2(0.01), shared_with="b/kernel")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["l1", "l2", "L1", "L2", "orthogonal_regularizer", "l1l2"])
def test_the_strings_that_it_names_mean_that_in_keras(keras, name):
    made = keras.regularizers.get(name)
    strengths = [float(getattr(made, key, 0.0)) for key in ("l1", "l2", "factor")]
    found = check(parse_regularizer(name, Dialect((3, 15, 1))))
    assert bool(found) is any(strength == pytest.approx(0.01) for strength in strengths)
