"""What a sweep's training says, held against Keras itself."""

from math import isfinite
from pathlib import Path

import numpy as np
import pytest
from paths import MODELS
from samples import sampled

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import UnreadableModelError, UsageError
from regaudit.live.data_file import DataError
from regaudit.sweeping import journal
from regaudit.sweeping.in_process import InProcess
from regaudit.sweeping.loading import with_new_weights
from regaudit.sweeping.plan import Plan, Wanted
from regaudit.sweeping.sweep import run
from regaudit.sweeping.task import BEST, LAST, LOSSES, Opening, Task
from regaudit.sweeping.trainer import Trainer

keras = pytest.importorskip("keras")

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
LABELS = RNG.integers(0, 3, 60)
NUMBERS = X @ RNG.normal(size=(4,)).astype("float32")
WEIGHTS = RNG.uniform(0.1, 2, 60)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]


def classifier(loss, activation="softmax", units=3, **compiled):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, "relu", kernel_regularizer="l2"),
            layers.Dense(units, activation),
        ]
    )
    model.compile("adam", loss, **compiled)
    return model


def two_outputs(**compiled):
    keras.utils.set_random_seed(0)
    one = keras.Input((4,), name="one")
    hidden = keras.layers.Dense(8, "relu", kernel_regularizer="l2")(one)
    outputs = {
        "label": keras.layers.Dense(3, "softmax", name="label")(hidden),
        "number": keras.layers.Dense(1, name="number")(hidden),
    }
    model = keras.Model(one, outputs)
    model.compile("adam", **compiled)
    return model


def trainer(folder, model, train, val, **opening):
    """Return a trainer of a saved model, and what it knows."""
    file = Path(folder, "model.keras")
    model.save(file)
    opened = Trainer(
        keras, Opening(str(file), "", None, None, out=f"{folder}/as-it-is", **opening), (train, val)
    )
    return opened, opened.open()


LOSSES_OF_KERAS = {
    "labels": (lambda: classifier("sparse_categorical_crossentropy"), LABELS),
    "labels in a column": (lambda: classifier("sparse_categorical_crossentropy"), LABELS[:, None]),
    "one-hot": (lambda: classifier("categorical_crossentropy"), ONE_HOT),
    "smoothed": (
        lambda: classifier(keras.losses.CategoricalCrossentropy(label_smoothing=0.1)),
        ONE_HOT,
    ),
    "logits": (
        lambda: classifier(keras.losses.SparseCategoricalCrossentropy(from_logits=True), None),
        LABELS,
    ),
    "yes or no": (lambda: classifier("binary_crossentropy", "sigmoid", 1), LABELS > 0),
    "binary logits": (
        lambda: classifier(keras.losses.BinaryCrossentropy(from_logits=True), None, 1),
        (LABELS > 0).astype("float32"),
    ),
    "squares": (lambda: classifier("mse", None, 1), NUMBERS),
    "squares in a column": (lambda: classifier("mse", None, 1), NUMBERS[:, None]),
    "absolute": (lambda: classifier("mae", None, 1), NUMBERS),
    "huber": (lambda: classifier(keras.losses.Huber(), None, 1), NUMBERS),
    "several numbers": (lambda: classifier("mse", None, 3), ONE_HOT),
    "a weight": (lambda: classifier("mse", None, 1, loss_weights=[2.0]), NUMBERS),
    "two outputs": (
        lambda: two_outputs(loss={"label": "sparse_categorical_crossentropy", "number": "mse"}),
        {"label": LABELS, "number": NUMBERS},
    ),
    "weighted outputs": (
        lambda: two_outputs(
            loss={"label": "sparse_categorical_crossentropy", "number": "mse"},
            loss_weights={"label": 0.3, "number": 3.0},
        ),
        {"label": LABELS, "number": NUMBERS},
    ),
}


def picked(values, rows):
    if isinstance(values, dict):
        return {key: value[rows] for key, value in values.items()}
    return values[rows]


