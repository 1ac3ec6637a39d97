import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.report.severity import Severity
from regaudit.rules.reg201_zero_strength_regularizer import ZeroStrengthRegularizer

KERAS_3, KERAS_2 = Dialect((3, 15, 1)), Dialect((2, 15, 0))
STRINGS = ["l1", "l2", "l1l2", "L1L2"]


def stored(class_name, **config):
    return {"module": "keras.regularizers", "class_name": class_name, "config": config}


def check(*layers):
    return list(ZeroStrengthRegularizer().check(evidence(*layers)))


def on_kernel(value, dialect=KERAS_3, **changes):
    weight = kernel("a", regularizer=parse_regularizer(value, dialect), **changes)
    return check(layer("a", weights=(weight,)))


@pytest.mark.parametrize(
    ("value", "fires"),
    [
        (stored("L2", l2=0.0), True),
        (stored("L2", l2=0), True),
        (stored("L2", l2=-0.0), True),
        (stored("L1", l1=0.0), True),
        (stored("L1L2", l1=0.0, l2=0.0), True),
        (stored("L1L2"), True),  # L1L2() without arguments
        (stored("OrthogonalRegularizer", factor=0.0, mode="rows"), True),
        (stored("L2", l2=1e-30), False),
        (stored("L1L2", l1=0.0, l2=1e-4), False),
        (stored("L1L2", l1=1e-4, l2=0.0), False),
        (stored("L2"), False),  # L2() means 0.01
        (stored("OrthogonalRegularizer", mode="rows"), False),
        (None, False),
        # What Keras refuses is REG208's, and what is custom is REG904's.
        (stored("L2", l2=float("nan")), False),
        (stored("L2", l2="0.0"), False),
        (stored("L2", l2=[0.0]), False),
        ({"registered_name": "my>L2", "class_name": "L2", "config": {"l2": 0.0}}, False),
        (17, False),
    ],
)
def test_fires_where_all_strengths_are_zero(value, fires):
    assert bool(on_kernel(value)) is fires


def test_it_says_which_and_why():
    (item,) = on_kernel(stored("L2", l2=0.0))
    assert (item.path, item.severity, item.rank) == ("a/kernel", Severity.WARNING, 1_000_000)
    assert item.message == "L2 adds nothing: its strength is zero"
    (item,) = on_kernel("L1L2")
    assert 'the string "L1L2"' in item.message


def test_of_outputs_too():
    nothing = parse_regularizer(stored("L1", l1=0.0), KERAS_3)
    (item,) = check(replace(layer("a"), activity_regularizer=nothing))
    assert item.path == "a"
    assert item.message.startswith("activity regularizer: L1 adds nothing")
    something = parse_regularizer(stored("L1", l1=0.1), KERAS_3)
    assert not check(replace(layer("a"), activity_regularizer=something))


def test_a_shared_weight_is_found_where_it_is_stored():
    assert not on_kernel(stored("L2", l2=0.0), shared_with="b/kernel")


def test_strings_mean_a_strength_in_keras_2_but_for_the_name_of_the_class():
    """As `fixtures/identifiers.json` has it."""
    zero = {name for name in [*STRINGS, "l1_l2"] if on_kernel(name, KERAS_2)}
    assert zero == {"L1L2"}


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STRINGS)
def test_it_takes_the_strings_as_keras_does(keras, name):
    made = keras.regularizers.get(name)
    strengths = float(getattr(made, "l1", 0.0)), float(getattr(made, "l2", 0.0))
    assert bool(on_kernel(name)) is not any(strengths)
