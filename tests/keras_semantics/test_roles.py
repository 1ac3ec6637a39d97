"""The table of what each layer stores, held against what real Keras was seen to store."""

import importlib.util
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from paths import FIXTURES

from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.group_names import snake_case
from regaudit.keras_semantics.layer_table import LAYERS, MODELS, PYTHON_NAMES, WRAPPED
from regaudit.model import Status, Weight
from regaudit.tensors.tensor import ArrayTensor, TensorGroup

ROLES = json.loads((FIXTURES / "variable_roles.json").read_text(encoding="utf-8"))
VARIANTS = [
    pytest.param(name, variant, id=" ".join(filter(None, (name, _id, variant.get("then")))))
    for name, layer in ROLES["layers"].items()
    for variant in layer["variants"]
    for _id in [json.dumps(variant["options"]).replace('"', "")[1:-1]]
]
UNTREATED = [param for param in VARIANTS if "then" not in param.values[1]]


class Seen(NamedTuple):
    """A slot of the table in its place below the layer."""

    path: str
    role: str
    regularizer_key: str | None
    trainable: bool


def slots_of(class_name: str, options: dict[str, Any], below: str = "") -> Iterator[Seen]:
    """Yield what the table says a layer stores, what it wraps included, in stored order."""
    if class_name == "SpectralNormalization":
        first = next(slots_of(**arguments(options["layer"])))
        yield first._replace(path=f"{below}vars/0")
        yield Seen(f"{below}vars/1", "vector_u", None, trainable=False)
    counts: dict[str, int] = {}
    for slot in LAYERS.get(class_name, ()):
        if slot.when(options):
            place = f"{below}{slot.at}/" if slot.at else below
            number = counts[place] = counts.get(place, -1) + 1
            path = f"{place}vars/{number}"
            yield Seen(path, slot.role, slot.regularizer_key, slot.trainable)
    for attribute, key in WRAPPED.get(class_name, {}).items():
        inner = options.get(key, options.get("layer"))
        if isinstance(inner, list):
            seen: dict[str, int] = {}
            for cell in inner:
                name = snake_case(PYTHON_NAMES.get(cell["class_name"], cell["class_name"]))
                seen[name] = seen.get(name, -1) + 1
                group = f"{name}_{seen[name]}" if seen[name] else name
                yield from slots_of(**arguments(cell), below=f"{below}{attribute}/{group}/")
        else:
            yield from slots_of(**arguments(inner), below=f"{below}{attribute}/")


