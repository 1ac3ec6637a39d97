"""What the units of a kernel carry: which are dead, and how many do nearly all of the work.

Weights in and weights out are two halves of one thing: a ReLU unit does the same with the first ten
times as large and the second a tenth. So a unit weighs what the norm of the one times the norm of
the other is, which is the least that their squares can be scaled to, halved. Where nobody knows
what reads the units, the squares of the weights in stand for that.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from regaudit.evidence.graph import Graph
from regaudit.evidence.readers import Way, follow
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.measures.moments import Moments, effective
from regaudit.model import Layer, Weight
from regaudit.tensors.tensor import Array

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_NONE: Array = np.zeros(1)
"""Nothing, for all units."""

_Found = Mapping[str, Moments]
"""By `Weight.stored_path`."""


def dead_mask(moments: _Found, weight: Weight) -> Mask | None:
    """Return which units of a weight are dead; None where it has none, or no numbers."""
    measured = moments.get(weight.stored_path)
    if measured is None or not measured.units or not measured.dead:
        return None
    bits = np.unpackbits(np.frombuffer(measured.dead, np.uint8), count=measured.units)
    return bits.astype(np.bool_)


def weighed(graph: Graph, moments: _Found) -> dict[str, Moments]:
    """Count the effective units of all kernels, and drop the sums that this takes.

    Args:
        graph: of the model.
        moments: of its weights.
    """
    result = {}
    for layer, weight in graph.model.weights():
        measured = moments.get(weight.stored_path)
        if measured is None:
            continue
        count = None  # of scales, where a unit is one number, sparsity says it all
        if measured.unit_squares and weight.role in KERNEL_ROLES:
            count = effective(_carried(graph, moments, layer, weight))
        result[weight.stored_path] = replace(
            measured, effective_units=count, unit_squares=b"", input_squares=b""
        )
    return result


def _carried(graph: Graph, moments: _Found, layer: Layer, weight: Weight) -> Array:
    """Return what each unit of a kernel carries of all that its layer does."""
    own = _of_units(moments, weight)
    into, out = own, _NONE
    recurrent = _recurrent(layer, weight)
    if recurrent:  # a hidden unit has columns in both kernels, and is read by the others
        both = [_of_units(moments, one) for one in recurrent]
        if any(len(one) not in {1, len(own)} for one in both):
            return own  # no cell has kernels of such shapes
        into = sum(both, _NONE)
        out = _of_inputs(moments, recurrent[1], len(own))
    way = follow(graph, layer, weight, len(own))
    if way.kept or way.joined or (way.scales and way.forks) or _moved(layer, way, len(own)):
        return own
    for scale in way.scales:
        into = _scaled(into, moments, scale)
    out = sum((_of_inputs(moments, one, len(own)) for one in way.kernels), out)
    carried = np.sqrt(into) * np.sqrt(out)
    return carried if np.isfinite(carried).all() else own


def _recurrent(layer: Layer, weight: Weight) -> tuple[Weight, Weight] | None:
    """Return both kernels of a recurrent cell."""
    below = weight.path.rpartition("/")[0]
    roles = {one.role: one for one in layer.weights if one.path.rpartition("/")[0] == below}
    both = roles.get("kernel"), roles.get("recurrent_kernel")
    return (both[0], both[1]) if both[0] and both[1] else None


def _moved(layer: Layer, way: Way, units: int) -> bool:
    """Whether a Flatten may put the positions of a unit next to each other."""
    first = layer.config.get("data_format") == "channels_first"
    return first and any(one.units and one.units.inputs != units for one in way.kernels)


def _scaled(into: Array, moments: _Found, scale: Layer) -> Array:
    """Return what leaves a layer that has parameters for each unit."""
    roles = {one.role: one for one in scale.weights}
    if scale.class_name == "BatchNormalization":
        # Whatever comes in leaves it as large as its gamma.
        gamma = roles.get("gamma")
        return np.where(into > 0.0, _of_units(moments, gamma) if gamma else 1.0, 0.0)
    kernel = next((one for role, one in roles.items() if role in KERNEL_ROLES), None)
    # A PReLU has none: it lets through what is positive.
    return into * _of_units(moments, kernel) if kernel else into


def _of_units(moments: _Found, weight: Weight) -> Array:
    """Return the sum of the squares of each unit; one NaN where that is not known."""
    measured = moments.get(weight.stored_path)
    if measured is None or not measured.unit_squares:
        return np.full(1, np.nan)
    return np.frombuffer(measured.unit_squares)


def _of_inputs(moments: _Found, weight: Weight, units: int) -> Array:
    """Return the same of what each unit of the layer before is multiplied by."""
    measured = moments.get(weight.stored_path)
    found = np.frombuffer(measured.input_squares) if measured else np.zeros(0)
    if not len(found) or len(found) % units:
        return np.full(1, np.nan)
    # Through Flatten, a row for each position.
    by_unit: Array = found.reshape(-1, units).sum(axis=0)
    return by_unit
