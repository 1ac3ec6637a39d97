"""The audit of a file held against what Keras makes of the same file when it loads it."""

import gc
import importlib.util
import json
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import FIXTURES
from samples import sampled

import regaudit
from regaudit.model import Status

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

ROLES = json.loads((FIXTURES / "variable_roles.json").read_text(encoding="utf-8"))
TREATED = sorted(
    {
        (class_name, variant["then"])
        for class_name, layer in ROLES["layers"].items()
        for variant in layer["variants"]
        if "then" in variant
    }
)
"""Classes and what was done to them after they were built."""
SUMS = {"float64": 1e-7, "float32": 3e-6, "float16": 1e-2, "bfloat16": 1e-1}
"""How far Keras's own sums, taken in the dtype of the variable, may be off.

Strengths are rounded to float32 even for float64 weights.
"""

keras: Any = None
L: Any = None
R: Any = None
roles: Any = None
Scaled: Any = None
Block: Any = None
Stack: Any = None
Cubic: Any = None
FakeL2: Any = None
Plain: Any = None


@pytest.fixture(scope="module", autouse=True)
def _frameworks():
    """Import Keras once, and only if one of these tests runs."""
    global keras, L, R, roles  # noqa: PLW0603
    keras = pytest.importorskip("keras")
    L, R = keras.layers, keras.regularizers
    spec = importlib.util.spec_from_file_location("roles", FIXTURES / "roles.py")
    roles = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(roles)
    _define_custom_classes()
    gc.freeze()  # Keras collects garbage at every quantization, and TensorFlow is large
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _fresh_names():
    keras.utils.clear_session(free_memory=False)


def _define_custom_classes():  # noqa: C901
    global Scaled, Block, Stack, Cubic, FakeL2, Plain  # noqa: PLW0603
    register = keras.saving.register_keras_serializable

    @register("oracle")
    class Scaled(L.Layer):
        """Twelve weights of its own, so that `vars/10` must come after `vars/9`."""

        def build(self, shape):
            for number in range(12):
                regularizer = R.L2(0.01) if number == 3 else None
                self.add_weight(
                    name=f"w{number}",
                    shape=(shape[-1],),
                    trainable=number != 5,
                    regularizer=regularizer,
                )

        def call(self, x):
            return x

    @register("oracle")
    class Block(L.Layer):
        """A layer inside a layer, known to its configuration."""

        def __init__(self, dense=None, **kwargs):
            super().__init__(**kwargs)
            self.dense = dense or L.Dense(3, kernel_regularizer=R.L2(0.02), name="inside")

        def build(self, shape):
            if not self.dense.built:
                self.dense.build(shape)
            self.gain = self.add_weight(name="gain", shape=(3,))

        def call(self, x):
            return self.dense(x) * self.gain

        def compute_output_shape(self, shape):
            return (*shape[:-1], 3)

        def get_config(self):
            return {
                **super().get_config(),
                "dense": keras.saving.serialize_keras_object(self.dense),
            }

        @classmethod
        def from_config(cls, config):
            config["dense"] = keras.saving.deserialize_keras_object(config["dense"])
            return cls(**config)

    @register("oracle")
    class Stack(L.Layer):
        """A list of layers."""

        def __init__(self, blocks=None, **kwargs):
            super().__init__(**kwargs)
            self.blocks = blocks or [
                L.Dense(3, kernel_regularizer=R.L1(0.01), name="first"),
                L.LayerNormalization(name="norm"),
                L.Dense(3, kernel_regularizer=R.L2(0.03), bias_regularizer="l2", name="second"),
            ]

        def build(self, shape):
            for block in self.blocks:
                if not block.built:
                    block.build(shape)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return x

        def compute_output_shape(self, shape):
            return (*shape[:-1], 3)

        def get_config(self):
            blocks = [keras.saving.serialize_keras_object(block) for block in self.blocks]
            return {**super().get_config(), "blocks": blocks}

        @classmethod
        def from_config(cls, config):
            config["blocks"] = [
                keras.saving.deserialize_keras_object(block) for block in config["blocks"]
            ]
            return cls(**config)

    @register("oracle")
    class Cubic(R.Regularizer):
        def __init__(self, strength=0.1):
            self.strength = strength

        def __call__(self, x):
            return self.strength * keras.ops.sum(keras.ops.abs(x) ** 3)

        def get_config(self):
            return {"strength": self.strength}

    @register("oracle", name="L2")
    class FakeL2(R.Regularizer):
        def __init__(self, l2=0.5):
            self.l2 = l2

        def __call__(self, x):
            return self.l2 * keras.ops.max(keras.ops.abs(x))

        def get_config(self):
            return {"l2": self.l2}

    @register("oracle")
    class Plain(keras.Model):
        """A subclassed model: its configuration says nothing about its layers."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.encoder = L.Dense(4, kernel_regularizer=R.L2(0.01), name="enc")
            self.heads = [L.Dense(2, name="left"), L.Dense(2, name="right")]
            self.scale = self.add_weight(name="scale", shape=(2,))

        def call(self, x):
            x = self.encoder(x)
            return self.scale * (self.heads[0](x) + self.heads[1](x))

    globals().update(
        Scaled=Scaled, Block=Block, Stack=Stack, Cubic=Cubic, FakeL2=FakeL2, Plain=Plain
    )


# Holding one against the other -------------------------------------------------------------------


def fill(model: Any, seed: int = 0) -> Any:
    """Give every variable random values, some of them exactly zero."""
    random = np.random.default_rng(seed)
    for variable in stored_variables(model):
        if str(variable.dtype).startswith(("int", "uint")):
            variable.assign(random.integers(1, 9, variable.shape))
            continue
        values = random.normal(0.05, 0.4, variable.shape)
        variable.assign(np.where(random.random(variable.shape) < 0.15, 0.0, values))
    return model


def stored_variables(model: Any) -> list[Any]:
    """All variables of a model but random states, metrics and LoRA's, which are never stored."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [
        variable
        for variable in model.variables
        if id(variable) not in metrics
        and "seed_generator" not in variable.path
        and not variable.name.startswith("lora_")
    ]


