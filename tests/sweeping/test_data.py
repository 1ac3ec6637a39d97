"""What a sweep takes for data, and how it comes to the model."""

from pathlib import Path

import numpy as np
import pytest
from stand_ins import Batches, Loader, Model, Tensor, Unnamed

from regaudit.live.data_file import DataError
from regaudit.sweeping.data import from_object, load, refuse_same, split

ONE = Model([(None, 3)], [(None, 1)])
TWO = Model([(None, 3), (None, 2)], [(None, 1), (None, 4)])
KEYED = Model({"left": (None, 3), "up": (None, 2)}, {"price": (None, 1), "kind": (None, 4)})

X, UP = np.arange(15, dtype="float32").reshape(5, 3), np.ones((5, 2), "float32")
Y, KIND = np.arange(5, dtype="float32"), np.eye(4, dtype="float32")[[0, 1, 2, 3, 0]]
WEIGHTS = np.array([1, 2, 1, 2, 1.0])


def refused(call, *args, **kwargs):
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_npz(tmp_path):
    file = tmp_path / "train.npz"
    np.savez(file, x=X, y=Y, sample_weight=WEIGHTS)
    data = load(str(file), ONE, what="--data")
    assert (data.samples, data.source) == (5, str(file))
    fit = data.for_fit()
    assert list(fit) == ["x", "y", "sample_weight"]
    np.testing.assert_array_equal(fit["x"], X)
    np.testing.assert_array_equal(fit["sample_weight"], WEIGHTS)
    np.savez(file, x=X, y=Y)
    assert list(load(str(file), ONE, what="--data").for_fit()) == ["x", "y"]


@pytest.mark.parametrize(
    "names", [("x_0", "x_1", "y_0", "y_1"), ("in_0", "in_1", "out_0", "out_1")]
)
def test_several_inputs_by_number_or_name(names, tmp_path):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (X, UP, Y, KIND), strict=True)))
    data = load(str(tmp_path / "a.npz"), TWO, what="--data")
    for given, expected in zip([*data.x, *data.y], [X, UP, Y, KIND], strict=True):
        np.testing.assert_array_equal(given, expected)


def test_dictionaries_by_the_keys_of_the_model():
    data = from_object({"up": UP, "left": X, "price": Y, "kind": KIND}, KEYED, "arrays")
    assert set(data.x) == {"left", "up"}
    assert set(data.y) == {"price", "kind"}
    np.testing.assert_array_equal(data.y["kind"], KIND)
    x, truths, _ = next(data.batches(2))
    assert x["left"].shape == (2, 3)
    assert [one.shape for one in truths] == [(2, 4), (2,)]  # as model.outputs: kind, price
    by_part = from_object({"x": {"left": X, "up": UP}, "y": [KIND, Y]}, KEYED, "arrays")
    assert by_part.fingerprint() == data.fingerprint()


@pytest.mark.parametrize(
    "given",
    [
        (X, Y),
        (X, Y, None),
        [X, Y],
        ([X], [Y]),
        (X.tolist(), Y.tolist()),
        {"x": X, "y": Y},
        {"in_0": X, "y": Y},
        (Tensor(X), Tensor(Y)),
    ],
)
def test_what_a_function_may_return(given):
    data = from_object(given, ONE, "train")
    assert data.samples == 5
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    assert data.weights is None


def test_batches_of_arrays_are_slices_in_order():
    data = from_object((X, Y, WEIGHTS[:, None]), ONE, "train")
    batches = list(data.batches(2))
    assert [len(x) for x, _, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([x for x, _, _ in batches]), X)
    np.testing.assert_array_equal(np.concatenate([y for _, (y,), _ in batches]), Y)
    np.testing.assert_array_equal(np.concatenate([w for _, _, w in batches]), WEIGHTS)


