"""The graph of a model out of Keras's JSON: who feeds whom, across nested models."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeGuard

from msgspec import Struct

from regaudit.limits import allowed, enforce_limit
from regaudit.model import Node, Output

Serialized = Mapping[str, Any]

_OTHER_OBJECTS = re.compile(
    r"^(tf_)?keras\b.*\.(optimizers|losses|metrics|initializers|regularizers|constraints|activations"
    r"|dtype_policies|random|quantizers)\b"
)
"""Modules of what is written like a layer."""

_MOST_AXES = 32
"""Of a shape: NumPy and HDF5 know no more."""


def config_of(layer: Serialized) -> Mapping[str, Any]:
    """Return the layer's own configuration; empty where there is none."""
    config = layer.get("config")
    # JSON holds dicts; to ask for a Mapping takes ten times as long, once for every layer and more.
    return config if type(config) is dict or isinstance(config, Mapping) else {}


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


def wrapped_model(layer: Serialized) -> Serialized | None:
    """Return the model that a TimeDistributed wraps; its layers are nodes of the graph too."""
    inner = config_of(layer).get("layer")
    if layer.get("class_name") != "TimeDistributed" or not isinstance(inner, Mapping):
        return None
    return inner if layers_of(inner) else None


def members(model: Serialized) -> list[Serialized]:
    """Return a model's layers, without operations and the input that a Sequential hides."""
    functional = "input_layers" in config_of(model)
    return [
        layer
        for layer in layers_of(model)
        if ".ops" not in str(layer.get("module"))
        and (functional or layer.get("class_name") != "InputLayer")
    ]


def is_layer(value: Any) -> TypeGuard[Serialized]:
    """Whether a configuration value is a layer written out, and no other object of Keras."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), Mapping | list)
        and not _OTHER_OBJECTS.search(str(value.get("module")))
        and not value["class_name"].endswith("Policy")
    )


def graph(model: Serialized) -> tuple[tuple[Node, ...], tuple[Output, ...]]:
    """Return all nodes of a model, a node for each call of a layer, and its outputs.

    Raises:
        UnsafeFileError: nested models that call each other so often that no machine holds them.
    """
    walk = _Walk()
    walk.model(model, "", "", ())
    return tuple(walk.nodes), tuple(_named_outputs(model, walk.known))


_Known = dict[int, tuple[Output, ...]]
"""Outputs of models, by the identity of their configuration; paths are below the model."""


class Reference(NamedTuple):
    """A tensor as configurations name it."""

    layer: str
    call: int = 0
    tensor: int = 0


class _Walk(Struct):
    """One walk through all calls of a model."""

    nodes: list[Node] = []
    calls: int = 0
    known: _Known = {}

    def model(self, model: Serialized, path: str, called: str, feeding: tuple[str, ...]) -> None:
        """Take in the nodes of a model that is called on the outputs of `feeding`.

        Args:
            model: its configuration.
            path: of its nodes, with a slash: it is different for each call of the model.
            called: of its layers, with a slash.
            feeding: the nodes that make its inputs, in their order.
        """
        layers = layers_of(model)
        if "input_layers" not in config_of(model):
            for layer in layers:
                self.call(layer, path, called, feeding)
                feeding = _outputs_at(layer, path + name_of(layer), self.known)
            return
        by_name = {name_of(layer): layer for layer in layers}
        inputs = [found.layer for found in references(config_of(model).get("input_layers"))]
        for layer in layers:
            name = name_of(layer)
            for index, sources in enumerate(calls_of(layer)):
                fed = tuple(
                    output
                    for source in sources
                    if source.layer in by_name
                    for output in _outputs_of(source, by_name[source.layer], path, self.known)
                )
                if layer.get("class_name") == "InputLayer":
                    place = inputs.index(name) if name in inputs else -1
                    alone = len(inputs) == len(feeding) and place >= 0
                    fed = (feeding[place],) if alone else feeding
                self.call(layer, path, called, tuple(dict.fromkeys(fed)), index)

    def call(
        self, layer: Serialized, path: str, called: str, feeding: tuple[str, ...], index: int = 0
    ) -> None:
        """Take in one call of a layer, or of a model with all that is inside."""
        self.calls += 1
        enforce_limit("calls", self.calls, "the graph of the model has more than {limit} calls")
        name = name_of(layer)
        path, called = path + _numbered(name, index), called + name
        inner = wrapped_model(layer)
        if inner is not None:
            below = f"/{name_of(inner)}/"
            self.model(inner, path + below, called + below, feeding)
        elif layers_of(layer):
            self.model(layer, f"{path}/", f"{called}/", feeding)
        else:
            layer_path = called if called != path else ""
            class_name, shape = str(layer.get("class_name", "")), () if index else _built_for(layer)
            self.nodes.append(Node(path, class_name, feeding, layer_path, shape))


def _built_for(layer: Serialized) -> tuple[int, ...]:
    """Return the shape of a layer's input, without the batch; empty where it has several."""
    build = layer.get("build_config")
    shape = build.get("input_shape") if isinstance(build, Mapping) else None
    sizes = shape[1:] if isinstance(shape, list) else []
    known = all(size is None or (type(size) is int and 0 < size < 2**31) for size in sizes)
    return tuple(size or 0 for size in sizes[:_MOST_AXES]) if known else ()


