"""Which weight of a custom layer fills which slot: as declared, or by what leaves no choice."""

from itertools import islice, permutations

from regaudit.keras_semantics.declared_roles import Declared
from regaudit.keras_semantics.layer_table import KERNEL_ROLES, Slot
from regaudit.keras_semantics.parent_classes import may_be
from regaudit.model import Layer, Weight

Pairs = list[tuple[Weight, Slot]]

_AXES = {
    **dict.fromkeys(("Dense", "Embedding", "ReversibleEmbedding"), 2),
    **{f"{kind}Conv{n}D": n + 2 for kind in ("", "Depthwise", "Separable") for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": n + 2 for n in (1, 2, 3)},
}
"""Axes of the kernels of classes."""
_MOST = 4
"""Weights of one layer or sublayer of which all orders are tried."""


def declared_pairs(parts: dict[str, Layer], slots: tuple[Slot, ...], one: Declared) -> Pairs:
    """Pair all that is stored with the slots, sublayer by sublayer; empty if it does not fit."""
    pairs: Pairs = []
    for at in {"": None, **dict.fromkeys(slot.at for slot in slots)}:
        stored = parts[at].weights if at in parts else ()
        found = _paired(stored, [slot for slot in slots if slot.at == at], one.optional)
        if found is None:
            return []
        pairs += found
    return pairs if _fits(pairs, one) else []


def _paired(
    weights: tuple[Weight, ...], wanted: list[Slot], optional: tuple[str, ...]
) -> Pairs | None:
    """Pair what is stored with slots: by name, or by order where no name is one of theirs."""
    slots = {slot.role: slot for slot in wanted}
    required = [slot for slot in wanted if slot.role not in optional]
    stored = [weight.role for weight in weights]
    if set(stored) & set(slots):
        told = set(stored) <= set(slots) and {slot.role for slot in required} <= set(stored)
        unique = len(set(stored)) == len(stored)
        return [(weight, slots[weight.role]) for weight in weights] if told and unique else None
    for chosen in (wanted, required):  # between the two, nothing tells which is missing
        if len(chosen) == len(weights):
            return list(zip(weights, chosen, strict=True))
    return None


def _fits(pairs: Pairs, one: Declared) -> bool:
    """Whether the shapes may be those of the roles."""
    kernels = [(weight, slot) for weight, slot in pairs if slot.role in KERNEL_ROLES]
    axes = _AXES.get(one.built_in)
    if any(len(w.shape) != axes if axes else len(w.shape) < 2 for w, _ in kernels):
        return False
    if not one.built_in:
        return True
    others = [weight.shape for weight, slot in pairs if slot.role not in KERNEL_ROLES]
    units = kernels[-1][1].units(kernels[-1][0].shape, {}) if kernels and axes else None
    if units and "bias" in {slot.role for _, slot in pairs}:
        return others == [(units.units,)]
    if one.built_in.endswith("Normalization") and one.built_in != "Normalization":
        return len(set(others)) <= 1
    return True


def guessed_pairs(
    parts: dict[str, Layer], slots: tuple[Slot, ...], parent: str, layer: Layer, *, in_order: bool
) -> tuple[Pairs, str]:
    """Pair the slots of a class with what is stored, and say how; empty where that leaves a choice.

    Args:
        parts: the layer, and the parts of it that have weights, by attribute.
        slots: of the class.
        parent: its name.
        layer: to place.
        in_order: whether the name of the layer's class tells that it makes them as that does.
    """
    pairs: Pairs = []
    ways = set()
    for at in dict.fromkeys(slot.at for slot in slots):
        wanted = [slot for slot in slots if slot.at == at]
        stored = parts[at].weights if at in parts else ()
        found, how = _by_name(stored, wanted), "name"
        if not found:
            found, how = _by_shape(stored, wanted, parent, layer), "shape"
        if not found and in_order:
            found, how = _by_order(stored, wanted), "order"
        ways.add(how)
        if not all(may_be(slot, weight.shape, parent, layer.config) for weight, slot in found):
            return [], ""
        codes = any(not weight.dtype.startswith(("float", "bfloat")) for weight, _ in found)
        if codes or len(found) != len(wanted):
            return [], ""
        pairs += found
    return pairs, next((way for way in ("order", "shape") if way in ways), "name")


def _by_name(stored: tuple[Weight, ...], wanted: list[Slot]) -> Pairs:
    """Return the pairs of equal names; empty where a name is missing, or there twice."""
    roles = [weight.role for weight in stored]
    if any(roles.count(slot.role) != 1 for slot in wanted):
        return []
    return [(stored[roles.index(slot.role)], slot) for slot in wanted]


def _by_shape(stored: tuple[Weight, ...], wanted: list[Slot], parent: str, layer: Layer) -> Pairs:
    """Return the pairs of weights without names, where the shapes allow for one order only."""
    numbered = not any(weight.role_known for weight in stored)
    if len(stored) != len(wanted) or not numbered or len(wanted) > _MOST:
        return []
    possible = (
        list(zip(order, wanted, strict=True))
        for order in permutations(stored)
        if all(
            may_be(slot, weight.shape, parent, layer.config)
            for weight, slot in zip(order, wanted, strict=True)
        )
    )
    found = list(islice(possible, 2))
    return found[0] if len(found) == 1 else []


def _by_order(stored: tuple[Weight, ...], wanted: list[Slot]) -> Pairs:
    """Return the pairs of weights without names in stored order; what is left has no slot."""
    numbered = not any(weight.role_known for weight in stored)
    if len(stored) < len(wanted) or not numbered:
        return []
    return list(zip(stored, wanted, strict=False))
