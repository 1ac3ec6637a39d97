"""The configuration of a model as users keep it apart from the weights, in all its forms.

What `to_json()` and `to_yaml()` return; what `get_config()` returns, dumped as JSON or YAML, which
names no class; a list of layers, as a Sequential of Keras 1 and 2 gave; a text of JSON dumped once
more; KerasHub's `config.json` and `task.json`; and the topology in TensorFlow.js's `model.json`.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, NamedTuple

from regaudit.errors import UnknownFormatError, UnreadableModelError
from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.config_graph import Serialized, config_of, layers_of
from regaudit.keras_semantics.layer_table import MODELS
from regaudit.keras_semantics.safe_json import parse_value
from regaudit.keras_semantics.safe_yaml import parse_yaml

SUFFIXES = (".json", ".yaml", ".yml")
"""Of files that may be one."""

_TOPOLOGY, _CLASS = "modelTopology", "class_name"
_GRAPH_MODEL = (
    "a graph model of TensorFlow.js: it holds operations, no layers and no regularizers; audit the "
    "Keras model that it was made from, as model.save() writes it"
)
_NAMED = {_CLASS, "config"}
"""Keys of what is serialized."""
_HUB = re.compile(r"keras_(hub|nlp|cv)\.")
_PARTS_OF_HUB = re.compile(r"Tokenizer|Preprocessor|Converter|Sampler|Packer")
"""What KerasHub serializes as well and what is no model."""
_YAML = re.compile(rb"(?m)^(-\s+)?(class_name|config|layers)\s*:")
_MODEL_IN_YAML = re.compile(
    rb"(?m)^class_name\s*:\s*['\"]?(Sequential|Functional|Model)\b|^layers\s*:\s*\n-\s+class_name"
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)


def parse_configuration(raw: bytes, name: str) -> Serialized:
    """Return the configuration of a model as `to_json()` would write it.

    Raises:
        UnreadableModelError: it is not the configuration of a model, or not whole.
        UnsafeFileError: see `parse_json` and `parse_yaml`.
    """
    value = _parsed(raw, name)
    found = as_configuration(value)
    if found is None and isinstance(value, Mapping) and _TOPOLOGY in value:
        raise UnknownFormatError(f"{name} is {_GRAPH_MODEL}")
    if found is None:
        raise UnreadableModelError(f"{name} is not the configuration of a Keras model")
    return found


def is_configuration(raw: bytes, name: str) -> bool:
    """Whether a file holds the configuration of a model, and not of something else of Keras."""
    found = as_configuration(_parsed(raw, name))
    return found is not None and _is_model(found)


def _parsed(raw: bytes, name: str) -> Any:
    raw = raw.removeprefix(BOM_UTF8)
    if not _is_json(raw):
        return parse_yaml(raw, name)
    value = parse_value(raw, name)
    return parse_value(value.encode(), name) if isinstance(value, str) else value


def as_configuration(value: Any) -> Serialized | None:
    """Return a configuration of any form as `to_json()` would write it; None for none.

    Args:
        value: as it was parsed.
    """
    if isinstance(value, list):  # a Sequential of Keras 1 and 2
        return {_CLASS: "Sequential", "config": value} if _are_layers(value) else None
    if not isinstance(value, Mapping):
        return None
    if _TOPOLOGY in value:
        return _of_tensorflow_js(value[_TOPOLOGY])
    if value.keys() >= _NAMED and isinstance(value[_CLASS], str):
        return value
    if _CLASS not in value and _are_layers(value.get("layers")):
        functional = "input_layers" in value
        return {_CLASS: "Functional" if functional else "Sequential", "config": value}
    return None


def _are_layers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and one.keys() >= _NAMED for one in value)
    )


def _of_tensorflow_js(topology: Any) -> Serialized | None:
    """Return the configuration in TensorFlow.js's topology; a graph of operations has none."""
    if not isinstance(topology, Mapping):
        return None
    inner = topology.get("model_config", topology)
    if isinstance(inner, str):
        inner = parse_value(inner.encode(), _TOPOLOGY)
    if not isinstance(inner, Mapping) or not isinstance(inner.get(_CLASS), str):
        return None
    found = {**inner, "keras_version": topology.get("keras_version")}
    training = topology.get("training_config")
    if isinstance(training, Mapping):
        found["compile_config"] = {**training, "optimizer": training.get("optimizer_config")}
    return found


def _is_model(root: Serialized) -> bool:
    """Whether a serialized object is a model, as far as that can be told."""
    class_name = str(root[_CLASS])
    if not is_custom(root):
        return class_name in MODELS or "input_layers" in config_of(root)
    if _PARTS_OF_HUB.search(class_name):
        return False
    backbone = class_name.endswith("Backbone") or "backbone" in config_of(root)
    built = root.keys() & {"build_config", "compile_config"}
    return bool(backbone or layers_of(root) or built)


def looks_like_model(head: bytes) -> bool:
    """Whether a file that begins like this is taken for the configuration of a model in a search.

    Args:
        head: its first bytes, of which a few thousand are enough.
    """
    if not _is_json(head):
        return _MODEL_IN_YAML.search(head) is not None and b"\0" not in head
    texts, lists_layers = _outermost(head.removeprefix(BOM_UTF8))
    class_name = texts.get(_CLASS, "")
    if _TOPOLOGY in texts:
        return True
    if class_name and "config" not in texts:
        return False
    if class_name in MODELS:
        return True
    if not class_name or _PARTS_OF_HUB.search(class_name):
        return lists_layers and not class_name
    hub = _HUB.match(texts.get("module", "")) is not None
    return hub or class_name.endswith("Backbone") or "compile_config" in texts


def may_be_configuration(head: bytes) -> bool:
    """Whether it is worth parsing a file that the user named, by its start."""
    if _is_json(head):
        return any(mark in head for mark in (b"class_name", _TOPOLOGY.encode()))
    return b"\0" not in head and _YAML.search(head) is not None


def _is_json(raw: bytes) -> bool:
    return raw.removeprefix(BOM_UTF8).lstrip()[:1] in {b"{", b"[", b'"'}


class _Outermost(NamedTuple):
    """What a piece of JSON shows of the outermost object, or list."""

    texts: dict[str, str]
    """Its keys, with those values that are text."""
    lists_layers: bool
    """Whether its `layers`, or the list itself, has objects with a class and a configuration."""


def _outermost(head: bytes) -> _Outermost:
    """Scan the start of a JSON text, which ends anywhere."""
    text = head.lstrip()
    if text[:1] == b'"':  # dumped twice
        text = text[1:].replace(b'\\"', b'"')
    texts: dict[str, str] = {}
    around, key, is_value = "", "", False
    of_items: set[str] = set()
    for token in _TOKEN.findall(text):
        word = token.decode("utf-8", "replace")
        if word in "{[":
            around, is_value = around + word, False
        elif word in "}]":
            around, is_value = around[:-1], False
        elif word in ":,":
            is_value = word == ":"
        elif word[0] != '"':
            continue
        elif around == "{" and is_value:
            texts[key] = word[1:-1]
        elif around == "{":
            key = word[1:-1]
            texts.setdefault(key, "")
        elif not is_value and (around == "[{" or (around == "{[{" and key == "layers")):
            of_items.add(word[1:-1])
    return _Outermost(texts, of_items >= _NAMED)