def walk(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a layer and all below it, by the names that lead to it; the model itself as ``."""
    yield path, layer
    below = layer.layers if isinstance(layer, keras.Sequential) else layer._layers
    for inner in below:
        yield from walk(inner, f"{path}/{inner.name}" if path else inner.name)


def name_chains(model: Any) -> dict[int, set[str]]:
    """By variable: the names of the layers that lead to it, then its own."""
    found: dict[int, set[str]] = defaultdict(set)
    for path, layer in walk(model):
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            found[id(variable)].add(f"{path}/{variable.name}" if path else variable.name)
    return found


def all_of_keras_are_known(report: regaudit.Report, model: Any) -> None:
    """Layers of custom classes are unknown; of the others, only those inside such a one may be."""
    custom = {
        path for path, layer in walk(model) if not type(layer).__module__.startswith("keras.")
    }
    for layer in report.model.layers:
        parts = layer.path.split("/")
        above = {"", *("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))}
        assert layer.known or above & custom, layer.path
        assert not (layer.known and layer.weights and layer.path in custom), layer.path


def formula(variable: Any) -> float | None:
    """What a built-in regularizer adds, in float64; None for a custom one."""
    regularizer, values = variable.regularizer, as_float64(variable)
    if regularizer is None:
        return 0.0
    if type(regularizer) is R.OrthogonalRegularizer:
        rows = values if regularizer.mode == "rows" else values.T
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        pairs = rows @ rows.T
        off = np.abs(pairs - np.diag(np.diag(pairs))).sum()
        return float(regularizer.factor) * 0.5 * off / (len(rows) * (len(rows) - 1) / 2)
    if type(regularizer) not in {R.L1, R.L2, R.L1L2}:
        return None
    l1, l2 = strengths(regularizer)
    return l1 * np.abs(values).sum() + l2 * np.square(values).sum()


def strengths(regularizer: Any) -> tuple[float, float]:
    return float(getattr(regularizer, "l1", 0.0)), float(getattr(regularizer, "l2", 0.0))


def as_float64(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable.value)).astype(np.float64)


def audit(file: Path) -> regaudit.Report:
    """Audit with warnings turned into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = regaudit.audit(file)
    assert report.failure is None, report.failure
    return report


def agree(
    model: Any,
    folder: Path,
    *,
    dtype: str = "float32",
    load: bool = True,
    skips: bool = False,
    computed: bool = False,
) -> regaudit.Report:
    """Save a model, audit the file and compare every number with the model Keras loads from it.

    Args:
        model: what to save.
        folder: where to.
        dtype: the least exact dtype in which Keras sums a penalty.
        load: False where Keras cannot load its own file: the model itself is the truth.
        skips: whether something may be reported as not wholly examined.
        computed: whether Keras stores other values than it holds: LoRA merged and rounded again.
    """
    folder.mkdir(exist_ok=True)
    file = folder / "model.keras"
    model.save(file)
    arrays = roles.stored(file)
    report = audit(file)
    loaded = keras.models.load_model(file) if load else model
    everything = stored_variables(loaded)
    values = {id(variable): as_float64(variable) for variable in everything}
    penalties = {id(variable): formula(variable) for variable in everything}
    trainable = {id(variable) for variable in loaded.trainable_variables}
    losses = sum(float(loss) for loss in loaded.losses)
    chains = name_chains(loaded)
    owners = stored_as(loaded, folder / "marked.keras")

    all_of_keras_are_known(report, loaded)
    assert skips or all("codes are measured" in s.reason for s in report.skipped), report.skipped
    assert report.coverage.weights == report.coverage.measured == len(arrays)
    assert {id(variable) for variable in everything} == {id(v) for v in owners.values()}
    audited = list(report.model.weights())
    all_are_found_once([weight for _, weight in audited], arrays, owners)

    known, opaque = 0.0, False
    for layer, weight in audited:
        variable = owners[weight.stored_path]
        at = weight.path
        same_name(layer, weight, variable, chains[id(variable)])
        assert weight.shape == tuple(variable.shape), at
        assert weight.dtype == str(variable.dtype), at
        assert weight.trainable_known or not layer.known, at
        if layer.known or variable.trainable:  # `add_weight(trainable=False)` is in no file
            assert weight.trainable == (id(variable) in trainable), at
        real = arrays[weight.stored_path] if computed else values[id(variable)]
        if weight.dtype != "int8" or weight.role.endswith("zero"):
            # Keras holds codes; what they stand for is measured, and held against the corpus.
            same_numbers(report.moments[weight.stored_path], np.asarray(real, np.float64), at)
        same_regularizer(layer, weight, variable, id(variable) in trainable)
        if not weight.regularizer_known:  # custom code decides which regularizer it has
            assert not layer.known, at
            assert report.penalties[weight.stored_path] is None, at
            continue
        expected = penalties[id(variable)] if id(variable) in trainable else 0.0
        opaque |= expected is None
        expected = 0.0 if weight.shared_with else expected
        assert report.penalties[weight.stored_path] == near(expected), at
        known += expected or 0.0
    assert report.penalty == near(known)
    assert report.penalty_complete or opaque or not all(layer.known for layer, _ in audited)
    if report.penalty_complete:
        assert report.penalty == pytest.approx(losses, rel=SUMS[dtype], abs=1e-9)
    return report


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-6, abs=1e-12)


