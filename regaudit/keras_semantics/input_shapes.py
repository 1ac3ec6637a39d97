"""The shapes that the layers of a configuration are built for, where Keras did not note them.

Keras 2.12 and older notes the input of a model alone. It is followed through layers whose output is
plain to see; behind others nothing is known until the next layer that tells.
"""

from collections.abc import Mapping
from typing import Any

from regaudit.keras_semantics.config_graph import (
    Reference,
    Serialized,
    calls_of,
    config_of,
    layers_of,
    name_of,
    references,
)
from regaudit.keras_semantics.output_shapes import Shape, output_shape

_ALIKE = frozenset({"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"})
"""Layers whose output has the shape of their inputs, if that is one."""
_FIRST = frozenset({"Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN"})
"""Layers that are built for the first of their inputs; the others are states."""
_TELLING = ("batch_input_shape", "batch_shape", "build_input_shape")
"""Options that are the shape of an input."""
_ATTENTION = frozenset({"MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"})
"""Layers that are built for the shapes of a query, a value and a key."""


def with_input_shapes(model: Serialized) -> Serialized:
    """Return a model whose layers say what they are built for, as far as that is to be seen."""
    return _through_model(model, [])[0]


def _through_model(model: Serialized, fed: list[Shape]) -> tuple[Serialized, Shape]:
    """Return a model with the shapes in it, and that of its output.

    Args:
        model: its configuration.
        fed: the shapes of its inputs.
    """
    config, layers = config_of(model), layers_of(model)
    if not config:  # of an old Sequential, the configuration is the list itself
        found, shape = _through_list(layers, fed)
        return ({**model, "config": found} if found else model), shape
    if "input_layers" not in config:
        found, shape = _through_list(layers, fed)
        return {**model, "config": {**config, "layers": found}}, shape
    outputs: dict[str, Shape] = {}
    inputs = [one.layer for one in references(config["input_layers"])]
    found = []
    for layer in layers:
        name, calls = name_of(layer), calls_of(layer)
        feeding = [[_at(one, outputs) for one in call] for call in calls]
        if name in inputs and not calls[0] and len(inputs) == len(fed):
            feeding = [[fed[inputs.index(name)]]]
        shaped, shape = _through(layer, feeding[0])
        alike = all(shapes == feeding[0] for shapes in feeding)
        outputs[name] = shape if alike else None  # of one that is called on others, too
        found.append(shaped)
    made = list(references(config.get("output_layers")))
    shape = _at(made[0], outputs) if len(made) == 1 else None
    return {**model, "config": {**config, "layers": found}}, shape


def _at(reference: Reference, outputs: Mapping[str, Shape]) -> Shape:
    """Return the shape of a tensor, the first that a layer makes."""
    return outputs.get(reference.layer) if reference.tensor == 0 else None


def _through_list(layers: list[Serialized], fed: list[Shape]) -> tuple[list[Serialized], Shape]:
    """Return layers that feed each other, with what each is built for."""
    found, shape = [], fed[0] if len(fed) == 1 else None
    for layer in layers:
        shaped, shape = _through(layer, [shape])
        found.append(shaped)
    return found, shape


def _through(layer: Serialized, shapes: list[Shape]) -> tuple[Serialized, Shape]:
    """Return a layer with the shape it is built for, and that of its output."""
    config, build = config_of(layer), layer.get("build_config")
    told = build.get("input_shape") if isinstance(build, Mapping) else None
    given = (told, *(config.get(key) for key in _TELLING))
    known = next((shape for shape in map(_as_shape, given) if shape), None)
    if layers_of(layer):
        return _through_model(layer, [known] if known else shapes)
    class_name = str(layer.get("class_name"))
    if class_name in _ATTENTION:
        return _through_attention(layer, shapes)
    fed = known or _merged(class_name, config, shapes)
    if fed is None:
        return layer, None
    if class_name in _WRAPPERS:
        return _WRAPPERS[class_name](layer, fed)
    shaped = layer if _as_shape(told) else {**layer, "build_config": {"input_shape": fed}}
    return shaped, output_shape(class_name, config, fed)


def _as_shape(value: Any) -> Shape:
    sizes = isinstance(value, list) and all(
        size is None or (type(size) is int and size >= 0) for size in value
    )
    return value if sizes and value else None


def _merged(class_name: str, config: Mapping[str, Any], shapes: list[Shape]) -> Shape:
    """Return the shape of what feeds a layer, if its inputs have one."""
    first = shapes[0] if shapes else None
    if len(shapes) > 1 and class_name == "Concatenate":
        return _joined(shapes, config.get("axis", -1))
    same = all(shape == first for shape in shapes)
    return (
        first
        if len(shapes) == 1 or class_name in _FIRST or (same and class_name in _ALIKE)
        else None
    )


