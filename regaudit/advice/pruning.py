"""Dead units and what cutting them out would save: followed through the graph, layer by layer.

A unit is dead if every weight into it is near zero, or if the batch normalization after it scales
it by next to nothing: what it puts out does not depend on the input. Cutting it out takes its own
parameters, those of the normalization, and the rows of the next kernels that read it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from regaudit.evidence.evidence import Evidence
from regaudit.keras_semantics.weightless_layers import ACTIVATIONS, POOLING, RANDOM_REGULARIZERS
from regaudit.model import Layer, Node, Weight

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_CHANNELWISE = (ACTIVATIONS | POOLING | RANDOM_REGULARIZERS) - {"Softmax"}
"""Layers that keep the units apart and in their order."""
_READERS = {
    "Dense": 0,
    "Conv1D": -2,
    "Conv2D": -2,
    "Conv3D": -2,
    "Conv1DTranspose": -1,
    "Conv2DTranspose": -1,
    "Conv3DTranspose": -1,
    "LSTM": 0,
    "GRU": 0,
    "SimpleRNN": 0,
}
"""The axis of the kernel that reads the units, by class."""
_SCALES = {"BatchNormalization", "DepthwiseConv1D", "DepthwiseConv2D"}
"""Layers with parameters for each unit that keep the units apart."""

_STEPS = 1_000
"""Nodes looked at for one layer: a graph may be anybody's, with circles and doubling ways."""


class Dead(Struct, frozen=True):
    """The dead units of one kernel."""

    units: int
    """All units of the layer."""
    dead: int
    by_gamma: int
    """Those that only the scale of a normalization makes dead."""
    own: int
    """Parameters in the dead units themselves: the layer's own and the normalization's."""
    next: int
    """Parameters of later layers that read them."""
    kept: str
    """Why they cannot be cut out by themselves; empty if they can."""


class _At(Struct, frozen=True):
    """A place on the way of some units."""

    node: Node
    flat: bool = False
    """Whether each unit has become several values, one for each position."""
    joined: bool = False
    """Whether they are concatenated with other units."""

    @property
    def shifted(self) -> bool:
        """Whether the units no longer stand where they stood."""
        return self.flat or self.joined


class _Way(Struct):
    """What follows a layer until other kernels have read all its units."""

    scales: list[Layer]
    """Layers with parameters for each unit: normalizations, depthwise convolutions."""
    read: int = 0
    """Values of later kernels that read one unit."""
    kept: str = ""


def dead_units(evidence: Evidence, layer: Layer, weight: Weight) -> Dead | None:
    """Count the dead units of a kernel; None where it has no units or no numbers."""
    mask = _mask(evidence, weight)
    if mask is None:
        return None
    roles = {other.role: other for other in layer.weights}
    recurrent = roles.get("recurrent_kernel")
    if recurrent is not None:  # a unit is dead only if both its kernels are
        other = None if weight is recurrent else _mask(evidence, recurrent)
        mask = np.zeros_like(mask) if other is None else mask & other
    way = _follow(evidence, layer, weight, len(mask))
    alive = ~mask
    for scale in way.scales:
        gamma = next((one for one in scale.weights if one.role == "gamma"), None)
        scaled = _mask(evidence, gamma) if gamma else None
        if scaled is not None:
            mask = mask | scaled
    dead, units = int(mask.sum()), len(mask)
    own = sum(other.size * dead // units for other in _of_units(layer, weight, units))
    own += sum(other.size * dead // units for scale in way.scales for other in scale.weights)
    if recurrent is not None:  # rows go too
        own += recurrent.size * dead * (units - dead) // units**2
    return Dead(units, dead, int((mask & alive).sum()), own, way.read * dead, way.kept)


def _mask(evidence: Evidence, weight: Weight) -> Mask | None:
    measured = evidence.measured(weight)
    if measured is None or not measured.units or not measured.dead:
        return None
    bits = np.unpackbits(np.frombuffer(measured.dead, np.uint8), count=measured.units)
    return bits.astype(np.bool_)


def _of_units(layer: Layer, weight: Weight, units: int) -> Iterator[Weight]:
    """Yield the weights of a layer that have a share in every unit."""
    for other in layer.weights:
        inside = other.path.rpartition("/")[0] == weight.path.rpartition("/")[0]
        per_unit = other.role in {"bias", "recurrent_kernel"}
        if other is weight or (inside and per_unit and other.size % units == 0):
            yield other


def _follow(evidence: Evidence, layer: Layer, weight: Weight, units: int) -> _Way:
    """Follow the units of a layer to the kernels that read them."""
    graph, way = evidence.graph, _Way([])
    calls = graph.calls(layer)
    wrapped = layer.node != layer.path and not (calls and calls[0].class_name == "TimeDistributed")
    if not layer.known or not calls or wrapped or weight.role == "depthwise_kernel":
        way.kept = "the layers that read them are not known"
        return way
    if len(calls) > 1:
        way.kept = "the layer is called several times"
        return way
    outputs = dict.fromkeys(
        (o.path for o in evidence.model.outputs), "they are outputs of the model"
    )
    todo, steps = [_At(calls[0])], 0
    while todo and not way.kept:
        here, steps = todo.pop(), steps + 1
        way.kept = outputs.get(
            here.node.path, "too many layers read them" if steps > _STEPS else ""
        )
        for after in graph.fed(here.node):
            inside = graph.layers(after)
            name = inside[-1].class_name if inside else after.class_name
            if inside and len(graph.calls(inside[-1])) > 1:
                way.kept = f"they feed {name}, which is called several times"
            elif inside and name in _READERS:
                _read(way, inside[-1], units, here)
            elif name in _CHANNELWISE or name in _SCALES:
                _scale(way, inside, units, here)
                todo.append(replace(here, node=after))
            elif name == "Flatten":
                todo.append(replace(here, node=after, flat=True))
            elif name == "Concatenate" and not here.flat and _by_units(inside):
                todo.append(replace(here, node=after, joined=True))
            else:
                way.kept = f"they feed {name}"
    return way


def _read(way: _Way, reader: Layer, units: int, here: _At) -> None:
    """Take in the kernel that reads the units."""
    stored = (one for one in reader.weights if one.role == "kernel" and len(one.shape) > 1)
    kernel = next(stored, None)
    inputs = kernel.shape[_READERS[reader.class_name]] if kernel else 0
    rows = inputs // units if here.flat else 1  # through Flatten, a row for each position
    fits = inputs > units and not here.flat if here.joined else inputs == rows * units
    if kernel is None or not inputs or not fits or reader.config.get("groups", 1) != 1:
        way.kept = f"they feed {reader.class_name} in a way that regaudit does not follow"
    else:
        way.read += kernel.size // inputs * rows


def _scale(way: _Way, inside: tuple[Layer, ...], units: int, here: _At) -> None:
    """Take in a layer with parameters for each unit, if they line up with the units."""
    for layer in inside:
        shapes = [
            weight.shape[:-1] if _is_depthwise(layer, weight) else weight.shape
            for weight in layer.weights
        ]
        if any(shape[-1:] != (units,) for shape in shapes) or (shapes and here.shifted):
            way.kept = f"they feed {layer.class_name}, which has other units"
        elif shapes:
            way.scales.append(layer)


def _is_depthwise(layer: Layer, weight: Weight) -> bool:
    return layer.class_name.startswith("DepthwiseConv") and weight.shape[-1:] == (1,)


def _by_units(inside: tuple[Layer, ...]) -> bool:
    """Whether a Concatenate joins units, not positions."""
    return bool(inside) and inside[-1].config.get("axis", -1) == -1
