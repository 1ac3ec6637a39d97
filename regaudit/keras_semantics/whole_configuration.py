"""Whether a configuration is whole: what a reader would pass over is refused, with its JSON path.

Keras cannot load such a file either. What only custom code reads may look like anything.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from regaudit.errors import UnreadableModelError, shown
from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.layer_table import (
    LAYERS,
    MODELS,
    WRAPPED_OF_KERAS_2,
    is_built_in,
)

_Found = Iterator[tuple[Any, str]]
"""Layers, and their paths in the JSON."""
_MAY_LACK = {"backward_layer", "preprocessors"}
_TEXTS = ("name", "module", "registered_name")
_OBJECTS = ("build_config", "compile_config")


def check_configuration(root: Serialized, document: str) -> None:
    """Refuse a configuration of which a part cannot be read.

    Args:
        root: the serialized model.
        document: the JSON that it stands in, for the message.

    Raises:
        UnreadableModelError: a part is not what Keras writes.
    """
    waiting: list[tuple[Any, str]] = [(root, "")]
    try:
        while waiting:  # in the order of the file
            layer, path = waiting.pop()
            waiting += reversed(list(_checked(layer, path)))
    except _BrokenError as broken:
        raise UnreadableModelError(f"{document} is broken: {broken}") from None


class _BrokenError(Exception):
    """What is wrong, and where."""


def _refuse(path: str, what: str) -> NoReturn:
    raise _BrokenError(f"{path} {what}")


def _checked(layer: Any, path: str) -> _Found:
    """Check one layer and yield those inside it."""
    if not isinstance(layer, Mapping):
        _refuse(path, f"is no layer but {_seen(layer)}")
    above = f"{path}." if path else ""
    class_name = layer.get("class_name")
    if not isinstance(class_name, str):
        _refuse(f"{above}class_name", f"is no name of a class but {_seen(class_name)}")
    for key in _TEXTS:
        _check_type(layer.get(key), str, f"{above}{key}", "text")
    for key in _OBJECTS:
        _check_type(layer.get(key), Mapping, f"{above}{key}", "object")
    if "config" not in layer:
        _refuse(f"{above}config", "is missing")
    config, path = layer["config"], f"{above}config"
    if class_name == "function" and isinstance(config, str):
        return iter(())
    if isinstance(config, list) and class_name in MODELS:  # as Keras wrote a Sequential up to 2.1
        return _items(config, path)
    if not isinstance(config, Mapping):
        _refuse(path, f"is no object but {_seen(config)}")
    _check_type(config.get("name"), str, f"{path}.name", "text")
    return _inside(class_name, config, path, own=not is_custom(layer))


def _inside(class_name: str, config: Serialized, path: str, *, own: bool) -> _Found:
    """Yield the layers inside a layer.

    Args:
        class_name: of the layer.
        config: its configuration.
        path: of that.
        own: whether the class is Keras's own.
    """
    if "input_layers" in config or (own and class_name in MODELS):
        return _members(config, path)
    if own and class_name in WRAPPED_OF_KERAS_2:
        return _wrapped(class_name, config, path)
    return iter(()) if own and class_name in LAYERS else _searched(config, path)


def _seen(value: Any) -> str:
    """Return a value for a message, in JSON's words."""
    return "null" if value is None else shown(value)


def _check_type(value: Any, kind: type | tuple[type, ...], path: str, what: str) -> None:
    """Refuse a value that is neither of a kind nor null."""
    if value is not None and not isinstance(value, kind):
        _refuse(path, f"is no {what} but {_seen(value)}")


def _items(layers: list[Any], path: str) -> _Found:
    yield from ((layer, f"{path}[{at}]") for at, layer in enumerate(layers))


def _members(config: Serialized, path: str) -> _Found:
    """Yield the layers of a model, after a look at what its calls refer to."""
    layers = config.get("layers")
    if not isinstance(layers, list):
        _refuse(f"{path}.layers", "is missing" if layers is None else "is not a list")
    yield from _items(layers, f"{path}.layers")
    if not all(isinstance(layer, Mapping) for layer in layers):
        return  # that is the fault, not what refers to it
    names = {
        name
        for layer in layers
        for name in (layer.get("name"), config_of(layer).get("name"))
        if isinstance(name, str)
    }
    for at, layer in enumerate(layers):
        _check_calls(layer.get("inbound_nodes"), f"{path}.layers[{at}].inbound_nodes", names)
    for key in ("input_layers", "output_layers"):
        if key in config:
            _check_type(config[key], (list, Mapping), f"{path}.{key}", "list")
            _check_references(config[key], f"{path}.{key}", names)


def _check_calls(calls: Any, path: str, names: set[str]) -> None:
    """Check the calls of a layer: Keras 3 writes objects, Keras 1 and 2 lists."""
    _check_type(calls, list, path, "list")
    for at, call in enumerate(calls or ()):
        if not isinstance(call, list | Mapping):
            _refuse(f"{path}[{at}]", f"is no call of a layer but {_seen(call)}")
        _check_references(call, f"{path}[{at}]", names)


def _check_references(value: Any, path: str, names: set[str]) -> None:
    """Check that the tensors in a call are those of layers that the model has."""
    waiting = [(value, path)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, list):
            if value and isinstance(value[0], str):
                _check_reference(value, path, names)
            else:
                waiting += [(item, f"{path}[{at}]") for at, item in enumerate(value)]
        elif isinstance(value, Mapping):
            if value.get("class_name") == "__keras_tensor__":
                history = config_of(value).get("keras_history")
                where = f"{path}.config.keras_history"
                if (
                    not isinstance(history, list)
                    or len(history) < 3
                    or not isinstance(history[0], str)
                ):
                    _refuse(where, f"is no reference to a layer but {_seen(history)}")
                _check_reference(history, where, names)
            elif "class_name" not in value:
                waiting += [(item, f"{path}.{key}") for key, item in value.items()]


def _check_reference(value: list[Any], path: str, names: set[str]) -> None:
    """Check `[layer, call, tensor, ...]`; other lists of texts are constants."""
    indices = value[1:3]
    is_reference = len(indices) == 2 and all(type(at) is int and at >= 0 for at in indices)
    if is_reference and not (isinstance(value[0], str) and value[0] in names):
        _refuse(path, f"refers to {_seen(value[0])}, which is no layer of the model")


def _wrapped(class_name: str, config: Serialized, path: str) -> _Found:
    """Yield the layers that a wrapper must have."""
    for key in dict.fromkeys(WRAPPED_OF_KERAS_2[class_name].values()):
        value = config.get(key)
        if key == "features":
            yield from _searched({key: value}, path)
        elif isinstance(value, list) and key in {"cell", "cells"}:
            yield from _items(value, f"{path}.{key}")
        elif value is None and key not in _MAY_LACK:
            _refuse(f"{path}.{key}", "is missing")
        elif value is not None:
            yield value, f"{path}.{key}"


def _searched(config: Serialized, path: str) -> _Found:
    """Yield the layers of Keras in a configuration that custom code reads."""
    waiting: list[tuple[Any, str]] = [(config, path)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, list):
            waiting += [(item, f"{path}[{at}]") for at, item in enumerate(value)]
        elif isinstance(value, Mapping):
            name = value.get("class_name")
            own = isinstance(name, str) and is_built_in(name) and not is_custom(value)
            if own and value.keys() & {"config", "module"}:
                yield value, path
            else:
                waiting += [(item, f"{path}.{key}") for key, item in value.items()]