def all_are_found_once(weights: list[Any], arrays: dict[str, Any], owners: dict[str, Any]) -> None:
    """Every stored array is one weight, and every variable has one weight that pays for it."""
    assert sorted(weight.stored_path for weight in weights) == sorted(arrays) == sorted(owners)
    paths = Counter(weight.path for weight in weights)
    assert max(paths.values(), default=1) == 1, paths
    payers = Counter(id(owners[w.stored_path]) for w in weights if w.shared_with is None)
    assert all(payers[id(variable)] == 1 for variable in owners.values())


def stored_as(model: Any, file: Path) -> dict[str, Any]:
    """By stored path, the variable that Keras stores there. Spoils the values."""
    marks = roles.mark(stored_variables(model) + lora_variables(model))
    model.save(file)
    return roles.pair(roles.stored(file), marks)


def lora_variables(model: Any) -> list[Any]:
    return [variable for variable in model.variables if variable.name.startswith("lora_")]


def same_name(layer: Any, weight: Any, variable: Any, chains: set[str]) -> None:
    at = weight.path
    if layer.known:
        assert weight.role == variable.name, at
        assert at in chains, (at, chains)
    else:
        assert weight.role == f"variable_{weight.stored_path.rpartition('/')[2]}", at
        assert at.rpartition("/")[0] in {chain.rpartition("/")[0] for chain in chains}, (at, chains)
    if weight.shared_with is not None:
        assert weight.shared_with in chains, at


def same_numbers(moments: Any, values: np.ndarray, at: str) -> None:
    flat = values.reshape(-1)
    if not np.all(np.isfinite(flat)):
        assert moments.nonfinite == np.count_nonzero(~np.isfinite(flat)), at
        return
    assert moments.nonfinite == 0, at
    assert moments.size == flat.size, at
    assert moments.l1_norm == near(np.abs(flat).sum()), at
    assert moments.l2_norm == near(np.sqrt(np.square(flat).sum())), at
    assert moments.max_abs == np.abs(flat).max(initial=0.0), at
    assert moments.zeros == np.count_nonzero(flat == 0), at
    if flat.size:
        assert moments.mean == near(flat.mean()), at
        assert moments.std == near(flat.std()), at


def same_regularizer(layer: Any, weight: Any, variable: Any, trainable: bool) -> None:
    audited, real, at = weight.regularizer, variable.regularizer, weight.path
    if not layer.known:
        return
    if real is None:
        assert audited is None or audited.status is Status.INERT, (at, audited)
        return
    assert audited is not None, at
    if type(real) not in {R.L1, R.L2, R.L1L2, R.OrthogonalRegularizer}:
        assert audited.class_name == keras.saving.get_registered_name(type(real)), at
        assert (audited.l1, audited.l2) == (None, None), at
        assert audited.status is (Status.OPAQUE if trainable else Status.FROZEN), at
        return
    assert audited.class_name == type(real).__name__, at
    if type(real) is R.OrthogonalRegularizer:
        assert audited.config["mode"] == real.mode, at
        assert audited.config["factor"] == pytest.approx(float(real.factor), rel=1e-6), at
        strong = float(real.factor) != 0
    else:
        assert (audited.l1, audited.l2) == pytest.approx(strengths(real), rel=1e-6), at
        strong = any(strengths(real))
    status = Status.INERT if not strong else Status.IN_FORCE if trainable else Status.FROZEN
    assert audited.status is status, (at, audited.status, status)


def weight_at(report: regaudit.Report, path: str) -> Any:
    return next(weight for _, weight in report.model.weights() if weight.path == path)


def layer_at(report: regaudit.Report, path: str) -> Any:
    return next(layer for layer in report.model.layers if layer.path == path)


# Every layer with every option -------------------------------------------------------------------


def kinds() -> Any:
    """Give a different regularizer for each key."""
    strength = iter(range(1, 100_000))
    kind = cycle(
        (
            lambda s: R.L2(s / 1000),
            lambda s: R.L1(s / 1000),
            lambda s: R.L1L2(s / 1000, s / 3000),
        )
    )
    return lambda _key: next(kind)(next(strength))


def side_by_side(rows: list[Any], class_name: str) -> Any:
    """One model with a layer for each variant."""
    choose, inputs, outputs, later = kinds(), [], [], []
    for row in rows:
        variant = roles.Variant(class_name, tuple(row["input"]), row["options"])
        layer = roles.make(class_name, row["options"], choose)
        tensor, output = roles.call(layer, variant)
        inputs.append(tensor)
        outputs.append(output)
        later.append((layer, row.get("then", "")))
    model = fill(keras.Model(inputs, outputs))
    for layer, then in later:
        roles.treat(layer, then)
    return model


@pytest.mark.parametrize("class_name", sampled(sorted(ROLES["layers"]), every=3))
def test_every_option_of_a_layer_is_read_as_keras_reads_it(class_name, tmp_path):
    rows = [row for row in ROLES["layers"][class_name]["variants"] if "then" not in row]
    report = agree(side_by_side(rows, class_name), tmp_path)
    assert all(layer.known for layer in report.model.layers)


