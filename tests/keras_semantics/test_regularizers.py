"""What a stored regularizer means, by version; `keras.regularizers.get` is the source."""

import pytest

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import is_refused, parse_regularizer
from regaudit.model import Status

KERAS_3 = Dialect.of("3.15.1")
KERAS_2 = Dialect.of("2.15.0")
HDF5 = Dialect((2, 15, 0), of_hdf5=True)


def test_the_base_class_of_keras_adds_nothing_and_one_of_that_name_is_custom():
    stored = {"class_name": "Regularizer", "config": {}, "module": "keras.regularizers"}
    of_keras = parse_regularizer(stored, KERAS_3)
    assert (of_keras.status, of_keras.l1, of_keras.l2) == (Status.INERT, 0.0, 0.0)
    stored["registered_name"] = "my>Regularizer"
    assert parse_regularizer(stored, KERAS_3).status is Status.OPAQUE


@pytest.mark.parametrize(("dialect", "keras"), [(KERAS_2, "Keras 2"), (KERAS_3, "Keras 3")])
def test_a_class_of_another_module_is_taken_for_the_one_of_keras(dialect, keras):
    """Unless the load is given the other one, which the file cannot tell."""
    stored = {"module": "mine", "class_name": "L2", "registered_name": "L2", "config": {"l2": 0.1}}
    found = parse_regularizer(stored, dialect)
    assert (found.status, found.class_name, found.l2) == (Status.IN_FORCE, "L2", 0.1)
    assert found.why == f"saved as the custom class mine.L2, but {keras} loads its own L2"
    other = parse_regularizer({**stored, "config": {"rate": 0.1}}, dialect)
    assert other.status is Status.OPAQUE


def test_a_string_has_the_default_strengths_of_its_version():
    """Keras 3 refuses "l1_l2", of 0.01 each before; its own "l1l2" is `L1L2(l1=0, l2=0)`."""
    assert is_refused(parse_regularizer("l1_l2", KERAS_3))
    new, old = parse_regularizer("l1l2", KERAS_3), parse_regularizer("l1_l2", KERAS_2)
    assert (new.class_name, new.l1, new.l2, new.status) == ("L1L2", 0.0, 0.0, Status.INERT)
    assert new.why == 'the string "l1l2" means strengths of zero'
    assert (old.l1, old.l2, old.status) == (0.01, 0.01, Status.IN_FORCE)
    assert parse_regularizer("l2", KERAS_3).l2 == 0.01


def test_a_custom_class_that_keras_2_takes_for_its_own_is_said_with_all_that_is_wrong():
    stored = {"class_name": "L2", "registered_name": "my>L2", "config": {"l2": 0.0}}
    found = parse_regularizer(stored, HDF5)
    assert found.why == (
        "saved as the custom class my>L2, but Keras 2 loads its own L2. its strength is zero"
    )


@pytest.mark.parametrize(
    ("version", "keras_1"), [("1.2.2", True), ("2.0.0", False), ("2.0.1", False)]
)
def test_keras_1_ends_with_1(version, keras_1):
    assert Dialect.of(version).keras_1 is keras_1
