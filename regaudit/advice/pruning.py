"""Dead units and what cutting them out would save.

A unit is dead if every weight into it is near zero, or if the batch normalization after it scales
it by next to nothing: what it puts out does not depend on the input. Cutting it out takes its own
parameters, those of the normalization, and the rows of the next kernels that read it.
"""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.readers import follow
from regaudit.evidence.units import dead_mask
from regaudit.model import Layer, Weight

MIN_DEAD = 0.05
"""Share of dead units from which on a layer has many of them."""
MIN_UNITS = 16
"""Layers with fewer units are not judged by them."""


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


def dead_units(evidence: Evidence, layer: Layer, weight: Weight) -> Dead | None:
    """Count the dead units of a kernel; None where it has no units or no numbers."""
    mask = dead_mask(evidence.moments, weight)
    if mask is None:
        return None
    roles = {other.role: other for other in layer.weights}
    recurrent = roles.get("recurrent_kernel")
    if recurrent is not None:  # a unit is dead only if both its kernels are
        other = None if weight is recurrent else dead_mask(evidence.moments, recurrent)
        mask = np.zeros_like(mask) if other is None else mask & other
    way = follow(evidence.graph, layer, weight, len(mask))
    alive = ~mask
    for scale in way.scales:
        gamma = next((one for one in scale.weights if one.role == "gamma"), None)
        scaled = dead_mask(evidence.moments, gamma) if gamma else None
        if scaled is not None:
            mask = mask | scaled
    dead, units = int(mask.sum()), len(mask)
    own = sum(other.size * dead // units for other in _of_units(layer, weight, units))
    own += sum(other.size * dead // units for scale in way.scales for other in scale.weights)
    if recurrent is not None:  # rows go too
        own += recurrent.size * dead * (units - dead) // units**2
    return Dead(units, dead, int((mask & alive).sum()), own, way.read * dead, way.kept)


def _of_units(layer: Layer, weight: Weight, units: int) -> Iterator[Weight]:
    """Yield the weights of a layer that have a share in every unit."""
    for other in layer.weights:
        inside = other.path.rpartition("/")[0] == weight.path.rpartition("/")[0]
        per_unit = other.role in {"bias", "recurrent_kernel"}
        if other is weight or (inside and per_unit and other.size % units == 0):
            yield other
