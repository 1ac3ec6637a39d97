"""What is read of optimizers, held against real Keras: which there are, and what they do."""

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from samples import sampled

import regaudit
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.optimizer_state import Training
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.optimizer_classes import RATES, REBUILDERS
from regaudit.keras_semantics.read_optimizer import read_optimizer

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]
RNG = np.random.default_rng(0)


def optimizers(keras):
    """Optimizers that keep much: slots, averages, a scale of the loss, accumulated gradients."""
    made = keras.optimizers
    return {
        "adam": made.Adam(),
        "averaging": made.AdamW(weight_decay=0.1, use_ema=True),
        "scaled": made.LossScaleOptimizer(made.AdamW(weight_decay=0.1)),
        "momentum": made.SGD(0.1, momentum=0.9),
        "plain": made.SGD(0.1),
        "accumulating": made.Adam(gradient_accumulation_steps=2),
    }


def trained(keras, optimizer, name="inner"):
    """Return a model that was compiled and trained by itself."""
    layers = keras.layers
    inner = keras.Sequential(
        [layers.Input((6,)), layers.Dense(4, kernel_regularizer="l2"), layers.Dense(3)], name=name
    )
    inner.compile(optimizer, "mse", metrics=["mae"])
    inner.fit(RNG.random((8, 6)), RNG.random((8, 3)), batch_size=2, verbose=0)
    return inner


def nested(keras, inner):
    inputs = keras.layers.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(inner(inputs)))


def wrapped(keras, inner):
    inputs = keras.layers.Input((5, 6))
    return keras.Model(inputs, keras.layers.TimeDistributed(inner)(inputs))


def saved(model, folder, keras):
    """Yield a model saved in every layout that keeps the optimizers of models inside it."""
    model.compile("adam", "mse")
    shape = (8, *model.input_shape[1:])
    out = (8, *model.output_shape[1:-1], model.output_shape[-1])
    model.fit(RNG.random(shape), RNG.random(out), verbose=0)
    model.save(folder / "m.keras")
    model.save(folder / "m.directory", zipped=False)
    model.save_weights(folder / "m.weights.h5")
    keras.saving.save_weights(model, folder / "shards.weights.json", max_shard_size=0.0005)
    model.save(folder / "m.h5")
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("around", "kind"),
    sampled(
        [
            (around, kind)
            for around in (nested, wrapped)
            for kind in ("averaging", "plain", "scaled")
        ]
    ),
)
def test_optimizers_of_models_inside_a_model_are_no_weights(kind, around, keras, tmp_path):
    model = around(keras, trained(keras, optimizers(keras)[kind]))
    for file in saved(model, tmp_path, keras):
        if ".weights_" in file.name or "_0" in file.name:  # one of the shards
            continue
        report = regaudit.audit(file)
        assert report.failure is None
        assert report.model.parameters == model.count_params(), file.name
        assert len(list(report.model.weights())) == len(model.weights)


def test_the_optimizer_of_a_nested_model_is_told(keras, tmp_path):
    nested(keras, trained(keras, optimizers(keras)["averaging"])).save(tmp_path / "m.keras")
    model = regaudit.audit(tmp_path / "m.keras").model
    inner = keras.models.load_model(tmp_path / "m.keras").get_layer("inner").optimizer
    assert model.inner_optimizers.keys() == {"inner"}
    assert model.inner_optimizers["inner"].weight_decay == inner.weight_decay == 0.1
    assert model.inner_optimizers["inner"].iterations == 4


@pytest.mark.parametrize("held", ["d_optimizer", "trainer", "optimizers"])
def test_optimizers_under_attributes_of_a_subclassed_model_are_no_weights(held, keras, tmp_path):
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = keras.layers.Dense(3)

        def call(self, x):
            return self.first(x)

    model = Two()
    model(np.ones((2, 6)))
    made = keras.optimizers.AdamW(weight_decay=0.1, name="mine" if held == "trainer" else None)
    made.build(model.trainable_variables)
    setattr(model, held, [made] if held == "optimizers" else made)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    for file in tmp_path.iterdir():
        found = regaudit.audit(file).model
        assert found.parameters == model.count_params() == 21, file.name
        assert (found.compiled, found.optimizer_known) == (True, False)


@pytest.mark.parametrize("name", ["adam", "AdamW", "SGD", "rmsprop", "lion", "nadam", "muon"])
def test_an_optimizer_by_name_has_the_defaults_of_keras(name, keras):
    theirs = keras.optimizers.get(name)
    ours = read_optimizer(name, Dialect((3, 15, 1)))
    assert ours.class_name == type(theirs).__name__
    assert ours.learning_rate == pytest.approx(float(theirs.learning_rate), rel=1e-6)
    assert (ours.weight_decay, ours.decay_known) == (theirs.weight_decay, True)


