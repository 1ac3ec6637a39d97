"""Weights of custom layers given their roles: as the user declares, or as a parent's of Keras.

Only custom code knows what a custom layer does with its weights. What is declared of it is held
against what it stores. What nobody declares is placed where names, or shapes, leave no choice, and
what regularizes it stays for the code to decide.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import islice, permutations

from msgspec.structs import replace

from regaudit.errors import UnreadableModelError
from regaudit.keras_semantics.build import make_weight
from regaudit.keras_semantics.declared_roles import Declared
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import (
    KERNEL_ROLES,
    Slot,
    all_slots,
    is_built_in,
    slots_of,
)
from regaudit.keras_semantics.parent_classes import may_be, parents_of
from regaudit.keras_semantics.told import activity_told
from regaudit.model import Layer, Model, Skip, Status, Weight
from regaudit.tensors.tensor import Tensor

Pairs = list[tuple[Weight, Slot]]

_AXES = {
    **dict.fromkeys(("Dense", "Embedding", "ReversibleEmbedding"), 2),
    **{f"{kind}Conv{n}D": n + 2 for kind in ("", "Depthwise", "Separable") for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": n + 2 for n in (1, 2, 3)},
}
"""Axes of the kernels of classes."""
_MOST = 4
"""Weights of one layer or sublayer of which all orders are tried."""
_NO_CLASSES = (
    "what is declared of custom classes cannot be used: this file does not name the classes of "
    "its layers"
)
_DECIDES = "custom code: its class decides whether that acts"


def with_roles(
    model: Model,
    skipped: tuple[Skip, ...],
    tensors: Mapping[str, Tensor],
    declared: Iterable[Declared] = (),
) -> tuple[Model, tuple[Skip, ...]]:
    """Return a model with the weights of its custom layers in their places, and what is said of it.

    Args:
        model: as the file describes it.
        skipped: what is said of it.
        tensors: by `Weight.stored_path`.
        declared: of custom classes; the last one that is about a layer counts.

    Raises:
        UnreadableModelError: a layer stores something else than was declared.
    """
    declared = tuple(declared)
    placing = _Placing(model, tensors)
    for layer in model.layers:
        about = [one for one in declared if one.is_about(layer)]
        if about:
            placing.declare(layer, about[-1])
        else:
            placing.guess(layer)
    if declared and model.layers and not any(layer.class_name for layer in model.layers):
        skipped = (*skipped, Skip("(model)", _NO_CLASSES))
    return placing.model(), placing.said(skipped)


class _Placing:
    """One walk through the layers of a model."""

    def __init__(self, model: Model, tensors: Mapping[str, Tensor]) -> None:
        self._before = model
        self._tensors = tensors
        self._dialect = Dialect.of(model.keras_version)
        self._placed: dict[int, Layer] = {}
        """By the identity of the layer before: two may have one path."""
        self._taken: dict[int, str] = {}
        """The paths of layers that are only parts of others."""
        self._notes: dict[str, str] = {}
        self._below: dict[str, list[Layer]] = {}
        for layer in model.layers:
            self._below.setdefault(layer.path.rpartition("/")[0], []).append(layer)

    def declare(self, layer: Layer, one: Declared) -> None:
        """Place a layer as declared."""
        slots = self._slots(one.built_in, layer) if one.built_in else one.slots(layer)
        parts = self._parts(layer, slots)
        stored = [weight for own in parts.values() for weight in own.weights]
        if not stored:
            return
        pairs = _declared_pairs(parts, slots, one)
        if not pairs:
            raise UnreadableModelError(_misfit(layer, stored, slots, one))
        self._place(layer, parts, pairs, one.built_in, declared=True)
        self._notes[layer.path or "(model)"] = (
            f"custom code: {layer.class_name} is read as {one.built_in}, as declared"
            if one.built_in
            else "custom layer: its roles are as declared, most of its regularizers unknown"
        )

    def guess(self, layer: Layer) -> None:
        """Place a custom layer as one of the class of Keras that alone has its keys and weights."""
        name = layer.class_name
        frozen_codes = layer.config.get("lora_rank") or layer.config.get("quantization_config")
        if layer.known or not name or is_built_in(name) or frozen_codes:
            return
        found = []
        for parent in parents_of(layer.config, self._dialect):
            slots = self._slots(parent, layer)
            parts = self._parts(layer, slots)
            if pairs := _guessed_pairs(parts, slots, parent, layer):
                found.append((parent, parts, pairs))
        if len(found) != 1:
            return
        ((parent, parts, pairs),) = found
        self._place(layer, parts, pairs, parent, declared=False)
        self._notes[layer.path or "(model)"] = (
            f"custom layer: its weights are placed as those of {parent}, but its code decides "
            "what regularizes them"
        )

    def model(self) -> Model:
        """Return the model, with what was placed."""
        layers = tuple(
            self._placed.get(id(layer), layer)
            for layer in self._before.layers
            if id(layer) not in self._taken
        )
        classes = {one.path: one.class_name for one in self._placed.values() if one.custom_class}
        nodes = tuple(
            node._replace(class_name=classes.get(node.layer, node.class_name))
            for node in self._before.nodes
        )
        return replace(self._before, layers=layers, nodes=nodes) if self._placed else self._before

    def said(self, skipped: tuple[Skip, ...]) -> tuple[Skip, ...]:
        """Return what is said of a model, with what was placed."""
        parts = set(self._taken.values())
        kept = (
            skip
            for skip in skipped
            if skip.path not in parts
            and (skip.path not in self._notes or "custom layer" not in skip.reason)
        )
        return (*kept, *(Skip(path, note) for path, note in self._notes.items()))

    def _slots(self, name: str, layer: Layer) -> tuple[Slot, ...]:
        return slots_of(name, layer.config, self._dialect)

    def _parts(self, layer: Layer, slots: tuple[Slot, ...]) -> dict[str, Layer]:
        """Return a layer and the parts of it that the slots name, by attribute."""
        parts = {"": layer}
        for at, below in {slot.at: slot.below for slot in slots if slot.at}.items():
            for one in self._below.get(layer.path, ()):
                name = one.path.rpartition("/")[2]
                named = {name.strip("_"), re.sub(r"_\d+$", "", name)} & {at.strip("_"), below}
                if named and one.weights:
                    parts[at] = one
        if "cell" in {slot.at for slot in slots} - parts.keys() and layer.weights:
            parts["cell"] = parts.pop("")  # as Keras 1 and early TensorFlow kept them
        return parts

    def _place(
        self, layer: Layer, parts: dict[str, Layer], pairs: Pairs, name: str, *, declared: bool
    ) -> None:
        """Note a layer with weights in slots; a guess leaves what the file tells of its parts."""
        keys = {slot.regularizer_key for _, slot in pairs}
        left = {key: value for key, value in layer.unplaced.items() if key not in keys}
        told = set() if declared else {at for at, one in parts.items() if at and one.class_name}
        slots = all_slots(name, before_keras_3=self._dialect.before_keras_3) or ()
        order = {(slot.at, slot.role): index for index, slot in enumerate(slots)}
        if order:
            pairs.sort(key=lambda pair: order.get((pair[1].at, pair[1].role), len(order)))
        known = declared and bool(name)
        weights = tuple(
            self._weight(layer, weight, slot, known=known, declared=declared)
            for weight, slot in pairs
            if slot.at not in told
        )
        filled = {weight.stored_path for weight in weights}
        own = tuple(one for one in layer.weights if one.stored_path not in filled)
        parts = {at: one for at, one in parts.items() if at not in told and one is not layer}
        self._taken |= {id(one): one.path for one in parts.values()}
        placed = replace(layer, weights=(*weights, *own), unplaced=left)
        if known:
            placed = replace(placed, custom_class=layer.class_name, class_name=name, known=True)
            placed = replace(placed, activity_known=activity_told(placed, self._dialect))
        elif not declared:
            placed = replace(placed, placed_as=name)
        self._placed[id(layer)] = placed

    def _weight(
        self, layer: Layer, weight: Weight, slot: Slot, *, known: bool, declared: bool
    ) -> Weight:
        """Return a stored weight with its role."""
        own = layer.trainable or not self._dialect.restores_trainable
        made = make_weight(
            slot,
            self._tensors[weight.stored_path],
            layer.path,
            weight.stored_path,
            layer.config,
            trainable=weight.trainable and (own or not known),
            dialect=self._dialect,
        )
        found = made.regularizer
        if found and not declared and found.status is not Status.INERT:
            found = replace(found, status=Status.UNKNOWN, why=_DECIDES)
        return replace(
            made,
            regularizer=found,
            shared_with=weight.shared_with,
            loads_from=weight.loads_from,
            dequantized_from=weight.dequantized_from,
            regularizer_known=known or found is not None,
            trainable_known=known or weight.trainable_known,
        )


def _misfit(layer: Layer, stored: list[Weight], slots: tuple[Slot, ...], one: Declared) -> str:
    """Say how what a layer stores differs from what is declared of it."""
    above = f"{layer.path}/"
    there = ", ".join(f"{w.path.removeprefix(above)} {_shape(w.shape)}" for w in stored)
    said = ", ".join(
        "/".join(filter(None, (slot.below, slot.role))) + "?" * (slot.role in one.optional)
        for slot in slots
    )
    of = f"{one.built_in}: {said}" if one.built_in else said
    return (
        f"layer {layer.path} of {layer.class_name} stores {there}; declared is {of}; "
        "mend or remove it in [tool.regaudit.layers] or --role"
    )


def _declared_pairs(parts: dict[str, Layer], slots: tuple[Slot, ...], one: Declared) -> Pairs:
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


def _guessed_pairs(
    parts: dict[str, Layer], slots: tuple[Slot, ...], parent: str, layer: Layer
) -> Pairs:
    """Pair the slots of a class with what is stored; empty where that leaves a choice."""
    pairs: Pairs = []
    for at in dict.fromkeys(slot.at for slot in slots):
        wanted = [slot for slot in slots if slot.at == at]
        stored = parts[at].weights if at in parts else ()
        found = _by_name(stored, wanted) or _by_shape(stored, wanted, parent, layer)
        if not all(may_be(slot, weight.shape, parent, layer.config) for weight, slot in found):
            return []
        codes = any(not weight.dtype.startswith(("float", "bfloat")) for weight, _ in found)
        if codes or len(found) != len(wanted):
            return []
        pairs += found
    return pairs


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


def _shape(shape: tuple[int, ...]) -> str:
    return f"({' x '.join(map(str, shape))})"
