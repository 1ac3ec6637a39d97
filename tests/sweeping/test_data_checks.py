"""Data that do not fit a model or its loss: one line each, that says which way out."""

import numpy as np
import pytest
from stand_ins import Batches, Model, Unnamed

from regaudit.live.data_file import DataError
from regaudit.sweeping.data import check, from_object

CLASSES = Model([(None, 8, 8, 1)], [(None, 10)])
VALUE = Model([(None, 3)], [(None, 1)])
PICTURES = np.ones((100, 8, 8, 1), "float32")
LABELS = np.arange(100) % 10
ROWS = np.ones((100, 3), "float32")
SPARSE, ONE_HOT, BINARY = (
    f"{kind}_crossentropy" for kind in ("sparse_categorical", "categorical", "binary")
)

CONFIG = {"class_name": "SparseCategoricalCrossentropy", "config": {}}


class SparseCategoricalCrossentropy:
    """As Keras 3 keeps its argument."""

    def __init__(self, ignore_class=None):
        self.ignore_class = ignore_class


class Mine(SparseCategoricalCrossentropy):
    """A user's subclass."""


def checked(model, given, loss, what="--data"):
    return check(from_object(given, model, "set"), model, loss, what)


def refused(*args):
    with pytest.raises(DataError) as caught:
        checked(*args)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{args[3] if len(args) > 3 else '--data'} (set)")
    return message


def changed(array, values):
    """Return an array whose first values are others."""
    new = array.astype("float32")
    new.flat[: len(values)] = values
    return new


@pytest.mark.parametrize(
    ("model", "x", "y", "loss"),
    [
        (CLASSES, PICTURES, LABELS, SPARSE),
        (CLASSES, PICTURES, LABELS[:, None].astype("float32"), SPARSE),
        (CLASSES, PICTURES[..., 0], LABELS, {"class_name": "SparseCategoricalCrossentropy"}),
        (CLASSES, PICTURES, np.eye(10)[LABELS], ONE_HOT),
        (CLASSES, PICTURES.astype("uint8"), np.eye(10)[LABELS] > 0, BINARY),
        (CLASSES, PICTURES, np.eye(10)[LABELS], None),
        (CLASSES, PICTURES, LABELS, lambda _, output: output),
        (VALUE, ROWS, LABELS, "mse"),
        (VALUE, ROWS, LABELS[:, None] - 5.0, "MeanSquaredError"),
        (VALUE, ROWS, LABELS > 4, BINARY),
        (Model([(None, None, 3)], [(None, None, 2)]), np.ones((9, 4, 3)), np.ones((9, 4)), SPARSE),
        (Model([(None, 3)], [(None, None)]), ROWS, LABELS, SPARSE),
        (Model([None], [None]), ROWS, LABELS, "mse"),
        (Unnamed(), ROWS, LABELS % 2, SPARSE),
    ],
)
def test_what_fits(model, x, y, loss):
    assert checked(model, (x, y), loss) == 100 or len(x) == 9


def test_text_for_a_model_that_takes_it():
    model = Model([(None, 1)], [(None, 1)], "string")
    given = (np.array(["a", "b"]), np.array([1, 2]))
    checked(model, Batches(given), "mse")
    assert "from a tf.data.Dataset alone" in refused(model, given, "mse")


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (
            PICTURES.reshape(100, 64),
            "x does not fit the model: expected (None, 8, 8, 1), got (100, 64)",
        ),
        (PICTURES[:, :7], "got (100, 7, 8, 1)"),
        (changed(PICTURES, [np.nan]), "x has 1 value that is NaN: remove or replace"),
        (changed(PICTURES, [np.nan, np.nan, np.inf]), "2 values that are NaN and 1 infinite value"),
        (changed(PICTURES, [-np.inf, np.inf]), "x has 2 infinite values"),
        (np.full((100, 8, 8, 1), "a"), "x has text: the model takes numbers"),
        (PICTURES.astype(complex), "x has values of type complex128"),
    ],
)
def test_inputs_that_do_not_fit(x, words):
    assert words in refused(CLASSES, (x, LABELS), SPARSE)


