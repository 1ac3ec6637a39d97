"""One graph for all candidates, against a graph for each."""

import numpy as np
import pytest

from regaudit.sweeping.shared import Shared
from regaudit.sweeping.task import BEST, LAST, Opening, Task
from regaudit.sweeping.trainer import Trainer

keras = pytest.importorskip("keras")

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
LABELS = RNG.integers(0, 3, 60)
SHARES = keras.config.backend() == "tensorflow"


def model_of(kernel=None, activity=None, bias=None, **last):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, "relu", kernel_regularizer=kernel, activity_regularizer=activity),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax", bias_regularizer=bias, **last),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


PENALTIES = {
    "strong": {"kernel": keras.regularizers.L2(3.0)},
    "all": {
        "kernel": keras.regularizers.L1L2(0.1, 0.2),
        "bias": keras.regularizers.L1(0.05),
        "activity": keras.regularizers.L2(0.5),
    },
    "none": {},
}


def trained(files, out):
    """Train with each penalty, once for a second stretch and once anew."""
    opening = Opening(f"{files}/strong.keras", "", None, None, out=f"{out}/as-it-is")
    trainer = Trainer(keras, opening, ((X[:40], LABELS[:40]), (X[40:], LABELS[40:])))
    trainer.open()
    done = {}
    for name in PENALTIES:
        done[name] = trainer.do(Task(name, f"{files}/{name}.keras", f"{out}/{name}", 3, seed=4))
    so_far = {"before": f"{out}/all", "so_far": done["all"]}
    done["longer"] = trainer.do(Task("longer", f"{out}/all{LAST}", f"{out}/longer", 2, **so_far))
    done["new"] = trainer.do(Task("new", f"{files}/strong.keras", f"{out}/new", 2, 1, fresh=True))
    return done


def test_it_trains_as_a_model_of_its_own_does(tmp_path, monkeypatch):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    for name, penalty in PENALTIES.items():
        model_of(**penalty).save(tmp_path / f"{name}.keras")
    found = trained(tmp_path, one)
    monkeypatch.setattr(Shared, "like", lambda _self, model: model)
    expected = trained(tmp_path, other)
    assert found["none"].val_loss != pytest.approx(found["strong"].val_loss, rel=1e-4)
    for name, each in expected.items():
        for ours, theirs in zip(found[name].curve, each.curve, strict=True):
            assert (ours.train_loss, ours.val_loss) == pytest.approx(
                (theirs.train_loss, theirs.val_loss), rel=1e-5
            ), name
        assert found[name].best_epoch == each.best_epoch
        for ending in (LAST, BEST):
            ours, theirs = (
                keras.models.load_model(folder / f"{name}{ending}") for folder in (one, other)
            )
            assert ours.get_config() == theirs.get_config()  # strengths as the file had them
            for our, their in zip(
                (*ours.weights, *ours.optimizer.variables),
                (*theirs.weights, *theirs.optimizer.variables),
                strict=True,
            ):
                np.testing.assert_allclose(
                    keras.ops.convert_to_numpy(our),
                    keras.ops.convert_to_numpy(their),
                    rtol=1e-4,
                    atol=1e-6,
                )


@pytest.mark.skipif(not SHARES, reason="on TensorFlow only")
def test_a_graph_is_made_once_for_the_strengths_that_it_has():
    model = model_of(**PENALTIES["all"])
    shared = Shared(keras, model)
    graphs = []
    for penalty in ("strong", "none", "strong", "all"):
        one = shared.like(model_of(**PENALTIES[penalty]))
        assert one is model
        one.fit(X, LABELS, verbose=0)
        graphs.append(one.train_function)
    assert graphs[0] is graphs[1] is graphs[2]
    assert graphs[3] is not graphs[0]


class Half(keras.layers.Dense):
    """A user's layer."""


class Mine(keras.regularizers.Regularizer):
    """A user's regularizer."""


def of(layer, optimizer="adam"):
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(3)])
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: of(Half(3)),
        lambda: of(keras.layers.Lambda(lambda x: x)),
        lambda: of(keras.layers.Dense(3, dtype="float16")),
        lambda: of(keras.layers.Dense(3, kernel_regularizer=Mine())),
        lambda: of(keras.layers.Dense(3, kernel_regularizer="orthogonal_regularizer")),
    ],
)
def test_what_is_not_keras_alone_trains_itself(make):
    model = make()
    assert Shared(keras, make()).like(model) is model


@pytest.mark.parametrize(
    "make",
    [
        lambda: of(keras.layers.Dense(3), "sgd"),
        lambda: of(keras.layers.Dense(3), keras.optimizers.Adam(0.1)),
        lambda: of(keras.layers.Dense(4)),
        lambda: of(keras.layers.EinsumDense("ab,bc->ac", output_shape=3, bias_axes="c")),
    ],
)
def test_another_model_trains_itself(make):
    model = make()
    assert Shared(keras, of(keras.layers.Dense(3))).like(model) is model
