"""A broken configuration is refused with the path of the fault, as Keras refuses to load it."""

import json
import zipfile
from copy import deepcopy

import pytest
from paths import MODELS

import regaudit
from regaudit.errors import UnreadableModelError
from regaudit.keras_semantics.whole_configuration import check_configuration


def layer(class_name="Dense", **config):
    return {"class_name": class_name, "config": {"name": "a", **config}}


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


def call(*history):
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": list(history)}}
    return {"args": [tensor], "kwargs": {}}


CUSTOM = {"module": "mine", "registered_name": "mine>Odd"}
GOOD = sequential(layer(), layer(), layer())
BROKEN = [
    ({"class_name": "Sequential", "config": {"layers": {"0": 1}}}, "config.layers is not a list"),
    ({"class_name": "Sequential", "config": {"layers": None}}, "config.layers is missing"),
    ({"class_name": "Functional", "config": {}}, "config.layers is missing"),
    ({"class_name": "Sequential", "config": "x"}, "config is no object but 'x'"),
    ({"class_name": "Sequential"}, "config is missing"),
    (sequential(layer(), 7), "config.layers[1] is no layer but 7"),
    (sequential(layer(), None), "config.layers[1] is no layer but null"),
    (sequential(layer(), {"class_name": "Dense"}), "config.layers[1].config is missing"),
    (sequential({"class_name": "Dense", "config": None}), "config.layers[0].config is no object"),
    (sequential({**layer(), "class_name": None}), "config.layers[0].class_name is no name"),
    (sequential({"config": {}}), "config.layers[0].class_name is no name"),
    (sequential(layer(name=7)), "config.layers[0].config.name is no text but 7"),
    (sequential({**layer(), "name": ["a"]}), "config.layers[0].name is no text"),
    (sequential({**layer(), "module": 3}), "config.layers[0].module is no text"),
    (sequential({**layer(), "registered_name": {}}), "config.layers[0].registered_name is no"),
    (sequential({**layer(), "build_config": 3}), "config.layers[0].build_config is no object"),
    ({**GOOD, "compile_config": [1]}, "compile_config is no object"),
    (sequential(sequential(layer(), 3)), "config.layers[0].config.layers[1] is no layer"),
    (sequential(layer("TimeDistributed")), "config.layers[0].config.layer is missing"),
    (sequential(layer("TimeDistributed", layer="x")), "config.layers[0].config.layer is no layer"),
    (sequential(layer("Bidirectional", layer=[])), "config.layers[0].config.layer is no layer"),
    (sequential(layer("RNN", cell={"class_name": "LSTMCell"})), "layers[0].config.cell.config is"),
    (sequential(layer("StackedRNNCells", cells=3)), "config.layers[0].config.cells is no layer"),
    (
        sequential({**layer("Odd", parts=[{"class_name": "Dense", "module": "keras"}]), **CUSTOM}),
        "config.layers[0].config.parts[0].config is missing",
    ),
    ({"class_name": "Sequential", "config": [layer(), 5]}, "config[1] is no layer but 5"),
    (sequential({**layer(), "inbound_nodes": 3}), "config.layers[0].inbound_nodes is no list"),
    (sequential({**layer(), "inbound_nodes": [5]}), "layers[0].inbound_nodes[0] is no call"),
    (
        sequential({**layer(), "inbound_nodes": [[["b", 0, 0, {}]]]}),
        "config.layers[0].inbound_nodes[0][0] refers to 'b'",
    ),
    (
        sequential({**layer(), "inbound_nodes": [call("b", 0, 0)]}),
        "inbound_nodes[0].args[0].config.keras_history refers to 'b'",
    ),
    (
        sequential({**layer(), "inbound_nodes": [call("a")]}),
        "inbound_nodes[0].args[0].config.keras_history is no reference",
    ),
    (
        sequential({**layer(), "inbound_nodes": [call(["a"], 0, 0)]}),
        "inbound_nodes[0].args[0].config.keras_history is no reference",
    ),
]


@pytest.mark.parametrize(("config", "says"), BROKEN, ids=[says for _, says in BROKEN])
def test_what_cannot_be_read_is_named(config, says):
    with pytest.raises(UnreadableModelError) as refused:
        check_configuration(config, "config.json")
    assert str(refused.value).startswith("config.json is broken: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "config",
    [
        GOOD,
        sequential(),
        sequential(layer(name=None)),
        sequential({**layer("Odd", layers=6, name="odd", parts=[{"class_name": 3}]), **CUSTOM}),
        sequential({"class_name": "function", "config": "system"}),
        sequential(layer("Bidirectional", layer=layer("LSTM"), backward_layer=None)),
        sequential({**layer(), "inbound_nodes": [["a", 0, 0, {"y": ["_CONSTANT_VALUE", -1, 3]}]]}),
        {"class_name": "Sequential", "config": [layer()]},
        {"class_name": "Own", "config": {}, "registered_name": "mine>Own"},
    ],
)
def test_what_keras_writes_passes(config):
    check_configuration(config, "config.json")


def rewritten(file, folder, change):
    """Return a copy of an archive with another configuration."""
    out = folder / file.name
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            raw = old.read(name)
            if name == "config.json":
                config = json.loads(raw)
                change(config)
                raw = json.dumps(config).encode()
            new.writestr(name, raw)
    return out


def drop(*path):
    def change(config):
        for key in path[:-1]:
            config = config[key]
        del config[path[-1]]

    return change


def put(value, *path):
    def change(config):
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = deepcopy(value)

    return change


CHANGES = {
    "layers": put({}, "config", "layers"),
    "layer": put(3, "config", "layers", 1),
    "config": drop("config", "layers", 1, "config"),
    "name": put(7, "config", "layers", 1, "config", "name"),
    "class": put(None, "config", "layers", 1, "class_name"),
}


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES)
def test_keras_cannot_load_it_either(tmp_path, change):
    keras = pytest.importorskip("keras")
    file = rewritten(MODELS / "regularized-cnn.keras", tmp_path, CHANGES[change])
    report = regaudit.audit(file)
    assert report.failure.kind == "UnreadableModelError"
    assert "config.layers" in report.failure.message
    with pytest.raises(Exception):  # noqa: B017, PT011 - of whatever kind
        keras.models.load_model(file)