@pytest.mark.parametrize(
    ("model", "y", "loss", "words"),
    [
        (
            CLASSES,
            LABELS + 1,
            SPARSE,
            "y reach 10, the output has 10 units: labels go from 0 to 9, so subtract 1",
        ),
        (CLASSES, LABELS * 2, SparseCategoricalCrossentropy(), "labels of y reach 18"),
        (CLASSES, LABELS * 2, [Mine()], "labels of y reach 18"),
        (CLASSES, LABELS * 2, CONFIG, "reach 18"),
        (CLASSES, LABELS - 1, SPARSE, "labels of y start at -1: labels go from 0 to 9"),
        (CLASSES, LABELS / 2, SPARSE, "labels of y must be whole numbers, one is 0.5"),
        (CLASSES, np.eye(10)[LABELS], SPARSE, "use y.argmax(-1), or a loss that is not sparse"),
        (
            CLASSES,
            np.ones((100, 3)),
            SPARSE,
            "shape (100, 3), the loss takes labels of shape (None,)",
        ),
        (CLASSES, changed(LABELS, [np.nan]), SPARSE, "y has 1 value that is NaN"),
        (CLASSES, LABELS.astype(str), SPARSE, "y has text"),
        (CLASSES, LABELS, ONE_HOT, "(100,), the model puts out (None, 10): one-hot encode it"),
        (CLASSES, LABELS[:, None], ONE_HOT, "one-hot encode it"),
        (CLASSES, np.eye(10)[LABELS][:, :9], ONE_HOT, "the model puts out (None, 10)"),
        (CLASSES, np.eye(10)[LABELS] * 2, ONE_HOT, "y goes from 0 to 2"),
        (VALUE, LABELS, BINARY, "9, its loss is binarycrossentropy: give values from 0 to 1"),
        (VALUE, LABELS % 2 * 2 - 1, BINARY, "y goes from -1 to 1"),
        (VALUE, np.ones((100, 2)), "mse", "y has the shape (100, 2), the model puts out (None, 1)"),
        (Model([(None, 3)], [(None, 5)]), np.ones((100, 1)), "mse", "the model puts out (None, 5)"),
        (Unnamed(), LABELS, SPARSE, "labels of y reach 9, the output has 2 units"),
    ],
)
def test_truths_that_do_not_fit(model, y, loss, words):
    x = PICTURES if model is CLASSES else ROWS
    assert words in refused(model, (x, y), loss)


def test_a_label_that_the_loss_leaves_out():
    loss = SparseCategoricalCrossentropy(ignore_class=-1)
    assert checked(CLASSES, (PICTURES, LABELS - 1), loss) == 100
    config = {"class_name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 255}}
    y = changed(LABELS, [255])
    assert checked(CLASSES, (PICTURES, y), config) == 100
    assert "reach 255" in refused(CLASSES, (PICTURES, y), SPARSE)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (changed(np.ones(100), [-1, -2]), "sample_weight has 2 negative values"),
        (np.zeros(100), "all weights of samples are zero"),
        (changed(np.ones(100), [np.nan]), "sample_weight has 1 value that is NaN"),
        (np.full(100, "1"), "sample_weight has text"),
    ],
)
def test_weights_that_weigh_nothing(weights, words):
    assert words in refused(VALUE, (ROWS, LABELS, weights), "mse")


def test_one_sample():
    words = "has one sample: no error can be told from it; give at least 2, better 200"
    assert words in refused(VALUE, (ROWS[:1], LABELS[:1]), "mse", "--val-data")
    assert words in refused(VALUE, Batches((ROWS[:1], LABELS[:1])), "mse", "the validation data")
    assert checked(VALUE, (ROWS[:1], LABELS[:1]), "mse") == 1


def test_every_output_has_its_loss():
    model = Model([(None, 3)], {"kind": (None, 4), "price": (None, 1)})
    losses = {"kind": SPARSE, "price": "mse"}
    checked(model, (ROWS, {"kind": LABELS % 4, "price": LABELS}), losses)
    message = refused(model, (ROWS, {"kind": LABELS, "price": LABELS}), losses)
    assert "labels of kind reach 9" in message
    checked(model, (ROWS, {"kind": LABELS, "price": LABELS}), {"price": "mse"})
    message = refused(model, (ROWS, [LABELS % 4, ROWS]), [SPARSE, "mse"])
    assert "price has the shape (100, 3)" in message


def test_a_model_that_names_nothing_is_run():
    words = "the model does not run on x of shape (2, 4): "
    assert words in refused(Unnamed(), (np.ones((100, 4)), LABELS), "mse")
    several = ([ROWS, ROWS], LABELS)
    assert "does not run on x of shape (2, 3), (2, 3)" in refused(Unnamed(), several, "mse")


def test_all_batches_are_looked_at():
    good, bad = (PICTURES, LABELS), (PICTURES, LABELS + 1)
    assert checked(CLASSES, Batches(good, good), SPARSE) == 200
    with pytest.raises(DataError, match=r"--data \(set\), batch 2: labels of y reach 10"):
        checked(CLASSES, Batches(good, bad), SPARSE)
    with pytest.raises(
        DataError, match=r"batch 1: the numbers of samples differ \(x: 100, y: 99\)"
    ):
        checked(CLASSES, Batches((PICTURES, LABELS[1:])), SPARSE)
    with pytest.raises(DataError, match="y has 2 arrays, the model 1 output"):
        checked(CLASSES, Batches((PICTURES, (LABELS, LABELS))), SPARSE)
    with pytest.raises(DataError, match="x has 2 arrays, the model 1 input"):
        checked(CLASSES, Batches(((PICTURES, PICTURES), LABELS)), SPARSE)
    with pytest.raises(DataError, match="it comes one by one: batch it"):
        checked(CLASSES, Batches((PICTURES[0], LABELS[0])), SPARSE)
    with pytest.raises(DataError, match="all weights of samples are zero"):
        checked(VALUE, Batches((ROWS, LABELS, LABELS * 0)), "mse")


def test_a_validation_set_that_shuffles():
    rng = np.random.default_rng(0)
    order = Batches(lambda: (ROWS, rng.permutation(LABELS)))
    words = "its first batch is another each time it is read: do not shuffle"
    assert words in refused(VALUE, order, "mse", "--val-data")
    assert checked(VALUE, order, "mse") == 100