@pytest.mark.parametrize(("class_name", "then"), sampled(TREATED, every=4))
def test_a_layer_that_was_quantized_or_given_lora_is_read_as_keras_reads_it(
    class_name, then, tmp_path
):
    rows = [row for row in ROLES["layers"][class_name]["variants"] if row.get("then") == then]
    attention = class_name in {"MultiHeadAttention", "GroupQueryAttention"}
    model = side_by_side(rows, class_name)
    report = agree(model, tmp_path, load=not attention, computed=" " in then)
    assert all(layer.known for layer in report.model.layers)
    for _, weight in report.model.weights():
        if weight.dtype == "int8" and weight.regularizer is not None:
            assert weight.regularizer.status is Status.INERT
            assert report.penalties[weight.stored_path] == 0.0


@pytest.mark.parametrize("class_name", sampled(sorted(ROLES["layers"])))
def test_a_layer_frozen_in_its_constructor_is_read_as_keras_loads_it(class_name, tmp_path):
    row = ROLES["layers"][class_name]["variants"][0]
    variant = roles.Variant(class_name, tuple(row["input"]), row["options"])
    layer = roles.make(class_name, row["options"], kinds())
    tensor, output = roles.call(layer, variant)
    layer.trainable = False
    agree(fill(keras.Model(tensor, output)), tmp_path)


# Whole models ------------------------------------------------------------------------------------


def dense(units: int = 3, strength: float = 0.01, **kwargs: Any) -> Any:
    return L.Dense(units, kernel_regularizer=R.L2(strength), bias_regularizer=R.L1(0.002), **kwargs)


def test_sequential(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            L.Conv2D(4, 3, kernel_regularizer=R.L1L2(0.01, 0.02)),
            L.BatchNormalization(gamma_regularizer=R.L2(0.01), beta_regularizer=R.L1(0.03)),
            L.Flatten(),
            L.Dropout(0.5),
            dense(5),
            dense(2, 0.02),
        ]
    )
    report = agree(fill(model), tmp_path)
    assert report.penalty > 0


def test_sequential_without_an_input_that_was_built_by_its_first_shape(tmp_path):
    model = keras.Sequential([dense(4), dense(2)])
    model.build((None, 3))
    assert agree(fill(model), tmp_path).coverage.weights == 4


def test_a_model_that_was_never_built_has_no_weights(tmp_path):
    report = agree(keras.Sequential([L.Flatten()]), tmp_path)
    assert report.coverage.weights == 0
    assert report.penalty == 0.0


def test_more_than_ten_layers_of_one_class(tmp_path):
    layers = [dense(2, index / 100) for index in range(13)]
    agree(fill(keras.Sequential([keras.Input((2,)), *layers])), tmp_path)


def test_functional_with_branches_shared_layers_and_operations(tmp_path):
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared, own = dense(3, name="shared"), dense(3, 0.2, name="own")
    x = keras.ops.add(shared(left), shared(right))
    x = keras.ops.relu(x) * 2.0
    x = L.Concatenate()([x, own(right), keras.ops.reshape(shared(x @ np.ones((3, 4))), (-1, 3))])
    model = keras.Model([left, right], {"a": dense(2)(x), "b": dense(1)(x)})
    report = agree(fill(model), tmp_path)
    assert sum(weight.path == "shared/kernel" for _, weight in report.model.weights()) == 1


def nested() -> Any:
    """Functional in Sequential in Functional, three deep, with equal names on every level."""
    i = keras.Input((4,))
    core = keras.Model(i, dense(4, 0.1, name="dense")(dense(4, 0.2, name="other")(i)), name="core")
    middle = keras.Sequential(
        [keras.Input((4,)), dense(4, 0.3, name="dense"), core, dense(4, 0.4, name="last")],
        name="middle",
    )
    j = keras.Input((4,))
    x = dense(4, 0.5, name="dense")(j)
    return keras.Model(j, dense(2, 0.6, name="last")(middle(middle(x))), name="root")


def test_models_nested_three_deep(tmp_path):
    report = agree(fill(nested()), tmp_path)
    assert weight_at(report, "middle/core/dense/kernel").regularizer.l2 == pytest.approx(0.1)


def test_functional_in_sequential(tmp_path):
    i = keras.Input((4,))
    body = keras.Model(i, [dense(3)(i), dense(3, 0.3)(i)][1], name="body")
    agree(fill(keras.Sequential([keras.Input((4,)), body, dense(2)])), tmp_path)


def test_two_nested_models_with_equal_layer_names(tmp_path):
    def tower(name: str, strength: float) -> Any:
        return keras.Sequential([keras.Input((4,)), dense(3, strength, name="d")], name=name)

    i = keras.Input((4,))
    model = keras.Model(i, L.Add()([tower("a", 0.1)(i), tower("b", 0.7)(i)]))
    report = agree(fill(model), tmp_path)
    assert weight_at(report, "b/d/kernel").regularizer.l2 == pytest.approx(0.7)


def test_time_distributed_over_layers_and_models(tmp_path):
    body = keras.Sequential([keras.Input((4,)), dense(3), L.LayerNormalization()], name="body")
    i = keras.Input((5, 4))
    x = L.TimeDistributed(body, name="outer")(i)
    x = L.TimeDistributed(dense(3, 0.3), name="second")(x)
    x = L.RepeatVector(2)(L.Flatten()(x))
    x = L.Reshape((2, 5, 3))(x)
    x = L.TimeDistributed(L.TimeDistributed(dense(2, 0.5)), name="third")(x)
    agree(fill(keras.Model(i, x)), tmp_path)


