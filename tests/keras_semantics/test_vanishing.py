"""Every regularizer of a configuration is in the report: on a weight, on an output, or unplaced."""

import random
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import h5py
import pytest
from msgspec.structs import replace
from paths import CORPUS

import regaudit
from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.match_by_name import LegacyJoin
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.model import Layer
from regaudit.tensors.tensor import TensorGroup

SAMPLED = {"keras-3.15.1", "keras-3.3.3", "tf-2.12", "tf-keras-2.21"}
FILES = [
    pytest.param(
        file,
        id=f"{file.parent.name}/{file.name}",
        marks=() if file.parent.name in SAMPLED else pytest.mark.slow,
    )
    for file in sorted(CORPUS.glob("*/*"))
    if file.suffix in {".keras", ".h5"} and ".weights." not in file.name
]
FEW, MANY = range(300), range(300, 20_000)
"""Random nestings, of the sample and of the long run."""
OLD = {
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
}


Configured = tuple[tuple[str, ...], str]
"""Names of the layers around a regularizer, the innermost last, and its key."""


def configured(value: Any, names: tuple[str, ...] = ()) -> Iterator[Configured]:
    """Yield every regularizer of a configuration that is not null."""
    if isinstance(value, list):
        for item in value:
            yield from configured(item, names)
    elif isinstance(value, dict):
        if "class_name" not in value and isinstance(value.get("name"), str):
            names = (*names, value["name"])
        for key, item in value.items():
            if not key.endswith("_regularizer"):
                yield from configured(item, names)
            elif item is not None:
                yield names, OLD.get(key, key)


def lost(config: Any, layers: Iterable[Layer]) -> list[Configured]:
    """Return the regularizers of a configuration that are in no layer of a report.

    What custom code holds is listed under the layer that it is found in, by its path there.
    """
    own, deep = set(), set()
    for layer in layers:
        names = {layer.name, re.sub(r"^(forward|backward)_", "", layer.name)}
        keys = {weight.regularizer_key for weight in layer.weights if weight.regularizer}
        keys |= {key for key in layer.unplaced if "." not in key}
        keys |= {"activity_regularizer"} if layer.activity_regularizer else set()
        own |= {(name, key) for name in names for key in keys}
        deep |= {(layer.name, key.rpartition(".")[2]) for key in layer.unplaced if "." in key}
    return [
        (names, key)
        for names, key in configured(config)
        if (names[-1], key) not in own and not any((name, key) in deep for name in names)
    ]


@pytest.mark.parametrize("file", FILES)
def test_none_vanishes_from_a_file_of_the_corpus(file):
    report = regaudit.audit(file, replace(regaudit.Config.default(), weights=False))
    config = configuration(file)
    if config is None:
        return
    assert lost(config, report.model.layers) == []


def configuration(file):
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return parse_json(archive.read("config.json"), "config.json")
    with h5py.File(file) as hdf5:
        text = hdf5.attrs.get("model_config")
    if text is None:
        return None
    return parse_json(text if isinstance(text, bytes) else text.encode(), "model_config")


# Random nestings --------------------------------------------------------------------------------

PLAIN = {
    "Dense": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise", "bias", "kernel"),
    "BatchNormalization": ("gamma", "beta"),
    "Embedding": ("embeddings",),
    "MultiHeadAttention": ("kernel", "bias"),
    "Dropout": ("kernel",),
}
CELLS = {"LSTMCell": ("kernel", "recurrent", "bias"), "GRUCell": ("kernel", "recurrent")}
RECURRENT = {"LSTM": CELLS["LSTMCell"], "GRU": CELLS["GRUCell"], "SimpleRNN": ("kernel", "bias")}
WRAPPERS = ("TimeDistributed", "SpectralNormalization", "Wrapper")


class Nesting:
    """Makes layers inside layers inside layers, each with a name of its own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def made(self, class_name: str, prefixes: tuple[str, ...] = (), **config: Any) -> Any:
        self.count += 1
        keys = [f"{prefix}_regularizer" for prefix in (*prefixes, "activity")]
        regularizers = {key: self.regularizer() for key in keys}
        named = {"name": f"{class_name.lower()}{self.count}", **config, **regularizers}
        return {"class_name": class_name, "config": named}

    def regularizer(self) -> Any:
        l2 = {"class_name": "L2", "config": {"l2": 0.01}, "module": "keras.regularizers"}
        custom = {"class_name": "Odd", "config": {}, "registered_name": "mine>Odd"}
        return self.random.choice([None, None, None, l2, "l1", custom, {"class_name": "L1"}])

    def recurrent(self) -> Any:
        return self.made(*self.random.choice(list(RECURRENT.items())))

    def cell(self, depth: int) -> Any:
        if depth > 0 and self.random.random() < 0.3:
            cells = [self.cell(depth - 1) for _ in range(self.random.randint(1, 3))]
            return self.made("StackedRNNCells", cells=cells)
        return self.made(*self.random.choice(list(CELLS.items())))

    def model(self, depth: int) -> Any:
        layers = [self.layer(depth) for _ in range(self.random.randint(1, 4))]
        return self.made("Sequential", layers=layers)

    def custom(self, depth: int) -> Any:
        inner = self.layer(depth)
        held = self.random.choice(
            [
                {"inner": inner},
                {"inner": [inner, self.layer(depth)]},
                {
                    "parts": {
                        "one": inner,
                        "more": [[self.layer(depth)], {"deep": self.layer(depth)}],
                    }
                },
                {"settings": [1, None, {"units": 3, "kernel_regularizer": self.regularizer()}]},
                {"plain": self.model(depth)["config"]},
                {"layers": [inner]},
                {"layers": 3, "inner": inner},
            ]
        )
        layer = self.made("Odd", ("kernel", "odd"), **held)
        return {**layer, "module": "mine", "registered_name": "mine>Odd"}

    def layer(self, depth: int) -> Any:
        kind = self.random.choice(["plain", "recurrent"] if depth <= 0 else KINDS)
        if kind == "plain":
            return self.made(*self.random.choice(list(PLAIN.items())))
        if kind == "recurrent":
            return self.recurrent()
        if kind == "wrapper":
            wrapper = self.random.choice(WRAPPERS)
            return self.made(wrapper, layer=self.layer(depth - 1))
        if kind == "both ways":
            layers = {"layer": self.recurrent()}
            if self.random.random() < 0.5:
                layers["backward_layer"] = self.recurrent()
            return self.made("Bidirectional", **layers)
        if kind == "cells":
            return self.made("RNN", cell=self.cell(depth - 1))
        return self.model(depth - 1) if kind == "model" else self.custom(depth - 1)


KINDS = ("plain", "recurrent", "wrapper", "both ways", "cells", "model", "custom")


@pytest.mark.parametrize(
    "seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["sample", "all"]
)
@pytest.mark.parametrize("version", ["3.15.1", "2.15.0"])
def test_none_vanishes_from_nested_layers(seeds, version):
    for seed in seeds:
        config = Nesting(seed).model(3)
        found = describe(config, {"keras_version": version}, TensorGroup()).model.layers
        assert lost(config, found) == [], seed
        join = LegacyJoin(Dialect.of(version))
        join.walk(config, {})
        assert lost(config, join.layers) == [], seed