def test_a_model_that_names_nothing():
    assert from_object({"x": X, "y": Y}, Unnamed(), "train").x.shape == (5, 3)
    assert len(from_object({"x_0": X, "x_1": UP, "y": Y}, Unnamed(), "train").x) == 2
    assert set(from_object({"a": X, "b": UP, "y": Y}, Unnamed(), "train").x) == {"a", "b"}
    assert set(from_object(({"a": X}, Y), Unnamed(), "train").x) == {"a"}
    assert len(from_object(((X, UP), [Y, KIND]), Unnamed(), "train").y) == 2
    assert "did you mean 'X'" in refused(from_object, {"X": X, "y": Y}, Unnamed(), "train")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": X}, "train: there is no 'y' (or 'out_0') for the output; it has x"),
        ({"x": X, "Y": Y}, "did you mean 'Y'?"),
        ({"y": Y}, "there is no 'x' (or 'in_0') for the input"),
        ({}, "it has nothing"),
        ((X, None), "there is no y"),
        ((X, Y[:4]), "the numbers of samples differ (x: 5, y: 4)"),
        ((X, Y, WEIGHTS[1:]), "the numbers of samples differ (x: 5, y: 5, sample_weight: 4)"),
        ((np.float32(1), Y), "x is a single number"),
        ((X, 3.0), "y is a single number"),
        ((X[:0], Y[:0]), "there are no samples"),
        ((X, [[1], [2, 3]]), "y is no array"),
        ((np.array([{}, {}]), Y), "x has objects"),
        ((X, Y, np.ones((5, 3))), "sample_weight has the shape (5, 3): give one number"),
        ((X, Y, {"a": WEIGHTS}), "sample_weight has objects (dict)"),
        (([X, UP], Y), "x is no array"),
        (((X, Y), (X, Y)), "it is pairs, as of training and of test data: give one"),
        (None, "it is nothing (None): give (x, y)"),
        (X, "it is of type ndarray: give (x, y)"),
        ("train.npz", "it is 'train.npz': give (x, y)"),
        ((X, Y, WEIGHTS, X), "it is a tuple of 4"),
        (iter([(X, Y)]), "an iterator, which can be read only once"),
    ],
)
def test_other_things_are_refused(given, words):
    assert words in refused(from_object, given, ONE, "train")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((X, [Y, KIND]), "x is one array, the model has 2 inputs (in_0, in_1)"),
        (([X, UP, X], [Y, KIND]), "3 arrays for x, the model has 2 inputs"),
        (([X, UP], Y), "y is one array, the model has 2 outputs"),
        ({"x_0": X, "y_0": Y, "y_1": KIND}, "there is no 'x_1' (or 'in_1') for the input"),
        ({"x": [X, UP], "y_0": Y}, "there is no 'y_1'"),
    ],
)
def test_too_few_or_too_many_for_several_ends(given, words):
    assert words in refused(from_object, given, TWO, "train")


def test_files_that_are_not_there(tmp_path):
    np.savez(tmp_path / "train.npz", x=X, y=Y)
    message = refused(load, str(tmp_path / "trian.npz"), ONE, what="--val-data")
    assert message.startswith("--val-data: there is no file")
    assert "did you mean 'train.npz'?" in message
    way = "give an NPZ file, or package.module:function"
    assert way in refused(load, "none/none.npz", ONE, what="--data")
    (tmp_path / "a.csv").write_text("1,2")
    assert "cannot be read as an NPZ file" in refused(
        load, str(tmp_path / "a.csv"), ONE, what="--data"
    )
    assert "cannot be read" in refused(load, str(tmp_path), ONE, what="--data")


def test_a_file_goes_before_a_function_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Path("a:b").open("wb") as file:
        np.savez(file, x=X, y=Y)
    assert load("a:b", ONE, what="--data").samples == 5


def test_split_is_by_the_seed():
    data = from_object((X, Y, WEIGHTS), ONE, "train.npz")
    train, val = split(data, 0.4, 3)
    assert (train.samples, val.samples) == (3, 2)
    assert sorted([*train.y, *val.y]) == list(Y)
    np.testing.assert_array_equal(val.x[:, 0], val.y * 3)
    np.testing.assert_array_equal(val.weights, WEIGHTS[val.y.astype(int)])
    again = split(data, 0.4, 3)
    assert (train.fingerprint(), val.fingerprint()) == tuple(one.fingerprint() for one in again)
    assert val.fingerprint() != split(data, 0.4, 4)[1].fingerprint()
    refuse_same(train, val)
    parts = split(from_object({"x": [X, UP], "y": [Y, KIND]}, TWO, "two"), 0.4, 0)
    assert [one.shape for one in parts[1].x] == [(2, 3), (2, 2)]


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.2, "--val-split 0.2 leaves 1 of 5 samples for validation"),
        (0.9, "leaves 4 of 5 samples"),
        (0.01, "leaves 0 of 5"),
        (1.5, "1.5 is no share between 0 and 1"),
        (0.0, "0 is no share"),
        (float("nan"), "nan is no share"),
    ],
)
def test_splits_that_leave_too_few(share, words):
    assert words in refused(split, from_object((X, Y), ONE, "train"), share, 0)