@pytest.mark.parametrize("case", sampled(LOSSES_OF_KERAS, every=2))
def test_losses_are_those_of_evaluate_without_the_penalty(tmp_path, case):
    make, y = LOSSES_OF_KERAS[case]
    model = make()
    train = (X[:40], picked(y, slice(0, 40)))
    val = (X[40:], picked(y, slice(40, None)))
    _, opened = trainer(tmp_path, model, train, val)
    penalty = float(sum(model.losses))
    assert penalty > 0.01
    for data, loss in ((train, opened.as_it_is.train_loss), (val, opened.as_it_is.val_loss)):
        expected = model.evaluate(*data, verbose=0, return_dict=True)["loss"] - penalty
        assert loss == pytest.approx(expected, rel=1e-4), case
    each = np.load(tmp_path / f"as-it-is{LOSSES}")
    assert each.shape == (20,)
    assert each.mean() == pytest.approx(opened.as_it_is.val_loss)


@pytest.mark.parametrize("outputs", [1, 2])
def test_weights_of_samples_count(tmp_path, outputs):
    if outputs == 1:
        model, y = classifier("sparse_categorical_crossentropy"), LABELS
    else:
        model = two_outputs(loss={"label": "sparse_categorical_crossentropy", "number": "mse"})
        y = {"label": LABELS, "number": NUMBERS}
    train = (X[:40], picked(y, slice(0, 40)), WEIGHTS[:40])
    val = (X[40:], picked(y, slice(40, None)), WEIGHTS[40:])
    _, opened = trainer(tmp_path, model, train, val)
    # Keras divides by the number of samples, a mean by the sum of their weights.
    given, weights = val[:2], WEIGHTS[40:]
    each = [
        model.evaluate(
            given[0][i : i + 1], picked(given[1], slice(i, i + 1)), verbose=0, return_dict=True
        )["loss"]
        - float(sum(model.losses))
        for i in range(20)
    ]
    assert opened.as_it_is.val_loss == pytest.approx(np.average(each, weights=weights), rel=1e-4)


def test_accuracy_and_r2_are_those_of_keras(tmp_path):
    model = classifier("sparse_categorical_crossentropy", metrics=["accuracy"])
    _, opened = trainer(tmp_path, model, (X[:40], LABELS[:40]), (X[40:], LABELS[40:]))
    found = model.evaluate(X[40:], LABELS[40:], verbose=0, return_dict=True)
    assert (opened.measure, opened.as_it_is.accuracy) == (
        "accuracy",
        pytest.approx(found["accuracy"]),
    )
    model = classifier("mae", None, 1, metrics=["r2_score"])
    _, opened = trainer(tmp_path, model, (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:]))
    found = model.evaluate(X[40:], NUMBERS[40:, None], verbose=0, return_dict=True)
    assert (opened.measure, opened.as_it_is.accuracy) == (
        "R2",
        pytest.approx(found["r2_score"], abs=1e-4),
    )


def test_the_best_weights_are_kept_and_loaded_again(tmp_path):
    model = classifier("sparse_categorical_crossentropy")
    val = (X[40:], LABELS[40:])
    opened, _ = trainer(tmp_path, model, (X[:40], LABELS[:40]), val)
    task = Task("a.1.0", str(tmp_path / "model.keras"), str(tmp_path / "a"), epochs=6, seed=3)
    first = opened.do(task)
    lowest = min(first.curve, key=lambda epoch: epoch.val_loss)
    assert (first.epochs, first.best_epoch) == (6, lowest.epoch)
    best = keras.models.load_model(f"{tmp_path}/a{BEST}")
    found = best.evaluate(*val, verbose=0) - float(sum(best.losses))
    assert found == pytest.approx(first.val_loss, rel=1e-4)
    assert first.val_loss == pytest.approx(lowest.val_loss)
    later = Task(
        "a.2.0", f"{tmp_path}/a{LAST}", f"{tmp_path}/b", 4, 3, before=f"{tmp_path}/a", so_far=first
    )
    second = opened.do(later)
    assert second.epochs == 10
    assert len(second.curve) == 10
    assert second.val_loss <= first.val_loss
    last = keras.models.load_model(f"{tmp_path}/b{LAST}")
    assert int(last.optimizer.iterations) == 10 * 2  # two batches an epoch: it went on