@pytest.mark.parametrize("name", sorted(RATES))
def test_the_defaults_of_each_class_are_those_of_keras(name, keras):
    theirs = getattr(keras.optimizers, name)().get_config()
    ours = read_optimizer({"class_name": name, "config": {}}, Dialect((3, 15, 1)))
    assert ours.learning_rate == pytest.approx(theirs["learning_rate"], rel=1e-6)
    assert ours.weight_decay == theirs["weight_decay"]


def shrunk(keras, optimizer, steps):
    """Return what steps without a gradient leave of a weight."""
    weight = keras.Variable(np.ones((4, 4), "float32"), name="kernel")
    optimizer.build([weight])
    for _ in range(steps):
        optimizer.apply([keras.ops.zeros((4, 4))])
    return float(np.max(keras.ops.convert_to_numpy(weight)))


@pytest.mark.parametrize("name", sorted(RATES))
def test_the_rule_of_keras_is_rate_times_decay(name, keras):
    made = getattr(keras.optimizers, name)(learning_rate=0.1, weight_decay=0.2)
    found = read_optimizer(keras.optimizers.serialize(made), Dialect((3, 15, 1)), 10)
    if name == "Muon":  # decays embeddings and the like by another setting
        assert not found.decay_known
        return
    share = Training.of(found).share
    if name in REBUILDERS:
        assert share is None
        assert shrunk(keras, made, 10) != pytest.approx((1 - 0.02) ** 10, rel=1e-2)
        return
    assert shrunk(keras, made, 10) == pytest.approx((1 - share) ** 10, rel=1e-4)


def test_batches_whose_gradients_are_collected_are_no_steps(keras):
    made = keras.optimizers.SGD(0.1, weight_decay=0.2, gradient_accumulation_steps=5)
    left = shrunk(keras, made, 20)
    counted = int(made.variables[0])
    found = read_optimizer(keras.optimizers.serialize(made), Dialect((3, 15, 1)), counted)
    assert (counted, found.iterations) == (20, int(made.iterations))
    assert left == pytest.approx((1 - Training.of(found).share) ** found.iterations, rel=1e-5)


def test_each_weight_is_judged_by_the_optimizer_that_trains_it(keras, tmp_path):
    layers, made = keras.layers, keras.optimizers
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(4, name="b")], name="inner")
    inputs = layers.Input((6,))
    model = keras.Model(inputs, layers.Dense(2, name="c")(inner(layers.Dense(6, name="a")(inputs))))
    by_path = made.OptimizerMap(made.SGD(0.1), {"a/.*": made.AdamW(weight_decay=0.05)})
    by_path["c/kernel"] = made.SGD(0.1, weight_decay=0.5)
    model.compile(made.MultiOptimizer(by_path), "mse")
    model.fit(RNG.random((8, 6)), RNG.random((8, 2)), batch_size=2, verbose=0)
    file = Path(tmp_path, "multi.keras")
    model.save(file)
    loaded = keras.models.load_model(file)
    evidence = Evidence(regaudit.audit(file).model)
    ours = [evidence.training_of(weight) for _, weight in evidence.model.weights()]
    theirs = [loaded.optimizer._optimizer_map(variable) for variable in loaded.weights]
    assert [one.weight_decay or None for one in ours] == [one.weight_decay for one in theirs]
    assert [one.class_name for one in ours] == [type(one).__name__ for one in theirs]
    assert evidence.model.optimizer.iterations == 4


def test_an_archive_saved_after_an_h5_goes_on_with_another_optimizer(keras, tmp_path):
    model = trained(keras, keras.optimizers.AdamW(weight_decay=0.1))
    model.save(tmp_path / "first.keras")
    model.save(tmp_path / "then.h5")
    model.save(tmp_path / "last.keras")
    first, last = (regaudit.audit(tmp_path / f"{name}.keras") for name in ("first", "last"))
    assert (first.model.optimizer.weight_decay, first.model.loads_with) == (0.1, None)
    assert last.model.optimizer is None
    assert (last.model.compiled, last.model.optimizer_known) == (True, False)
    instead = keras.models.load_model(tmp_path / "last.keras").optimizer
    assert last.model.loads_with == type(instead).__name__
    assert "REG320" in {finding.code for finding in last.findings}
    assert "REG320" not in {finding.code for finding in first.findings}


def test_compiled_or_not_or_not_told(keras, tmp_path):
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(4)])
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    assert regaudit.audit(tmp_path / "m.keras").model.compiled is False
    assert regaudit.audit(tmp_path / "m.weights.h5").model.compiled is None
    given = replace(regaudit.Config.default(), architecture=json.loads(model.to_json()))
    assert regaudit.audit(tmp_path / "m.weights.h5", given).model.compiled is None
    model.compile(optimizer=None, loss="mse")
    model.save(tmp_path / "m.keras")
    found = regaudit.audit(tmp_path / "m.keras").model
    assert (found.compiled, found.optimizer, found.optimizer_known) == (True, None, True)
    model.compile("adam", "mse")
    model.save_weights(tmp_path / "m.weights.h5")
    assert regaudit.audit(tmp_path / "m.weights.h5").model.compiled is True
