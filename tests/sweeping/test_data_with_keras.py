"""The data of a sweep with real models and data sets: what is let through trains."""

import numpy as np
import pytest
from stand_ins import Loader, Tensor

from regaudit.live.data_file import DataError
from regaudit.sweeping.data import check, from_object, load, refuse_same

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

pytestmark = pytest.mark.keras

LEFT = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
UP = np.arange(20).reshape(20, 1)
PRICE, KIND = LEFT.sum(1), np.arange(20) % 4


def two_of_each(library):
    layers = library.layers
    left, up = library.Input((3,), name="left"), library.Input((1,), name="up", dtype="int32")
    words = layers.Flatten()(layers.Embedding(20, 2)(up))
    joined = layers.Concatenate()([left, words])
    price = layers.Dense(1, name="price")(joined)
    kind = layers.Dense(4, "softmax", name="kind")(joined)
    model = library.Model({"up": up, "left": left}, {"price": price, "kind": kind})
    losses = {"price": "mse", "kind": "sparse_categorical_crossentropy"}
    model.compile("sgd", losses)
    return model


def one_of_each(loss="sparse_categorical_crossentropy"):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "softmax")])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_several_inputs_and_outputs(name, tmp_path):
    model = two_of_each(pytest.importorskip(name))
    np.savez(tmp_path / "a.npz", left=LEFT, up=UP, price=PRICE, kind=KIND, sample_weight=PRICE**2)
    data = load(str(tmp_path / "a.npz"), model, what="--data")
    assert check(data, model, model.loss, "--data") == 20
    model.fit(**data.for_fit(), verbose=0)
    x, truths, _ = next(data.batches(8))
    assert {key: value.shape for key, value in model(x).items()} == {
        "price": (8, 1),
        "kind": (8, 4),
    }
    named = dict(zip(model.output_names, truths, strict=True))
    np.testing.assert_array_equal(named["kind"], KIND[:8])
    wrong = from_object(({"left": LEFT, "up": UP}, {"price": PRICE, "kind": KIND + 1}), model, "a")
    with pytest.raises(DataError, match="labels of kind reach 4, the output has 4 units"):
        check(wrong, model, model.loss, "--data")


@pytest.mark.parametrize("x", [LEFT, LEFT[..., None], LEFT[:, :2], LEFT[0], LEFT[:, None]])
@pytest.mark.parametrize("y", [KIND, KIND[:, None], KIND.astype("float64"), np.eye(4)[KIND]])
def test_what_is_let_through_is_what_keras_takes(x, y):
    model = one_of_each()
    try:
        data = from_object((x, y), model, "a")
        check(data, model, model.loss, "--data")
    except DataError:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each layer has its own
            model.evaluate(x, y, verbose=0)
    else:
        model.fit(**data.for_fit(), verbose=0)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        keras.losses.serialize(keras.losses.SparseCategoricalCrossentropy()),
        ["sparse_categorical_crossentropy"],
    ],
)
def test_losses_as_keras_has_them(loss):
    model = one_of_each()
    with pytest.raises(DataError, match="labels of y reach 4"):
        check(from_object((LEFT, KIND + 1), model, "a"), model, loss, "--data")


def test_a_loss_that_leaves_a_label_out():
    for loss in (
        keras.losses.SparseCategoricalCrossentropy(ignore_class=4),
        keras.losses.serialize(keras.losses.SparseCategoricalCrossentropy(ignore_class=4)),
        pytest.importorskip("tf_keras").losses.SparseCategoricalCrossentropy(ignore_class=4),
    ):
        model = one_of_each()
        data = from_object((LEFT, np.arange(20) % 5), model, "a")
        assert check(data, model, loss, "--data") == 20


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4, "softmax")

    def call(self, x):
        return self.dense(x["left"])


def test_a_model_with_a_call_of_its_own(tmp_path):
    np.savez(tmp_path / "a.npz", left=LEFT, up=UP, y=KIND)
    model = Subclassed()
    model({"left": LEFT})
    data = load(str(tmp_path / "a.npz"), model, what="--data")
    assert check(data, model, "sparse_categorical_crossentropy", "--data") == 20
    wide = from_object(({"left": LEFT[:, :2]}, KIND), model, "a")
    with pytest.raises(DataError, match=r"does not run on x of shape \(2, 2\)"):
        check(wide, model, None, "--data")