def test_recurrent_layers_inside_wrappers(tmp_path):
    i = keras.Input((5, 3))
    keys = {"recurrent_regularizer": R.L1(0.01), "return_sequences": True}
    forward = L.LSTM(2, kernel_regularizer=R.L2(0.1), **keys)
    backward = L.GRU(2, go_backwards=True, kernel_regularizer=R.L2(0.7), **keys)
    x = L.Bidirectional(forward, backward_layer=backward)(i)
    x = L.Bidirectional(L.SimpleRNN(3, bias_regularizer=R.L2(0.2), **keys), name="both")(x)
    cells = [L.LSTMCell(3, kernel_regularizer=R.L2(0.3)), L.GRUCell(2, bias_regularizer="l1")]
    x = L.RNN([*cells, L.LSTMCell(2)], return_sequences=True, name="stack")(x)
    x = L.RNN(L.SimpleRNNCell(3, recurrent_regularizer=R.L1L2(0.1, 0.2)), name="one")(x)
    x = L.LSTM(2, name="again", bias_regularizer=R.L2(0.1))(L.Reshape((1, 3))(x))
    report = agree(fill(keras.Model(i, x)), tmp_path)
    assert weight_at(report, "stack/stacked_rnn_cells/gru_cell/bias").regularizer.l1


def test_attention_among_other_layers(tmp_path):
    i = keras.Input((4, 6))
    keys = {"kernel_regularizer": R.L2(0.1), "bias_regularizer": R.L1(0.2)}
    x = L.MultiHeadAttention(2, 3, **keys, name="first")(i, i)
    x = L.LayerNormalization()(x + i)
    x = L.GroupQueryAttention(3, 4, 2, **keys)(x, x)
    x = L.MultiHeadAttention(2, 3, use_bias=False, **keys)(x, x)
    agree(fill(keras.Model(i, dense(2)(x))), tmp_path)


# Frozen ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frozen", ["dense", "middle", "middle/dense", "middle/core", "middle/core/other", ""]
)
def test_freezing_any_level_of_nested_models(frozen, tmp_path):
    model = fill(nested())
    layer = model
    for name in filter(None, frozen.split("/")):
        layer = layer.get_layer(name)
    layer.trainable = False
    agree(model, tmp_path)


def test_a_layer_thawed_inside_a_frozen_model(tmp_path):
    model = fill(nested())
    model.get_layer("middle").trainable = False
    model.get_layer("middle").get_layer("core").get_layer("other").trainable = True
    agree(model, tmp_path)


@pytest.mark.parametrize("thawed", [False, True])
@pytest.mark.parametrize("functional", [False, True])
def test_a_frozen_root(functional, thawed, tmp_path):
    i = keras.Input((4,))
    layers = [dense(3), L.BatchNormalization(), dense(2)]
    if functional:
        model = keras.Model(i, layers[2](layers[1](layers[0](i))))
    else:
        model = keras.Sequential([i, *layers])
    model.trainable = False
    layers[2].trainable = thawed
    agree(fill(model), tmp_path)


@pytest.mark.parametrize("where", ["constructor", "attribute", "inner"])
@pytest.mark.parametrize("kind", ["time", "both", "stack", "spectral", "model"])
def test_freezing_a_wrapper_or_what_it_wraps(kind, where, tmp_path):
    free = {"trainable": False}
    outer = free if where == "constructor" else {}
    inside = free if where == "inner" else {}
    i = keras.Input((5, 3))
    recurrent = {"kernel_regularizer": R.L2(0.1), "recurrent_regularizer": R.L1(0.2)}
    layer = {
        "time": lambda: L.TimeDistributed(dense(2, **inside), **outer),
        "both": lambda: L.Bidirectional(L.LSTM(2, **recurrent, **inside), **outer),
        "stack": lambda: L.RNN([L.LSTMCell(2, **recurrent, **inside), L.GRUCell(2)], **outer),
        "spectral": lambda: L.SpectralNormalization(dense(2, **inside), **outer),
        "model": lambda: L.TimeDistributed(
            keras.Sequential([keras.Input((3,)), dense(2, **inside)], name="body"), **outer
        ),
    }[kind]()
    model = fill(keras.Model(i, layer(i)))
    if where == "attribute":
        layer.trainable = False
    agree(model, tmp_path)


def test_frozen_attention_is_thawed_by_loading_as_keras_does(tmp_path):
    i = keras.Input((4, 6))
    keys = {"kernel_regularizer": R.L2(0.1)}
    x = L.MultiHeadAttention(2, 3, **keys, trainable=False)(i, i)
    layer = L.GroupQueryAttention(3, 4, 2, **keys)
    model = fill(keras.Model(i, layer(x, x)))
    layer.trainable = False
    report = agree(model, tmp_path)
    assert all(weight.trainable for _, weight in report.model.weights())
    assert not report.model.layers[1].trainable


# Regularizers ------------------------------------------------------------------------------------


def test_a_spectrally_normalized_kernel_is_stored_twice_and_penalized_once(tmp_path):
    i = keras.Input((8, 8, 2))
    conv = L.Conv2D(3, 3, kernel_regularizer=R.L2(0.1), name="conv")
    x = L.SpectralNormalization(conv, name="sn")(i)
    x = L.SpectralNormalization(dense(2))(L.Flatten()(x))
    report = agree(fill(keras.Model(i, x)), tmp_path)
    assert weight_at(report, "sn/kernel").shared_with == "sn/conv/kernel"


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_regularizers(mode, tmp_path):
    kernel = R.OrthogonalRegularizer(0.3, mode)
    layers = [L.Dense(5, kernel_regularizer=kernel), L.Dense(4, kernel_regularizer=kernel)]
    table = L.Embedding(7, 3, embeddings_regularizer=kernel)
    i, j = keras.Input((6,)), keras.Input((2,))
    agree(fill(keras.Model([i, j], [layers[1](layers[0](i)), table(j)])), tmp_path)