def test_the_same_seed_trains_the_same(tmp_path):
    model = classifier("sparse_categorical_crossentropy")
    opened, _ = trainer(tmp_path, model, (X[:40], LABELS[:40]), (X[40:], LABELS[40:]))
    for fresh in (False, True):
        tasks = [
            Task("a", str(tmp_path / "model.keras"), f"{tmp_path}/{n}", 3, seed, fresh=fresh)
            for n, seed in enumerate((5, 5, 6))
        ]
        one, two, three = (opened.do(task).curve for task in tasks)
        assert one == two
        assert one != three


def test_new_weights_are_new(tmp_path):
    model = classifier("mse", None, 1)
    model.optimizer.learning_rate = 0.05
    model.fit(X[:40], NUMBERS[:40], epochs=20, verbose=0)
    opened, before = trainer(tmp_path, model, (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:]))
    task = Task("a", str(tmp_path / "model.keras"), f"{tmp_path}/a", 1, fresh=True)
    assert opened.do(task).train_loss > before.as_it_is.train_loss + 0.1
    last = keras.models.load_model(f"{tmp_path}/a{LAST}")
    assert int(last.optimizer.iterations) == 2


def test_what_is_adapted_or_frozen_is_not_made_anew():
    adapted, layers = keras.layers.Normalization(), keras.layers
    adapted.adapt(X)
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="frozen")], name="inner")
    inner.trainable = False
    model = keras.Sequential(
        [keras.Input(X.shape[1:]), adapted, layers.Dense(4), inner, layers.BatchNormalization()]
    )
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((len(X), 3)), verbose=0)
    new = with_new_weights(model, Opening("keras", "", "", ""))
    kept = [
        all(map(np.array_equal, old.get_weights(), one.get_weights()))
        for old, one in zip(model.layers, new.layers, strict=True)
    ]
    assert kept == [True, False, True, False]
    assert not new.layers[2].trainable_weights


def test_a_loss_that_is_not_finite_is_said(tmp_path):
    model = classifier("mse", None, 1)
    model.compile(keras.optimizers.SGD(1e20), "mse")
    opened, _ = trainer(tmp_path, model, (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:]))
    trained = opened.do(Task("a", str(tmp_path / "model.keras"), f"{tmp_path}/a", 5))
    assert trained.diverged
    assert trained.score is None
    assert len(trained.curve) < 5


def test_a_soup_is_the_mean_of_weights_that_lower_the_loss(tmp_path):
    model = classifier("sparse_categorical_crossentropy")
    val = (X[40:], LABELS[40:])
    opened, _ = trainer(tmp_path, model, (X[:40], LABELS[:40]), val)
    files = []
    for number in range(3):
        task = Task(str(number), str(tmp_path / "model.keras"), f"{tmp_path}/{number}", 3, number)
        opened.do(task)
        files.append(f"{tmp_path}/{number}{BEST}")
    found = opened.do(Task("soup", files[0], f"{tmp_path}/soup", 0, soup=tuple(files)))
    models = [keras.models.load_model(files[number]) for number in found.members]
    mean = keras.models.load_model(f"{tmp_path}/soup{BEST}")
    for parts in zip(*(one.get_weights() for one in (mean, *models)), strict=True):
        np.testing.assert_allclose(parts[0], np.mean(parts[1:], axis=0), rtol=1e-5, atol=1e-7)
    assert found.members[0] == 0
    assert isfinite(found.val_loss)


def test_statistics_of_batch_normalization_are_not_averaged(tmp_path):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    _, opened = trainer(tmp_path, model, (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:]))
    assert "batch normalization" in opened.no_soup


def test_another_metric_may_choose(tmp_path):
    model = classifier("sparse_categorical_crossentropy", metrics=["accuracy"])
    val = (X[40:], LABELS[40:])
    _, before = trainer(tmp_path, model, (X[:40], LABELS[:40]), val, monitor="accuracy")
    _, same = trainer(tmp_path, model, (X[:40], LABELS[:40]), val, monitor="val_accuracy")
    assert same.as_it_is.score == before.as_it_is.score
    accuracy = model.evaluate(*val, verbose=0, return_dict=True)["accuracy"]
    assert before.as_it_is.monitored == pytest.approx(accuracy)
    assert before.as_it_is.score == pytest.approx(-accuracy)
    with pytest.raises(DataError, match="no such metric; it has accuracy"):
        trainer(tmp_path, model, (X[:40], LABELS[:40]), val, monitor="auc")


