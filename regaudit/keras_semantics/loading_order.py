"""The order that the layers of a model have once a configuration is loaded.

Keras orders the layers of a functional model anew, whatever their order in the configuration: by
their distance from the outputs, and at one distance as a walk back from the outputs meets them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from regaudit.keras_semantics.config_graph import (
    Reference,
    Serialized,
    config_of,
    is_old_style,
    layers_of,
    name_of,
    references,
    wrapped_model,
)


def as_loaded(serialized: Serialized, *, before_keras_3: bool) -> Serialized:
    """Return a layer with the layers of all models in it in the order of a load.

    Args:
        serialized: a model, or a layer that may hold one.
        before_keras_3: whether Keras 1 or 2 loads it.
    """
    config = config_of(serialized)
    inner = wrapped_model(serialized)
    if inner is not None:
        loaded = as_loaded(inner, before_keras_3=before_keras_3)
        return serialized if loaded is inner else _with(serialized, "layer", loaded)
    layers = layers_of(serialized)
    if not layers or not config:  # of an old Sequential, the configuration is the list itself
        return serialized
    ordered = layers
    if "input_layers" in config:
        ordered = _ordered(serialized, layers, before_keras_3=before_keras_3)
    loaded_layers = [as_loaded(layer, before_keras_3=before_keras_3) for layer in ordered]
    same = len(layers) == len(loaded_layers) and all(map(_is, layers, loaded_layers))
    return serialized if same else _with(serialized, "layers", loaded_layers)


def _is(one: object, other: object) -> bool:
    return one is other


def _with(serialized: Serialized, key: str, value: Any) -> Serialized:
    return {**serialized, "config": {**config_of(serialized), key: value}}


class _Call(NamedTuple):
    """One call of a layer: a node of Keras's graph."""

    layer: str
    number: int


def _ordered(
    model: Serialized, layers: list[Serialized], *, before_keras_3: bool
) -> list[Serialized]:
    """Return the layers of a functional model, by distance from its outputs."""
    by_name = {name_of(layer): layer for layer in layers}
    walk = _Walk(by_name)
    for reference in _in_order(config_of(model).get("output_layers")):
        walk.back_from(reference)
    if not walk.finished or len(by_name) != len(layers):
        return layers  # no Keras loads it
    distance = walk.distances()
    inputs = [name_of(one) for one in layers if one.get("class_name") == "InputLayer"]
    for name in inputs:
        if name not in distance:  # no output needs it
            distance[name], walk.met[name] = 0, -1
    found = sorted(distance, key=lambda name: (-distance[name], walk.met[name]))
    if before_keras_3:  # which keeps what no output needs
        found += [name for name in by_name if name not in set(found)]
    return [by_name[name] for name in found]


class _Walk:
    """A walk from the outputs of a model back to its inputs."""

    def __init__(self, by_name: dict[str, Serialized]) -> None:
        self._by_name = by_name
        self._feeding: dict[_Call, list[_Call]] = {}
        self.finished: dict[_Call, None] = {}
        """Calls, each behind those that feed it."""
        self.met: dict[str, int] = {}
        """Layer -> how many others the walk met before it."""

    def back_from(self, output: Reference) -> None:
        """Walk, depth first."""
        start = self._call(output)
        waiting = [(start, iter(self._enter(start)))] if start else []
        started = {start}
        while waiting:
            call, feeding = waiting[-1]
            source = next(feeding, None)
            if source is None:
                self.finished[call] = None
                waiting.pop()
            elif source not in self.finished and source not in started:  # no endless circle
                started.add(source)
                waiting.append((source, iter(self._enter(source))))

    def distances(self) -> dict[str, int]:
        """Return how far each layer is from the outputs."""
        calls: dict[_Call, int] = {}
        layers: dict[str, int] = {}
        for call in reversed(self.finished):
            far = max(calls.get(call, 0), layers.get(call.layer, 0))
            calls[call] = layers[call.layer] = far
            for source in self._feeding[call]:
                calls[source] = max(far + 1, calls.get(source, 0))
        return layers

    def _enter(self, call: _Call) -> list[_Call]:
        """Note a call that the walk meets, and return those that feed it."""
        self.met.setdefault(call.layer, len(self.met))
        if call in self._feeding:  # the output of a model may be what feeds another one
            return [] if call in self.finished else self._feeding[call]
        calls = _calls(self._by_name[call.layer])
        sources = _in_order(calls[call.number]) if calls else ()
        self._feeding[call] = [found for one in sources if (found := self._call(one))]
        return self._feeding[call]

    def _call(self, reference: Reference) -> _Call | None:
        """Return the call that makes a tensor; None if the model has no such layer."""
        layer, number = self._by_name.get(reference.layer), reference.call
        if layer is None:
            return None
        if (layers_of(layer) or wrapped_model(layer)) and is_old_style(layer):
            number -= 1  # Keras 1 and 2 count the making of a model as its first call
        return _Call(reference.layer, min(max(number, 0), max(len(_calls(layer)) - 1, 0)))


def _calls(layer: Serialized) -> list[Any]:
    """Return the calls of a layer, as they are written."""
    inbound = layer.get("inbound_nodes")
    return inbound if isinstance(inbound, list) else []


def _in_order(value: Any) -> Iterator[Reference]:
    """Yield the tensors that a part of a configuration refers to, in the order of Keras."""
    yield from references(_sorted(value))


def _sorted(value: Any) -> Any:
    """Return a value with its keys sorted: Keras goes through dictionaries like that."""
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
