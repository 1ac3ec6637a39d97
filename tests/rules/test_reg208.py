import pytest
from msgspec.structs import replace
from oracles import oracle_of
from paths import FIXTURES
from rule_values import evidence, kernel, layer

from regaudit import audit
from regaudit.evidence.evidence import Evidence
from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.model import Regularizer, Status
from regaudit.report.severity import Severity
from regaudit.report.spelling import percent
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


def negative(config, class_name="L1L2", status=Status.IN_FORCE):
    """Return a regularizer as Keras 2 loads it."""
    stored = {"class_name": class_name, "config": config}
    return replace(parse_regularizer(stored, Dialect((2, 15, 0))), status=status)


NEGATIVE = [
    ({"l1": -0.1}, "L1", "l1(-0.1)"),
    ({"l2": -0.1}, "L2", "l2(-0.1)"),
    ({"l1": -0.1, "l2": 0.1}, "L1L2", "l1_l2(-0.1, 0.1)"),
    ({"l1": 0.1, "l2": -0.1}, "L1L2", "l1_l2(0.1, -0.1)"),
    ({"factor": -0.1, "mode": "rows"}, "OrthogonalRegularizer", "orthogonal(-0.1, rows)"),
]


@pytest.mark.parametrize(("config", "class_name", "shown"), NEGATIVE)
def test_negative_strengths_that_keras_2_lets_pass(config, class_name, shown):
    weight = kernel("a", regularizer=negative(config, class_name))
    (item,) = check(layer("a", weights=(weight,)))
    assert item.severity is Severity.ERROR
    assert item.message.startswith(f"{shown} has a negative strength: training enlarges the weigh")
    assert item.suggestion.code == "kernel_regularizer=None"
    (item,) = check(replace(layer("a"), activity_regularizer=negative(config, class_name)))
    assert item.message.startswith(f"activity_regularizer: {shown} has a negative strength: train")
    assert "outputs" in item.message


@pytest.mark.parametrize("status", [Status.FROZEN, Status.INERT])
def test_a_negative_strength_that_does_not_act_is_a_warning(status):
    weight = kernel("a", regularizer=negative({"l2": -0.1}, "L2", status))
    (item,) = check(layer("a", weights=(weight,)))
    assert item.severity is Severity.WARNING
    assert item.message == "l2(-0.1) has a negative strength: Keras 3 refuses to load it"


@pytest.mark.parametrize("strength", [-0.0, 0.0, 0.1])
def test_what_is_not_negative(strength):
    weight = kernel("a", regularizer=negative({"l1": strength, "l2": strength}))
    assert not check(layer("a", weights=(weight,)))


@pytest.mark.parametrize("name", ["negative_l2", "negative_l1_l2"])
def test_models_that_keras_2_saved_with_negative_strengths(name):
    """Nothing else is found on the weight that is rewarded; shares are those of Keras's losses."""
    file = FIXTURES / "keras_2" / f"{name}.h5"
    report = audit(file)
    assert {finding.code for finding in report.findings} == {"REG208"}
    assert {i.path for f in report.findings for i in f.items} == {"d/kernel"}
    losses = oracle_of(file)["losses"]
    shares = [report.share(w) for _, w in report.model.weights() if w.role == "kernel"]
    assert shares == pytest.approx([loss / sum(losses) for loss in losses])


def test_the_share_of_a_negative_penalty_has_its_sign():
    assert [percent(share) for share in (-0.25, -1e-5, 1e-5, 0.25)] == [
        "-25.0%",
        ">-0.1%",
        "<0.1%",
        "25.0%",
    ]


def _usable(value, valid, key):
    """Keras takes an integer for a factor, and then cannot compute the penalty."""
    return valid and not (key == "factor" and isinstance(value, int))


@pytest.mark.parametrize(("value", "valid"), STRENGTHS, ids=lambda value: str(value)[:8])
@pytest.mark.parametrize(("class_name", "key"), CLASSES)
def test_strengths_that_keras_refuses(value, valid, class_name, key):
    weight = kernel("a", regularizer=regularizer(value, class_name, key))
    items = check(layer("a", weights=(weight,)))
    assert bool(items) is not _usable(value, valid, key)
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


@pytest.mark.parametrize("version", ["2.15.0", "3.15.1"])
@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"class_name": "L2", "config": {"l2": 0.01, "foo": 1}}, "L2(l2=0.01): L2 takes no 'foo'"),
        ({"class_name": "L2", "config": {"l1": 0.01}}, "L2(l1=0.01): L2 takes no 'l1'"),
        ({"class_name": "L2", "config": 0.01}, "L2: its configuration is not an object"),
        ({"config": {"l2": 0.01}}, "it names no class"),
        ({}, "it names no class"),
    ],
)
def test_objects_that_no_keras_loads(stored, message, version):
    found = parse_regularizer(stored, Dialect.of(version))
    (item,) = check(layer("a", weights=(kernel("a", regularizer=found),)))
    assert item.message == f"{message}: Keras refuses to load it"


def test_a_name_that_keras_3_does_not_have():
    found = parse_regularizer("l1_l2", Dialect.of("3.15.1"))
    (item,) = check(layer("a", weights=(kernel("a", regularizer=found),)))
    assert item.message == "l1_l2: not the name of a regularizer: Keras 3 refuses to load it"


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
            if _usable(value, valid, key):
                make(**{key: value})(keras.ops.eye(2))
            elif valid:
                with pytest.raises(TypeError):
                    make(**{key: value})(keras.ops.eye(2))
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