def test_an_orthogonal_regularizer_of_one_row_is_no_number_and_never_part_of_a_total(tmp_path):
    kernel = R.OrthogonalRegularizer(0.3)
    model = keras.Sequential([keras.Input((1,)), L.Dense(3, kernel_regularizer=kernel), dense(2)])
    file = tmp_path / "model.keras"
    fill(model).save(file)
    assert math.isnan(sum(float(loss) for loss in keras.models.load_model(file).losses))
    report = audit(file)
    assert not report.penalty_complete
    assert math.isfinite(report.penalty)


def test_names_of_regularizers_mean_what_keras_takes_them_for(tmp_path):
    names = ["l1", "l2", "L1", "L2", "l1l2", "L1L2", "OrthogonalRegularizer"]
    layers = [L.Dense(3, kernel_regularizer=name) for name in names]
    model = fill(keras.Sequential([keras.Input((3,)), *layers]))
    report = agree(model, tmp_path)
    assert report.penalty_complete


def test_strings_left_in_the_configuration_mean_what_keras_takes_them_for(tmp_path):
    names = ["l1", "l2", "L1", "L2", "l1l2", "L1L2", "orthogonal_regularizer"]
    model = fill(keras.Sequential([keras.Input((3,)), *(L.Dense(3) for _ in names)]))
    for layer, name in zip(model.layers, names, strict=True):
        layer.kernel_regularizer = _Spelled(name)
    report = agree(model, tmp_path)
    assert sum(weight.regularizer is not None for _, weight in report.model.weights()) == 7


class _Spelled(str):
    """A regularizer that Keras writes out as a bare string."""

    __slots__ = ()


def test_zero_strengths_are_inert(tmp_path):
    kinds = [R.L1(0.0), R.L2(0.0), R.L1L2(0.0, 0.0), R.OrthogonalRegularizer(0.0), R.L1L2(0.0, 0.1)]
    layers = [L.Dense(3, kernel_regularizer=kind) for kind in kinds]
    report = agree(fill(keras.Sequential([keras.Input((3,)), *layers])), tmp_path)
    assert (
        sum(layer.weights[0].regularizer.status is Status.INERT for layer in _kernels(report)) == 4
    )


def _kernels(report: regaudit.Report) -> Iterable[Any]:
    return [layer for layer in report.model.layers if layer.weights]


def test_regularizers_of_weights_that_an_option_removed_are_inert(tmp_path):
    i = keras.Input((4,))
    x = L.Dense(3, use_bias=False, bias_regularizer=R.L2(0.1), name="d")(i)
    x = L.BatchNormalization(center=False, beta_regularizer=R.L1(0.1), name="b")(x)
    x = L.LayerNormalization(scale=False, gamma_regularizer=R.L1(0.1), name="n")(x)
    report = agree(fill(keras.Model(i, x)), tmp_path)
    assert layer_at(report, "d").unplaced["bias_regularizer"].status is Status.INERT
    assert layer_at(report, "b").unplaced["beta_regularizer"].status is Status.INERT
    assert layer_at(report, "n").unplaced["gamma_regularizer"].status is Status.INERT
    assert report.penalty_complete


def test_a_custom_regularizer_is_opaque_and_the_total_incomplete(tmp_path):
    i = keras.Input((4,))
    x = L.Dense(3, kernel_regularizer=Cubic(0.2), bias_regularizer=R.L2(0.1), name="d")(i)
    report = agree(fill(keras.Model(i, dense(2)(x))), tmp_path)
    assert weight_at(report, "d/kernel").regularizer.status is Status.OPAQUE
    assert not report.penalty_complete


def test_a_custom_regularizer_that_is_only_named_l2_is_opaque(tmp_path):
    i = keras.Input((4,))
    layer = L.Dense(3, kernel_regularizer=FakeL2(), bias_regularizer=R.L2(0.1), name="d")
    report = agree(fill(keras.Model(i, layer(i))), tmp_path)
    assert weight_at(report, "d/kernel").regularizer.class_name == "oracle>L2"
    assert not report.penalty_complete


def test_a_frozen_weight_with_a_custom_regularizer_adds_nothing(tmp_path):
    i = keras.Input((4,))
    layer = L.Dense(3, kernel_regularizer=Cubic(0.2), trainable=False)
    assert agree(fill(keras.Model(i, dense(2)(layer(i)))), tmp_path).penalty_complete


def test_activity_regularizers_stand_in_the_audit_and_cost_nothing_without_data(tmp_path):
    i = keras.Input((6, 6, 2))
    x = L.Conv2D(3, 2, activity_regularizer=R.L1(0.01), name="conv")(i)
    x = L.BatchNormalization(activity_regularizer=R.L2(0.5), name="bn")(x)
    x = L.ActivityRegularization(l1=0.1, l2=0.2, name="act")(L.Flatten()(x))
    x = dense(3, activity_regularizer=R.L1L2(0.1, 0.3), name="d")(x)
    report = agree(
        fill(keras.Model(i, L.Activation("relu", activity_regularizer="l2")(x))), tmp_path
    )
    found = {
        layer.name: (layer.activity_regularizer.l1, layer.activity_regularizer.l2)
        for layer in report.model.layers
        if layer.activity_regularizer
    }
    assert found["conv"] == pytest.approx((0.01, 0.0))
    assert found["bn"] == pytest.approx((0.0, 0.5))
    assert found["act"] == pytest.approx((0.1, 0.2))
    assert found["d"] == pytest.approx((0.1, 0.3))
    assert found["activation"] == pytest.approx((0.0, 0.01))


# Custom classes ----------------------------------------------------------------------------------