def test_the_fingerprint_is_of_the_content():
    def of(*given):
        return from_object(given, ONE, "a").fingerprint()

    known = of(X, Y)
    assert len(known) == 64
    assert known == from_object({"y": Y, "x": X.copy(order="F")}, ONE, "b").fingerprint()
    others = [(X + 1, Y), (X.astype("float64"), Y), (X, Y[:, None]), (X, Y, WEIGHTS), (X, Y + 1)]
    assert len({known, *(of(*other) for other in others)}) == 6


def test_the_same_data_twice_are_refused(tmp_path):
    file = str(tmp_path / "a.npz")
    np.savez(file, x=X, y=Y)
    data, copy = load(file, ONE, what="--data"), from_object((X.copy(), Y, WEIGHTS), ONE, "copy")
    message = refused(refuse_same, data, copy)
    assert f"the same data ({file}, copy)" in message
    assert "--val-split 0.2" in message
    refuse_same(data, from_object((X[1:], Y[1:]), ONE, "rest"))
    batches = Batches((X, Y))
    assert "the same data" in refused(
        refuse_same, from_object(batches, ONE, "a"), from_object(batches, ONE, "b")
    )
    assert "the same data" in refused(
        refuse_same, from_object(batches, ONE, "a"), from_object(Batches((X, Y)), ONE, "b")
    )
    refuse_same(data, from_object(batches, ONE, "a"))
    refuse_same(from_object(batches, ONE, "a"), from_object(Batches((UP, Y)), ONE, "b"))


@pytest.mark.parametrize("kind", [Batches, Loader])
def test_data_sets_in_batches(kind):
    tensor = Tensor if kind is Loader else np.asarray
    given = kind(
        (tensor(X[:3]), tensor(Y[:3]), tensor(WEIGHTS[:3])), (tensor(X[3:]), tensor(Y[3:]))
    )
    data = from_object(given, ONE, "set")
    assert data.for_fit()["x"] is given
    assert data.samples is None
    (x, (y,), weights), (rest, _, none) = data.batches(1)
    assert (type(x), x.shape, rest.shape, y.shape) == (np.ndarray, (3, 3), (2, 3), (3,))
    np.testing.assert_array_equal(weights, WEIGHTS[:3])
    assert none is None
    assert data.fingerprint() == from_object(given, ONE, "set").fingerprint()
    assert data.fingerprint() != from_object(kind((tensor(X), tensor(Y))), ONE, "set").fingerprint()
    assert "give --val-data" in refused(split, data, 0.5, 0)


def test_truths_of_batches_come_in_the_order_of_the_outputs():
    data = from_object(Batches(({"left": X, "up": UP}, {"price": Y, "kind": KIND})), KEYED, "set")
    ((_, truths, _),) = data.batches(1)
    assert [one.shape for one in truths] == [(5, 4), (5,)]


def test_a_data_set_that_shuffles_has_a_fingerprint_too():
    rng = np.random.default_rng(0)
    data = from_object(Batches(lambda: (rng.permutation(X), Y)), ONE, "set")
    assert data.fingerprint() == data.fingerprint()


def test_a_loader_says_how_many_samples_it_has():
    batch = (Tensor(X), Tensor(Y))
    assert from_object(Loader(batch, sampler=range(5)), ONE, "set").samples == 5

    class Endless(Loader):
        def __len__(self):
            raise TypeError("object of type 'Stream' has no len()")

    assert from_object(Endless(batch), ONE, "set").samples is None


def fails():
    raise OSError("no such picture: cat.png")


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (X, "batch 1 is no (x, y) or (x, y, sample_weight): it is of type ndarray"),
        ((X,), "it has 1 parts"),
        ((X, None), "batch 1 has no y"),
        (fails, "set: batch 1 cannot be read: OSError: no such picture: cat.png"),
    ],
)
def test_batches_of_something_else(batch, words):
    assert words in refused(list, from_object(Batches(batch), ONE, "set").batches(1))


def test_data_sets_without_a_length_or_batches():
    assert "the data set is empty" in refused(from_object, Batches(), ONE, "set")

    class Endless(Batches):
        num_batches = None

    assert "no length: give it __len__" in refused(from_object, Endless((X, Y)), ONE, "set")