def arguments(layer: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": layer["class_name"], "options": layer["config"]}


@pytest.mark.parametrize(("class_name", "variant"), UNTREATED)
def test_the_table_has_the_roles_keys_and_order_that_keras_stores(class_name, variant):
    found = sorted(slots_of(class_name, variant["options"]), key=lambda seen: in_order(seen.path))
    assert found == [
        Seen(row["path"], row["role"], row["regularizer_key"], row["trainable"] or frozen(variant))
        for row in variant["variables"]
    ]


def frozen(variant: dict[str, Any]) -> bool:
    """Whether it is the layer's own flag that keeps its weights from training."""
    return variant["options"].get("trainable") is False


def in_order(path: str) -> tuple[Any, ...]:
    """Sort `vars/10` after `vars/9`, as the JSON does."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in path.split("/"))


@pytest.mark.parametrize("class_name", sorted(ROLES["layers"]))
def test_sublayers_of_a_layer_stand_in_the_table_in_the_order_of_their_folders(class_name):
    places = list(dict.fromkeys(slot.at for slot in LAYERS.get(class_name, ())))
    gate = [place for place in places if place == "_gate_dense"]  # sorts last, as Keras visits it
    others = [place for place in places if place not in gate]
    assert others == sorted(others)


def test_every_layer_with_weights_is_in_the_table():
    owning = {
        name
        for name, layer in ROLES["layers"].items()
        if any(variant["variables"] for variant in layer["variants"])
    }
    assert owning <= LAYERS.keys() | WRAPPED.keys()


def test_no_layer_of_the_table_is_one_that_keras_stores_nothing_for():
    weightless = {name for name in ROLES["without_variables"] if LAYERS.get(name)}
    assert not weightless


def test_every_layer_of_the_table_was_asked_about():
    covered = set(ROLES["layers"]) | set(ROLES["without_variables"]) | set(PYTHON_NAMES.values())
    for layer in ROLES["layers"].values():
        for variant in layer["variants"]:
            covered |= set(class_names(variant["options"]))
    assert (LAYERS.keys() | WRAPPED.keys()) - {"Wrapper", "FeatureSpace"} <= covered


def class_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "class_name" in value:
            yield value["class_name"]
        for item in value.values():
            yield from class_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from class_names(item)


def test_classes_whose_folder_is_not_named_for_their_public_name_are_known():
    renamed = {
        name: layer["python_name"]
        for name, layer in ROLES["layers"].items()
        if layer["python_name"] != name
    }
    assert renamed == PYTHON_NAMES


@pytest.mark.parametrize(("class_name", "folder"), sorted(ROLES["without_variables"].items()))
def test_layers_without_weights_get_the_folder_that_keras_gives_them(class_name, folder):
    assert snake_case(class_name) == folder
    assert class_name not in MODELS


# The same through the join: what an audit makes of such a layer -----------------------------------


@pytest.mark.parametrize(("class_name", "variant"), VARIANTS)
def test_an_audit_gives_each_stored_array_its_role_and_regularizer(class_name, variant):
    found = describe(*saved(class_name, variant))
    weights = {w.stored_path: w for layer in found.model.layers for w in layer.weights}
    python_name = ROLES["layers"][class_name]["python_name"]
    below = f"layers/{snake_case(python_name)}/"
    assert all("codes are measured" in skip.reason for skip in found.skipped)
    assert weights.keys() == {below + row["path"] for row in variant["variables"]}
    for row in variant["variables"]:
        weight = weights[below + row["path"]]
        assert weight.role == row["role"], row
        assert weight.shape == tuple(row["shape"]), row
        assert weight.trainable == row["trainable"], row
        assert governed_by(weight) == row["regularizer_key"], row


@pytest.mark.parametrize(("class_name", "variant"), VARIANTS)
def test_an_audit_says_of_a_regularizer_without_a_weight_that_it_is_inert(class_name, variant):
    """Of quantized kernels too: Keras drops their regularizer, and the configuration keeps it."""
    found = describe(*saved(class_name, variant))
    inert = set()
    for layer in found.model.layers:
        inert |= {key for key, r in layer.unplaced.items() if r.status is Status.INERT}
        inert |= {
            weight.regularizer_key
            for weight in layer.weights
            if weight.regularizer and weight.regularizer.status is Status.INERT
        }
    assert inert == set(variant["keys_without_variable"])


def governed_by(weight: Weight) -> str | None:
    """The key whose regularizer acts, or would if the weight were not frozen."""
    regularizer = weight.regularizer
    if regularizer is None or regularizer.status is Status.INERT:
        return None
    return weight.regularizer_key


def saved(class_name: str, variant: dict[str, Any]) -> tuple[Any, dict[str, Any], TensorGroup]:
    """Write a model of this layer as Keras does: its configuration and its tree of arrays."""
    layer = serialized(class_name, variant["options"], variant)
    model = {"class_name": "Sequential", "config": {"name": "model", "layers": [layer]}}
    python_name = ROLES["layers"][class_name]["python_name"]
    tree: dict[str, Any] = {}
    for row in variant["variables"]:
        *folders, key = f"layers/{snake_case(python_name)}/{row['path']}".split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[key] = ArrayTensor(np.ones(row["shape"], row["dtype"]))
    return model, {}, grouped(tree)


def grouped(tree: dict[str, Any]) -> TensorGroup:
    tensors = {key: item for key, item in tree.items() if isinstance(item, ArrayTensor)}
    groups = {key: grouped(item) for key, item in tree.items() if isinstance(item, dict)}
    return TensorGroup(tensors, groups)


def serialized(class_name: str, options: dict[str, Any], variant: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's configuration with a regularizer on every key that any class has."""
    inner = {
        key: serialized(value["class_name"], value["config"], variant)
        if isinstance(value, dict) and "class_name" in value
        else [serialized(cell["class_name"], cell["config"], variant) for cell in value]
        if key == "cells"
        else value
        for key, value in options.items()
    }
    if class_name == "Bidirectional":
        inner.setdefault("backward_layer", inner["layer"])
    name = snake_case(class_name)
    return {
        "class_name": class_name,
        "module": "keras.layers",
        "registered_name": None,
        "config": {
            "name": name,
            **regularizers(class_name),
            **inner,
            **treatment(class_name, variant),
        },
    }


def regularizers(class_name: str) -> dict[str, Any]:
    """One for each key that the class was seen to accept."""
    keys: set[str] = set()
    for name, layer in ROLES["layers"].items():
        for variant in layer["variants"]:
            if class_name in {name, *class_names(variant["options"])}:
                keys |= set(variant["keys_without_variable"])
                keys |= {row["regularizer_key"] for row in variant["variables"]} - {None}
    if class_name in WRAPPED:
        return {}
    return {
        key: {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.01}}
        for key in sorted(keys)
    }


def treatment(class_name: str, variant: dict[str, Any]) -> dict[str, Any]:
    """What quantization and LoRA leave in a layer's configuration."""
    changes: dict[str, Any] = {}
    for word in variant.get("then", "").split():
        mode, _, _ = word.partition("/")
        if mode == "lora":
            changes["lora_rank"] = 2
        elif class_name in {"MultiHeadAttention", "GroupQueryAttention"}:
            pass  # Keras notes nothing: it is to be seen from the arrays
        else:
            changes["dtype"] = {"class_name": policy(mode), "config": {"mode": mode}}
    return changes


def policy(mode: str) -> str:
    return "QuantizedFloat8DTypePolicy" if mode == "float8" else "QuantizedDTypePolicy"


# Against the installed Keras ---------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.slow  # `.ci/run` does the same by the script
@pytest.mark.filterwarnings("ignore")
def test_the_installed_keras_stores_what_the_fixture_says(capsys):
    pytest.importorskip("keras")
    spec = importlib.util.spec_from_file_location("roles", FIXTURES / "roles.py")
    roles = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(roles)
    status = roles.main(["--check"])
    assert status == 0, capsys.readouterr().err
