"""The graph of a model out of Keras's JSON: who feeds whom, across nested models."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from regaudit.model import Node

Serialized = Mapping[str, Any]


def config_of(layer: Serialized) -> Mapping[str, Any]:
    """Return the layer's own configuration; empty where there is none."""
    config = layer.get("config")
    return config if isinstance(config, Mapping) else {}


def name_of(layer: Serialized) -> str:
    """Return the layer's name as Keras uses it."""
    name = config_of(layer).get("name", layer.get("name"))
    return name if isinstance(name, str) else str(layer.get("class_name", ""))


def layers_of(model: Serialized) -> list[Serialized]:
    """Return the serialized layers and operations of a model; empty for a layer."""
    config = model.get("config")
    layers = config if isinstance(config, list) else config_of(model).get("layers")
    if not isinstance(layers, list):
        return []
    return [layer for layer in layers if isinstance(layer, Mapping) and "class_name" in layer]


def members(model: Serialized) -> list[Serialized]:
    """Return a model's layers, without operations and the input that a Sequential hides."""
    functional = "input_layers" in config_of(model)
    return [
        layer
        for layer in layers_of(model)
        if ".ops" not in str(layer.get("module"))
        and (functional or layer.get("class_name") != "InputLayer")
    ]


def both_ways(config: Mapping[str, Any], *, keras_2: bool) -> Iterator[Serialized]:
    """Yield the two layers of a Bidirectional under the names that a load gives them."""
    forward = config.get("layer")
    if not is_layer(forward):
        return
    backward = config.get("backward_layer")
    backward = backward if is_layer(backward) else forward
    name = name_of(forward)
    if keras_2:
        yield _renamed(forward, f"forward_{name}")
        yield _renamed(backward, f"backward_{name_of(backward)}")
        return
    yield forward
    own = backward is not forward
    yield backward if own else _renamed(forward, f"backward_{name.removeprefix('forward_')}")


def _renamed(layer: Serialized, name: str) -> Serialized:
    return {**layer, "name": name, "config": {**config_of(layer), "name": name}}


def is_layer(value: Any) -> TypeGuard[Serialized]:
    """Whether a configuration value is a layer written out."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), Mapping | list)
    )


def graph(model: Serialized) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """Return all nodes of a model and the paths of those that make its outputs."""
    return tuple(_nodes(model, "", ())), _outputs(model, "")


def _nodes(model: Serialized, prefix: str, feeding: tuple[str, ...]) -> Iterator[Node]:
    """Yield the nodes of a model that is called on the outputs of `feeding`."""
    layers = layers_of(model)
    functional = "input_layers" in config_of(model)
    by_name = {name_of(layer): layer for layer in layers}
    previous = feeding
    for layer in layers:
        name = name_of(layer)
        path = prefix + name
        if functional:
            sources = dict.fromkeys(_sources(layer.get("inbound_nodes")))
            inputs = tuple(
                output
                for source in sources
                if source in by_name
                for output in _outputs_at(by_name[source], prefix + source)
            )
        else:
            inputs = previous
        if layer.get("class_name") == "InputLayer":
            inputs = feeding
        if layers_of(layer):
            yield from _nodes(layer, f"{path}/", inputs)
        else:
            yield Node(path, str(layer.get("class_name", "")), inputs)
        previous = _outputs_at(layer, path)


def _outputs_at(layer: Serialized, path: str) -> tuple[str, ...]:
    return _outputs(layer, f"{path}/") if layers_of(layer) else (path,)


def _outputs(model: Serialized, prefix: str) -> tuple[str, ...]:
    """Return the paths of the nodes whose outputs are those of the model."""
    layers = layers_of(model)
    if not layers:
        return ()
    if "input_layers" not in config_of(model):
        return _outputs_at(layers[-1], prefix + name_of(layers[-1]))
    by_name = {name_of(layer): layer for layer in layers}
    names = dict.fromkeys(_references(config_of(model).get("output_layers")))
    return tuple(
        output
        for name in names
        if name in by_name
        for output in _outputs_at(by_name[name], prefix + name)
    )


def _sources(inbound: Any) -> Iterator[str]:
    """Yield the names of the layers that an `inbound_nodes` entry refers to, old style or new."""
    if isinstance(inbound, Mapping):
        history = config_of(inbound).get("keras_history")
        if inbound.get("class_name") == "__keras_tensor__" and isinstance(history, list):
            yield from (name for name in history[:1] if isinstance(name, str))
        else:
            for value in inbound.values():
                yield from _sources(value)
    elif isinstance(inbound, list):
        if _is_reference(inbound):
            yield inbound[0]
            yield from _sources(inbound[3:])
        else:
            for value in inbound:
                yield from _sources(value)


def _references(outputs: Any) -> Iterator[str]:
    """Yield the layer names in `output_layers`: one reference, or any nesting of them."""
    if isinstance(outputs, list) and _is_reference(outputs):
        yield outputs[0]
    elif isinstance(outputs, list | Mapping):
        for value in outputs.values() if isinstance(outputs, Mapping) else outputs:
            yield from _references(value)


def _is_reference(value: list[Any]) -> bool:
    """Whether this is `[layer name, node index, tensor index, ...]`."""
    return (
        len(value) >= 3
        and isinstance(value[0], str)
        and all(isinstance(index, int) for index in value[1:3])
    )