def calls_of(layer: Serialized) -> list[list[Reference]]:
    """Return what feeds each call of a layer; a layer that nothing feeds is called once."""
    inbound = layer.get("inbound_nodes")
    calls = inbound if isinstance(inbound, list) else []
    return [list(references(call)) for call in calls] or [[]]


def _numbered(name: str, call: int) -> str:
    return f"{name}@{call + 1}" if call else name


def _outputs_of(
    reference: Reference, layer: Serialized, path: str, known: _Known
) -> tuple[str, ...]:
    """Return the node that makes a tensor; none for a model without outputs."""
    calls, index = calls_of(layer), reference.call
    if (layers_of(layer) or wrapped_model(layer)) and is_old_style(layer):
        index -= 1  # Keras 1 and 2 count the making of a model as its first call
    index = min(max(index, 0), len(calls) - 1)
    outputs = _outputs_at(layer, path + _numbered(name_of(layer), index), known)
    return outputs[-1:] if reference.tensor >= len(outputs) else (outputs[reference.tensor],)


def is_old_style(layer: Serialized) -> bool:
    """Whether Keras 1 or 2 wrote it: calls as lists."""
    inbound = layer.get("inbound_nodes")
    return isinstance(inbound, list) and bool(inbound) and isinstance(inbound[0], list)


def _outputs_at(layer: Serialized, path: str, known: _Known) -> tuple[str, ...]:
    inner = wrapped_model(layer)
    if inner is not None:
        return _outputs(inner, f"{path}/{name_of(inner)}/", known)
    return _outputs(layer, f"{path}/", known) if layers_of(layer) else (path,)


def _outputs(model: Serialized, prefix: str, known: _Known) -> tuple[str, ...]:
    """Return the paths of the nodes whose outputs are those of the model, in their order."""
    if id(model) not in known:
        found = tuple(islice(_named_outputs(model, known), allowed().outputs + 1))
        enforce_limit(
            "outputs", len(found), "a model inside the model has more than {limit} outputs"
        )
        known[id(model)] = found
    return tuple(prefix + output.path for output in known[id(model)])


def _named_outputs(model: Serialized, known: _Known) -> Iterator[Output]:
    """Yield the outputs of a model, each by the name of its layer or by its key."""
    layers = layers_of(model)
    if not layers:
        return
    if "input_layers" not in config_of(model):
        name = name_of(layers[-1])
        yield from (Output(name, path) for path in _outputs_at(layers[-1], name, known))
        return
    by_name = {name_of(layer): layer for layer in layers}
    listed = config_of(model).get("output_layers")
    keyed = listed if isinstance(listed, Mapping) else {"": listed}
    for key, value in keyed.items():
        for reference in references(value):
            if reference.layer in by_name:
                for path in _outputs_of(reference, by_name[reference.layer], "", known):
                    yield Output(str(key) or reference.layer, path)


def references(value: Any) -> Iterator[Reference]:
    """Yield the tensors that a part of a configuration refers to, old style or new."""
    if isinstance(value, Mapping):
        history = config_of(value).get("keras_history")
        if value.get("class_name") == "__keras_tensor__" and isinstance(history, list):
            if _is_reference(history):
                yield Reference(*history[:3])
        else:
            for item in value.values():
                yield from references(item)
    elif isinstance(value, list):
        if _is_reference(value):
            yield Reference(*value[:3])
            yield from references(value[3:])
        else:
            for item in value:
                yield from references(item)


def _is_reference(value: list[Any]) -> bool:
    """Whether this is `[layer name, node index, tensor index, ...]`."""
    return (
        len(value) >= 3
        and isinstance(value[0], str)
        and all(isinstance(index, int) and index >= 0 for index in value[1:3])
    )