def test_the_weights_of_a_custom_layer_are_measured_in_order(tmp_path):
    i = keras.Input((3,))
    report = agree(
        fill(keras.Model(i, dense(2)(Scaled(name="own")(dense()(i))))), tmp_path, skips=True
    )
    assert [w.role for w in layer_at(report, "own").weights] == [f"variable_{k}" for k in range(12)]
    assert report.skipped


def test_a_built_in_layer_inside_a_custom_one_keeps_its_role_and_regularizer(tmp_path):
    i = keras.Input((4,))
    report = agree(fill(keras.Model(i, Block(name="block")(i))), tmp_path, skips=True)
    assert weight_at(report, "block/inside/kernel").regularizer.l2 == pytest.approx(0.02)


def test_layers_in_a_list_of_a_custom_layer_keep_their_roles(tmp_path):
    i = keras.Input((3,))
    report = agree(
        fill(keras.Model(i, Stack(name="stack")(Stack(name="lower")(i)))), tmp_path, skips=True
    )
    assert weight_at(report, "stack/second/bias").regularizer.l2 == pytest.approx(0.01)


def test_a_custom_layer_in_wrappers_and_nested_models(tmp_path):
    body = keras.Sequential([keras.Input((3,)), Block(name="block"), Scaled(name="own")], name="b")
    i = keras.Input((5, 3))
    x = L.TimeDistributed(body, name="t")(i)
    agree(fill(keras.Model(i, L.TimeDistributed(Stack(name="stack"))(x))), tmp_path, skips=True)


def test_a_custom_class_named_like_a_built_in_layer_is_not_taken_for_it(tmp_path):
    @keras.saving.register_keras_serializable("oracle", name="Dense")
    class Dense(L.Layer):
        def build(self, shape):
            self.first = self.add_weight(name="offset", shape=(shape[-1],))
            self.second = self.add_weight(name="matrix", shape=(shape[-1], 2))

        def call(self, x):
            return (x + self.first) @ self.second

    i = keras.Input((4,))
    model = keras.Model(i, dense(2, name="after")(Dense(name="fake")(dense(3, name="before")(i))))
    report = agree(fill(model), tmp_path, skips=True)
    assert not layer_at(report, "fake").known
    assert layer_at(report, "after").known


def test_a_subclassed_model_is_measured_whole_under_the_names_of_its_layers(tmp_path):
    model = Plain(name="plain")
    model(np.zeros((1, 3), "float32"))
    report = agree(fill(model), tmp_path, skips=True)
    assert report.coverage.weights == 7
    assert report.skipped


def test_a_pipeline_of_layers(tmp_path):
    i = keras.Input((4,))
    x = L.Pipeline([dense(3, name="a"), dense(3, 0.2, name="b")], name="pipe")(i)
    report = agree(fill(keras.Model(i, dense(2)(x))), tmp_path)
    assert weight_at(report, "pipe/b/kernel").regularizer.l2 == pytest.approx(0.2)


# Names, dtypes, optimizers -----------------------------------------------------------------------


def test_layers_are_found_whatever_they_are_called_and_in_whatever_order_they_were_made(tmp_path):
    last, first = dense(2, 0.9, name="dense"), dense(3, 0.1, name="dense_1")
    norm, conv = L.LayerNormalization(name="conv2d"), dense(4, 0.5, name="layer_normalization")
    i = keras.Input((4,), name="sequential")
    report = agree(fill(keras.Model(i, last(conv(norm(first(i)))))), tmp_path)
    assert weight_at(report, "dense/kernel").regularizer.l2 == pytest.approx(0.9)
    assert weight_at(report, "dense_1/kernel").regularizer.l2 == pytest.approx(0.1)


@pytest.mark.parametrize(
    "name",
    ["with space", "käse_层_🧀", "a.b:c", "..", "vars", "layers", "0", "<b>&", "a\\b", "x" * 300],
)
def test_odd_names(name, tmp_path):
    i = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), dense(3, name=name)], name=f"{name}_")
    report = agree(fill(keras.Model(i, dense(2, 0.3, name=name)(inner(i)))), tmp_path)
    assert weight_at(report, f"{name}_/{name}/kernel").regularizer.l2 == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("policy", "dtype"),
    [
        ("mixed_float16", "float32"),
        ("mixed_bfloat16", "float32"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
        ("float64", "float64"),
    ],
)
def test_dtypes(policy, dtype, tmp_path):
    i = keras.Input((5, 4))
    keys = {"kernel_regularizer": R.L1L2(0.01, 0.02), "dtype": policy}
    more = {"recurrent_regularizer": R.L2(0.1), "recurrent_initializer": "glorot_uniform"}
    x = L.LSTM(3, return_sequences=True, **more, **keys)(i)
    x = L.BatchNormalization(gamma_regularizer=R.L2(0.1), dtype=policy)(x)
    x = L.MultiHeadAttention(2, 3, **keys)(x, x)
    model = fill(keras.Model(i, L.Dense(2, bias_regularizer=R.L1(0.1), **keys)(x)))
    report = agree(model, tmp_path, dtype=dtype)
    assert {weight.dtype for _, weight in report.model.weights()} <= {dtype, "float32"}