def test_a_model_that_is_not_compiled_needs_a_loss_and_an_optimizer(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    data = ((X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:]))
    with pytest.raises(DataError, match="give --loss and --optimizer"):
        trainer(tmp_path, model, *data)
    opened, _ = trainer(tmp_path, model, *data, loss="mse", optimizer="adam")
    trained = opened.do(Task("a", str(tmp_path / "model.keras"), f"{tmp_path}/a", 2))
    assert isfinite(trained.val_loss)
    with pytest.raises(DataError, match="Keras does not take"):
        trainer(tmp_path, model, *data, loss="mse", optimizer="adum")


def test_a_file_that_keras_cannot_load_is_said(tmp_path):
    file = tmp_path / "model.keras"
    file.write_bytes(b"no model")
    for model, said in (
        (file, "Keras cannot load it"),
        (MODELS / "custom.keras", "class 'Scaled'"),
    ):
        with pytest.raises(UnreadableModelError, match=said):
            Trainer(keras, Opening(str(model), "", None, None), ((X, NUMBERS), (X, NUMBERS)))


def test_a_model_with_a_loss_of_its_own_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam")
    with pytest.raises(DataError, match="--loss"):
        trainer(tmp_path, model, (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:]))


def test_what_layers_put_out_is_measured(tmp_path):
    model = classifier("mse", None, 1)
    name = model.layers[0].name
    data = (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:])
    _, opened = trainer(tmp_path, model, *data, activity=(name,))
    outputs = keras.ops.convert_to_numpy(model.layers[0](X[:40]))
    assert opened.activity == {name: pytest.approx((outputs**2).sum(1).mean(), rel=1e-4)}


def test_a_loss_that_keras_cannot_rebuild_is_said_with_the_way_out(tmp_path, monkeypatch):
    model = classifier("mse", None, 1)
    data = (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:])
    load = keras.models.load_model

    def load_model(file, **how):
        if how["compile"]:
            raise TypeError("Could not deserialize 'keras.metrics.mse'")
        return load(file, compile=False)

    monkeypatch.setattr(keras.models, "load_model", load_model)
    with pytest.raises(DataError, match=r"metrics.mse'.*give --loss and --optimizer"):
        trainer(tmp_path, model, *data)


@pytest.mark.parametrize(("loss", "units"), [("cosine_similarity", 3), ("mse", 1)])
def test_losses_below_and_of_zero(tmp_path, loss, units):
    model = classifier(loss, None, units)
    y = ONE_HOT if units == 3 else np.zeros((60, 1))
    if units == 1:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
        model.compile("sgd", loss)
        model.set_weights([np.zeros((4, 1))])
    file = tmp_path / "model.keras"
    model.save(file)
    plan = Plan(
        file, audit_file(file), Opening(str(file), "", None, None), Wanted(rungs=1, epochs=1)
    )
    with journal.opened(tmp_path / "sweep.jsonl") as kept:
        trainers = InProcess(keras, ((X[:40], y[:40]), (X[40:], y[40:])))
        if units == 3:
            assert run(plan, trainers, kept)[0].rungs[0].edits
        else:
            with pytest.raises(UsageError, match="validation loss is 0"):
                run(plan, trainers, kept)


def test_a_squared_error_is_swept_by_the_variance_of_its_targets(tmp_path):
    model = classifier("mse", None, 1)
    data = (X[:40], NUMBERS[:40]), (X[40:], NUMBERS[40:])
    opened = trainer(tmp_path, model, *data)[1]
    assert opened.target_variance == pytest.approx(NUMBERS[:40].var())
    file = tmp_path / "model.keras"
    wanted = Wanted(rungs=2, epochs=1, budget=1)
    plan = Plan(file, audit_file(file), Opening(str(file), "", None, None), wanted)
    with journal.opened(tmp_path / "sweep.jsonl") as kept:
        sweep, _ = run(plan, InProcess(keras, data), kept)
    assert [one.name for one in sweep.rungs] == ["l2 x1", "l2 x4"]