def test_tf_data():
    model = one_of_each()
    dataset = tf.data.Dataset.from_tensor_slices((LEFT, KIND)).batch(8)
    data = from_object(dataset, model, "mine:train")
    assert check(data, model, model.loss, "--val-data") == 20
    assert data.fingerprint() == from_object(dataset, model, "mine:train").fingerprint()
    model.fit(**data.for_fit(), verbose=0)
    assert isinstance(next(data.batches(1))[0], np.ndarray)
    with pytest.raises(DataError, match=r"has no end: bound it with take\(n\)"):
        from_object(dataset.repeat(), model, "mine:train")
    with pytest.raises(DataError, match="it comes one by one: batch it"):
        check(from_object(dataset.unbatch(), model, "a"), model, model.loss, "--data")
    with pytest.raises(DataError, match="is empty"):
        from_object(dataset.take(0), model, "a")
    shuffled = from_object(dataset.unbatch().shuffle(20).batch(8), model, "a")
    assert check(shuffled, model, model.loss, "--data") == 20
    assert shuffled.fingerprint() == shuffled.fingerprint()
    with pytest.raises(DataError, match="do not shuffle"):
        check(shuffled, model, model.loss, "--val-data")
    refuse_same(data, shuffled)


def test_tf_data_whose_length_is_not_known():
    model = one_of_each()
    signature = (tf.TensorSpec((None, 3), "float32"), tf.TensorSpec((None,), "int64"))

    def batches():
        yield LEFT, KIND
        yield np.full((2, 3), np.nan), KIND[:2]

    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    data = from_object(dataset, model, "a")
    assert data.samples is None
    with pytest.raises(DataError, match="batch 2: x has 6 values that are NaN"):
        check(data, model, model.loss, "--data")
    with pytest.raises(DataError, match="batch 1 is no"):
        check(from_object(dataset.map(lambda x, _: x), model, "a"), model, None, "--data")


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_data_sets_of_keras(name):
    library = pytest.importorskip(name)
    base = library.utils.PyDataset if name == "keras" else library.utils.Sequence

    class Batches(base):
        def __len__(self):
            return 3

        def __getitem__(self, number):
            rows = slice(8 * number, 8 * number + 8)
            return {"left": LEFT[rows], "up": UP[rows]}, {"price": PRICE[rows], "kind": KIND[rows]}

    model = two_of_each(library)
    data = from_object(Batches(), model, "a")
    assert check(data, model, model.loss, "--val-data") == 20
    model.fit(**data.for_fit(), verbose=0)

    class Endless(base):
        __getitem__ = Batches.__getitem__
        if name == "keras":
            num_batches = None
        else:

            def __len__(self):
                raise NotImplementedError

    with pytest.raises(DataError, match="no length: give it __len__"):
        from_object(Endless(), model, "a")


def test_batches_of_torch():
    model = one_of_each()
    batches = [[Tensor(LEFT[:12]), Tensor(KIND[:12])], [Tensor(LEFT[12:]), Tensor(KIND[12:])]]
    data = from_object(Loader(*batches), model, "a")
    assert check(data, model, model.loss, "--val-data") == 20
    assert model(next(data.batches(1))[0]).shape == (12, 4)


def test_text():
    if keras.config.backend() != "tensorflow":
        pytest.skip("no other backend trains on text")
    words = np.array(["a b", "b", "c a", "a"] * 5, dtype=object)
    table = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["a", "b", "c"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), table, keras.layers.Dense(4)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    dataset = tf.data.Dataset.from_tensor_slices((words[:, None], KIND)).batch(8)
    data = from_object(dataset, model, "a")
    assert check(data, model, model.loss, "--val-data") == 20
    assert data.fingerprint() == data.fingerprint()
    model.fit(**data.for_fit(), verbose=0)
    model(next(data.batches(8))[0])
    with pytest.raises(DataError, match=r"trains on text from a tf.data.Dataset alone"):
        check(from_object((words.astype(str), KIND), model, "a"), model, model.loss, "--data")
    numbers = from_object((words, KIND), one_of_each(), "a")
    with pytest.raises(DataError, match="x has text: the model takes numbers"):
        check(numbers, one_of_each(), None, "--data")


def test_ragged_tensors():
    model = one_of_each()
    rows = tf.RaggedTensor.from_tensor(LEFT)
    dataset = tf.data.Dataset.from_tensor_slices((rows, KIND)).batch(8)
    assert check(from_object(dataset, model, "a"), model, model.loss, "--val-data") == 20