def test_two_dtypes_in_one_model(tmp_path):
    i = keras.Input((4,))
    x = dense(3, dtype="bfloat16")(dense(3, dtype="float64")(i))
    agree(fill(keras.Model(i, dense(2, dtype="float16")(x))), tmp_path, dtype="bfloat16")


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_a_model_quantized_as_a_whole(mode, tmp_path):
    i = keras.Input((6,), dtype="int32")
    keys = {"kernel_regularizer": R.L2(0.1), "bias_regularizer": R.L1(0.2)}
    x = L.Embedding(7, 4, embeddings_regularizer=R.L2(0.3))(i)
    x = L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", **keys)(x)
    x = L.LayerNormalization(gamma_regularizer=R.L2(0.5))(x)
    x = L.TimeDistributed(L.Dense(4, use_bias=False, kernel_regularizer=R.L2(0.7)))(x)
    body = keras.Sequential([keras.Input((6, 4)), L.Dense(3, **keys)], name="body")
    model = fill(keras.Model(i, body(x)))
    if mode == "float8":
        for layer in (model.layers[2], body.layers[0]):
            layer.quantize(mode)
    else:
        model.quantize(mode)
    agree(model, tmp_path)


def test_not_a_number_and_infinity_are_counted(tmp_path):
    model = fill(keras.Sequential([keras.Input((4,)), L.Dense(3), dense(2)]))
    kernel = as_float64(model.layers[0].kernel)
    kernel[0, :2], kernel[1, 1] = np.nan, np.inf
    model.layers[0].kernel.assign(kernel)
    report = agree(model, tmp_path)
    assert report.moments["layers/dense/vars/0"].nonfinite == 3


@pytest.mark.parametrize("mixed", [False, True])
def test_a_compiled_and_trained_model_keeps_its_optimizer_apart(mixed, tmp_path):
    layers = [dense(4, dtype="mixed_float16" if mixed else None), L.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    optimizer = keras.optimizers.AdamW(0.001, weight_decay=0.03)
    if mixed:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "mse", metrics=["mae"])
    fill(model)
    optimizer.build(model.trainable_variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.iterations.assign(42)
    report = agree(model, tmp_path)
    assert report.coverage.weights == 4
    assert report.model.optimizer.class_name == "AdamW"
    assert report.model.optimizer.weight_decay == pytest.approx(0.03)
    assert report.model.optimizer.iterations == 42
    assert report.model.loss == "mse"


def test_an_adapted_normalization(tmp_path):
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3.0, 2.0, (50, 4)))
    model = keras.Sequential([keras.Input((4,)), layer, dense(2)])
    agree(model, tmp_path)


def test_a_large_weight_read_in_many_parts(tmp_path):
    model = keras.Sequential([keras.Input((700,)), dense(7000, 1e-5)])
    agree(fill(model), tmp_path)


# Any architecture --------------------------------------------------------------------------------


def drawn_regularizer(draw: Any) -> Any:
    kind = draw(st.sampled_from(["none", "none", "l1", "l2", "l1_l2", "string", "zero"]))
    strength = draw(st.sampled_from([1e-5, 3e-4, 0.01, 0.5]))
    return {
        "none": None,
        "l1": R.L1(strength),
        "l2": R.L2(strength),
        "l1_l2": R.L1L2(strength, strength / 2),
        "string": "l2",
        "zero": R.L2(0.0),
    }[kind]


def drawn_layer(draw: Any, depth: int) -> Any:
    """Return a layer, wrapper or nested model that keeps the shape (6, 4)."""
    reg = lambda: drawn_regularizer(draw)  # noqa: E731
    trainable = draw(st.sampled_from([True, True, True, False]))
    size = draw(st.integers(1, 3))
    makers = {
        "dense": lambda: L.Dense(4, kernel_regularizer=reg(), bias_regularizer=reg()),
        "conv": lambda: L.Conv1D(4, size, padding="same", kernel_regularizer=reg()),
        "depthwise": lambda: L.DepthwiseConv1D(size, padding="same", depthwise_regularizer=reg()),
        "separable": lambda: L.SeparableConv1D(
            4, size, padding="same", depthwise_regularizer=reg(), pointwise_regularizer=reg()
        ),
        "lstm": lambda: L.LSTM(
            4, return_sequences=True, kernel_regularizer=reg(), recurrent_regularizer=reg()
        ),
        "gru": lambda: L.GRU(4, return_sequences=True, recurrent_regularizer=reg(), use_bias=False),
        "cells": lambda: L.RNN([L.LSTMCell(2), L.GRUCell(4)], return_sequences=True),
        "both": lambda: L.Bidirectional(
            L.SimpleRNN(2, return_sequences=True, kernel_regularizer=reg())
        ),
        "each": lambda: L.TimeDistributed(L.Dense(4, kernel_regularizer=reg())),
        "batch": lambda: L.BatchNormalization(gamma_regularizer=reg(), center=size > 1),
        "norm": lambda: L.LayerNormalization(beta_regularizer=reg()),
        "spectral": lambda: L.SpectralNormalization(L.Dense(4, kernel_regularizer=reg())),
        "prelu": lambda: L.PReLU(alpha_regularizer=reg()),
        "dropout": lambda: L.Dropout(0.1),
    }
    if depth:
        makers["nested"] = lambda: drawn_model(draw, depth - 1)
    layer = makers[draw(st.sampled_from(sorted(makers)))]()
    layer.trainable = trainable
    return layer


def drawn_model(draw: Any, depth: int) -> Any:
    layers = [drawn_layer(draw, depth) for _ in range(draw(st.integers(1, 4)))]
    if draw(st.booleans()):
        return keras.Sequential([keras.Input((6, 4)), *layers])
    tensor = inputs = keras.Input((6, 4))
    for layer in layers:
        output = layer(tensor)
        if draw(st.booleans()):
            output = L.Add()([output, tensor])
        tensor = output
    return keras.Model(inputs, tensor)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_any_architecture_with_any_regularizers(data, tmp_path_factory):
    keras.utils.clear_session(free_memory=False)
    model = drawn_model(data.draw, 2)
    agree(fill(model), tmp_path_factory.mktemp("drawn"))
