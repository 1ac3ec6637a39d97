"""Ten good models, each broken in twenty ways: the right rule speaks, and no wrong one."""

import io
import json
import math
import zipfile

import h5py
import numpy as np
import pytest

import regaudit

SIMPLE = {"module": "keras.regularizers", "registered_name": None}
LARGE, UNITS, CLASSES = 400, 300, 10


def l2(strength):
    return {**SIMPLE, "class_name": "L2", "config": {"l2": strength}}


def middle(keras):
    """Return the layers that every model has, and that are broken."""
    layers, decay = keras.layers, keras.regularizers.L2(1e-4)
    return [
        layers.Dense(UNITS, use_bias=False, kernel_regularizer=decay, name="target"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Dropout(0.3, name="drop"),
    ]


def models(keras):
    """Yield ten networks that differ in what feeds the middle, and in how it is held."""
    layers, decay = keras.layers, keras.regularizers.L2(1e-4)
    own = {"kernel_regularizer": decay}
    tanh = {"activation": "tanh", **own}

    def head():
        return layers.Dense(CLASSES, activation="softmax", name="out", **own)

    def chain(shape, *first):
        return keras.Sequential([layers.Input(shape), *first, *middle(keras), head()])

    yield "mlp", chain((20,), layers.Dense(LARGE, **tanh))
    yield "deep", chain((20,), layers.Dense(30, **tanh), layers.Dense(LARGE, **tanh))
    pool = layers.GlobalAveragePooling2D
    yield "cnn", chain((8, 8, 3), layers.Conv2D(LARGE, 3, **tanh), pool())
    depthwise = layers.DepthwiseConv2D(3, depthwise_regularizer=decay, activation="tanh")
    yield "mobile", chain((8, 8, 3), depthwise, layers.Conv2D(LARGE, 1, **tanh), pool())
    recurrent = {**own, "recurrent_regularizer": decay}
    yield "lstm", chain((5, 6), layers.LSTM(LARGE // 4, **recurrent), layers.Dense(LARGE, **tanh))
    both = layers.Bidirectional(layers.GRU(LARGE // 2, **recurrent))
    yield "gru", chain((5, 6), both)
    table = layers.Embedding(30, LARGE, embeddings_regularizer=decay)
    yield "text", chain((5,), table, layers.GlobalAveragePooling1D())
    inputs = layers.Input((20,))
    one, two = (layers.Dense(LARGE // 2, **tanh)(inputs) for _ in range(2))
    tail = keras.Sequential([layers.Input((LARGE,)), *middle(keras)], name="tail")
    yield "branches", keras.Model(inputs, head()(tail(layers.Concatenate()([one, two]))))
    inputs = layers.Input((20,))
    hidden = layers.Dense(LARGE, **tanh)(inputs)
    added = layers.Add()([hidden, layers.Dense(LARGE, **tanh)(hidden)])
    tail = keras.Sequential([layers.Input((LARGE,)), *middle(keras)], name="tail")
    yield "residual", keras.Model(inputs, head()(tail(added)))
    inner = keras.Sequential([layers.Input((20,)), layers.Dense(LARGE, **tanh)], name="inner")
    yield "nested", chain((20,), inner)


class File:
    """A saved model as its configuration and its arrays, to be broken."""

    def __init__(self, content):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.config = json.loads(archive.read("config.json"))
            self.metadata = json.loads(archive.read("metadata.json"))
            self.weights = io.BytesIO(archive.read("model.weights.h5"))

    def holder(self, name):
        """Return the list of layers that holds a layer, and its place there."""
        found = []

        def visit(model):
            for index, layer in enumerate(model["config"].get("layers", ())):
                if layer["config"].get("name") == name:
                    found.append((model["config"]["layers"], index))
                visit(layer)

        visit(self.config)
        return found[0]

    def layer(self, name):
        layers, index = self.holder(name)
        return layers[index]["config"]

    def optimizer(self):
        return self.config["compile_config"]["optimizer"]["config"]

    def group(self, stored, name):
        """Return the group of variables of a layer: Keras notes its name there."""
        return stored.visititems(
            lambda _, group: group if group.attrs.get("name") == name else None
        )

    def change(self, name, function, number="0"):
        """Replace an array of a layer."""
        with h5py.File(self.weights, "r+") as stored:
            group = self.group(stored, name)
            values = group[number][()] if number in group else None
            if number in group:
                del group[number]
            group[number] = function(values).astype("float32")

    def write(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(self.config))
            archive.writestr("metadata.json", json.dumps(self.metadata))
            archive.writestr("model.weights.h5", self.weights.getvalue())


def set_regularizer(value, name="target", key="kernel_regularizer"):
    return lambda file: file.layer(name).update({key: value})


def insert_dropout(file):
    layers, index = file.holder("norm")
    dropout = {"name": "early", "trainable": True, "dtype": "float32", "rate": 0.3}
    made = {"module": "keras.layers", "class_name": "Dropout", "config": dropout}
    layers.insert(index, {**made, "registered_name": None})


def add_bias(file):
    file.layer("target")["use_bias"] = True
    file.change("target", lambda _: np.full(UNITS, 0.1), "1")


def poison(file):
    def spoiled(values):
        values[0, 0] = math.nan
        return values

    file.change("target", spoiled)


def kill_units(file):
    file.change("target", lambda values: values * (np.arange(UNITS) >= UNITS // 3))


def restart_head(file):
    bound = math.sqrt(6 / (UNITS + CLASSES))
    drawn = np.random.default_rng(0).uniform(-bound, bound, (UNITS, CLASSES))
    file.change("out", lambda _: drawn)
    file.change("out", np.zeros_like, "1")


def old_activity(file):
    file.metadata["keras_version"] = "3.5.0"
    file.layer("out")["activity_regularizer"] = l2(1e-4)


def add_weight(file):
    with h5py.File(file.weights, "r+") as stored:
        stored["layers/forgotten/vars/0"] = np.ones((3, 4), "float32")


OPAQUE = {"module": "my", "class_name": "Own", "config": {}, "registered_name": "my>Own"}
ORTHOGONAL = {**SIMPLE, "class_name": "OrthogonalRegularizer", "config": {"factor": 1e-4}}

MUTATIONS = {
    # name: (what breaks it, the code to find, codes that are right as well)
    "drop": (set_regularizer(None), "REG101", set()),
    "freeze": (lambda f: f.layer("target").update(trainable=False), "REG301", set()),
    "zero": (set_regularizer(l2(0.0)), "REG201", {"REG101"}),
    "nan": (poison, "REG401", set()),
    "default": (set_regularizer(l2(0.01)), "REG204", set()),
    "budget": (set_regularizer(l2(0.2), "out"), "REG202", set()),
    "infinite": (set_regularizer(l2(math.inf)), "REG208", set()),
    "twice": (lambda f: f.optimizer().update(weight_decay=1e-3), "REG303", {"REG307"}),
    "dead": (kill_units, "REG402", set()),
    "collapse": (lambda f: f.change("target", lambda v: v * 1e-3), "REG403", set()),
    "restart": (restart_head, "REG404", set()),
    "l1": (
        set_regularizer({**SIMPLE, "class_name": "L1", "config": {"l1": 1e-6}}),
        "REG405",
        set(),
    ),
    "opaque": (set_regularizer(OPAQUE), "REG904", set()),
    "early dropout": (insert_dropout, "REG313", set()),
    "much dropout": (lambda f: f.layer("drop").update(rate=0.9), "REG314", set()),
    "bias": (set_regularizer(l2(1e-4), "out", "bias_regularizer"), "REG308", set()),
    "gamma": (set_regularizer(l2(1e-4), "norm", "gamma_regularizer"), "REG309", set()),
    "bias before norm": (add_bias, "REG312", set()),
    "activity": (old_activity, "REG310", set()),
    "forgotten": (add_weight, "REG901", set()),
}


def trained(keras, model):
    """Give a model the look of a trained one: moved weights, many steps."""
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy")
    noise = np.random.default_rng(0)
    for variable in model.trainable_variables:
        values = noise.normal(size=variable.shape)
        if variable.name in {"kernel", "recurrent_kernel", "embeddings"}:
            values *= 5 / np.linalg.norm(values)
        elif variable.name == "gamma":
            values = 1 + 0.1 * values
        variable.assign(values)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(20_000)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    keras = pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("good")
    result = {}
    for name, model in models(keras):
        trained(keras, model)
        model.save(folder / f"{name}.keras")
        result[name] = (folder / f"{name}.keras").read_bytes()
    return result


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
class TestMutations:
    def codes(self, file):
        report = regaudit.audit(file)
        assert report.failure is None
        return {finding.code for finding in report.findings}

    def test_good_models_are_silent(self, good, tmp_path):
        assert len(good) == 10
        for name, content in good.items():
            (tmp_path / f"{name}.keras").write_bytes(content)
            assert self.codes(tmp_path / f"{name}.keras") == set(), name

    @pytest.mark.parametrize("mutation", MUTATIONS)
    def test_the_right_rule_speaks_and_no_wrong_one(self, good, tmp_path, mutation):
        assert len(MUTATIONS) == 20
        change, code, right = MUTATIONS[mutation]
        wrong, seen = {}, set()
        for name, content in good.items():
            file = File(content)
            change(file)
            file.write(tmp_path / f"{name}.keras")
            codes = self.codes(tmp_path / f"{name}.keras")
            seen |= codes
            if code not in codes or codes - {code} - right:
                wrong[name] = codes
        assert not wrong
        assert right <= seen, "what is not found need not be allowed"

    @pytest.mark.parametrize("mutation", sorted(MUTATIONS.keys() - {"infinite", "opaque"}))
    def test_broken_files_are_files_that_keras_loads(self, good, tmp_path, mutation):
        keras = pytest.importorskip("keras")
        file = File(good["residual"])
        MUTATIONS[mutation][0](file)
        file.write(tmp_path / "broken.keras")
        keras.saving.load_model(tmp_path / "broken.keras")