def _joined(shapes: list[Shape], axis: Any) -> Shape:
    """Return the shape of several tensors one after the other along an axis."""
    known = [shape for shape in shapes if shape is not None]
    ranks = {len(shape) for shape in known}
    rank = len(known[0]) if known else 0
    if len(known) < len(shapes) or len(ranks) > 1 or type(axis) is not int:
        return None
    if not -rank <= axis < rank:
        return None
    sizes = [next(filter(None, along), None) for along in zip(*known, strict=True)]
    parts = [shape[axis] for shape in known]
    sizes[axis] = None if None in parts else sum(part for part in parts if part is not None)
    return sizes


def _through_attention(layer: Serialized, shapes: list[Shape]) -> tuple[Serialized, Shape]:
    """Note what a query, a value and a key are; the output is like the query."""
    query, value = (shapes[0], shapes[1]) if len(shapes) > 1 else (None, None)
    key = shapes[2] if len(shapes) > 2 else value
    build = layer.get("build_config")
    if not (isinstance(build, Mapping) and build) and query and value and key:
        told = {"query_shape": query, "value_shape": value, "key_shape": key}
        layer = {**layer, "build_config": {"shapes_dict": told}}
    plain = config_of(layer).get("output_shape") is None
    return layer, query if plain and not config_of(layer).get("return_attention_scores") else None


def _in_time(layer: Serialized, fed: list[int | None]) -> tuple[Serialized, Shape]:
    """Go through what a TimeDistributed applies to each step."""
    inner = config_of(layer).get("layer")
    if not isinstance(inner, Mapping) or len(fed) < 3:
        return layer, None
    below, shape = _through(inner, [fed[:1] + fed[2:]])
    made = None if shape is None else [shape[0], fed[1], *shape[1:]]
    return _holding(layer, {"layer": below}), made


def _both_ways(layer: Serialized, fed: list[int | None]) -> tuple[Serialized, Shape]:
    config = config_of(layer)
    held = {key: config.get(key) for key in ("layer", "backward_layer")}
    through = {
        key: _through({**one, "build_config": None}, [fed])
        for key, one in held.items()
        if isinstance(one, Mapping)
    }
    shape = through["layer"][1] if "layer" in through else None
    _, back = through.get("backward_layer", (None, shape))
    mode = str(config.get("merge_mode", "concat"))
    if mode == "concat":  # of two sizes, Keras 3 takes the first twice for what comes next
        shape = _joined([shape, back], -1) if shape == back else None
    known = mode in {"concat", "sum", "mul", "ave"}
    shaped = _holding(layer, {key: below for key, (below, _) in through.items()})
    return shaped, shape if known else None


def _of_cells(layer: Serialized, fed: list[int | None]) -> tuple[Serialized, Shape]:
    """Go through the cells of an RNN; each is fed by the one before it."""
    cell = config_of(layer).get("cell")
    step: Shape = [fed[0], *fed[2:]]
    if isinstance(cell, list):
        cells, _ = _through_cells(cell, step)
        return _holding(layer, {"cell": cells}), None
    if not isinstance(cell, Mapping):
        return layer, None
    if cell.get("class_name") == "StackedRNNCells":
        listed = config_of(cell).get("cells")
        cells, shape = _through_cells(listed if isinstance(listed, list) else [], step)
        return _holding(layer, {"cell": _holding(cell, {"cells": cells})}), None
    (shaped,), shape = _through_cells([cell], step)
    time = fed[1:2] if config_of(layer).get("return_sequences") else []
    plain = shape is not None and not config_of(layer).get("return_state")
    made = [fed[0], *time, shape[-1]] if plain and shape else None
    return _holding(layer, {"cell": shaped}), made


def _through_cells(cells: list[Any], step: Shape) -> tuple[list[Any], Shape]:
    found = []
    for cell in cells:
        if isinstance(cell, Mapping) and step:
            found.append({**cell, "build_config": {"input_shape": step}})
            units = config_of(cell).get("units")
            step = [step[0], units] if type(units) is int else None
        else:
            found.append(cell)
    return found, step


def _holding(layer: Serialized, held: Mapping[str, Any]) -> Serialized:
    """Return a layer that holds other layers than before."""
    return {**layer, "config": {**config_of(layer), **held}}


_WRAPPERS = {"TimeDistributed": _in_time, "Bidirectional": _both_ways, "RNN": _of_cells}
"""Layers around layers; none of them has weights of its own."""
