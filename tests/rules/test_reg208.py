import pytest
from msgspec.structs import replace
from paths import FIXTURES
from rule_values import evidence, kernel, layer

from regaudit.evidence.evidence import Evidence
from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.model import Regularizer, Status
from regaudit.rules.reg208_invalid_strength import InvalidStrength
from regaudit.tensors.tensor import TensorGroup

STRENGTHS = [
    (0.01, True),
    (0, True),
    (1, True),
    (True, True),
    (float("nan"), False),
    (float("inf"), False),
    (-1e-9, False),
    ("0.1", False),
    ([1e-4], False),
    ({"a": 1}, False),
    (10**400, False),
]
CLASSES = [("L1", "l1"), ("L2", "l2"), ("L1L2", "l2"), ("OrthogonalRegularizer", "factor")]


def regularizer(value, class_name="L2", key="l2"):
    stored = {"module": "keras.regularizers", "class_name": class_name, "config": {key: value}}
    return parse_regularizer(stored, Dialect((3, 15, 1)))


def check(*layers):
    return list(InvalidStrength().check(evidence(*layers)))


@pytest.mark.parametrize(("value", "valid"), STRENGTHS, ids=lambda value: str(value)[:8])
@pytest.mark.parametrize(("class_name", "key"), CLASSES)
def test_strengths_that_keras_refuses(value, valid, class_name, key):
    weight = kernel("a", regularizer=regularizer(value, class_name, key))
    items = check(layer("a", weights=(weight,)))
    assert bool(items) is not valid
    assert all(key in item.message and len(item.message) < 200 for item in items)


def test_wherever_a_regularizer_is_given():
    wrong = regularizer(-1.0)
    plain = layer("a")
    (activity,) = check(replace(plain, activity_regularizer=wrong))
    assert activity.message.startswith("activity_regularizer: L2(l2=-1.0)")
    (unplaced,) = check(replace(plain, unplaced={"bias_regularizer": wrong}))
    assert unplaced.message.startswith("bias_regularizer")
    assert not check(replace(plain, unplaced={"kernel_regularizer": wrong}, known=False))
    shared = kernel("a", regularizer=wrong, shared_with="b/kernel")
    assert not check(layer("a", weights=(shared,)))


def test_a_key_that_governs_no_weight_is_still_read():
    stored = {"class_name": "L2", "config": {"l2": float("nan")}}
    config = {"name": "a", "units": 2, "use_bias": False, "bias_regularizer": stored}
    serialized = {"class_name": "Dense", "config": config}
    model = {"class_name": "Sequential", "config": {"layers": [serialized]}}
    described = describe(model, {"keras_version": "3.15.1"}, TensorGroup()).model
    (item,) = InvalidStrength().check(Evidence(described))
    assert item.message.startswith("bias_regularizer: L2(l2=nan)")


@pytest.mark.parametrize("value", [17, [1], True])
def test_what_is_no_regularizer_at_all(value):
    weight = kernel("a", regularizer=parse_regularizer(value, Dialect((3, 15, 1))))
    (item,) = check(layer("a", weights=(weight,)))
    assert item.message.startswith("not a regularizer")


def test_an_unknown_mode():
    (item,) = check(
        layer(
            "a",
            weights=(kernel("a", regularizer=regularizer([], "OrthogonalRegularizer", "mode")),),
        )
    )
    assert "mode" in item.message


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_keras_refuses_these_and_the_example():
    keras = pytest.importorskip("keras")
    for value, valid in STRENGTHS:
        for class_name, key in CLASSES:
            make = getattr(keras.regularizers, class_name)
            if valid:
                make(**{key: value})
            else:
                with pytest.raises((ValueError, OverflowError, TypeError)):
                    make(**{key: value})
    file = FIXTURES / "rules" / "REG208" / "bad.keras"
    with pytest.raises(Exception, match="expected a non-negative float"):
        keras.models.load_model(file)


def test_one_whose_weight_is_not_stored_is_not_refused():
    here = Regularizer("L2", 0.0, 0.1, {}, Status.UNKNOWN, "its weight is not stored here")
    lost = replace(layer("a"), unplaced={"kernel_regularizer": here}, activity_regularizer=here)
    assert not list(InvalidStrength().check(evidence(lost)))
