"""Weights of custom layers given their roles: as the user declares, or as a parent's of Keras.

Only custom code knows what a custom layer does with its weights. What is declared of it is held
against what it stores. What nobody declares is placed where names, or shapes, leave no choice: a
stored `kernel` and a configured `kernel_regularizer` of one layer belong together. Whether that
acts stays for the code to decide.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from regaudit.errors import UnreadableModelError
from regaudit.keras_semantics.build import make_weight
from regaudit.keras_semantics.declared_roles import Declared, key_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import (
    Slot,
    all_slots,
    is_built_in,
    slots_of,
)
from regaudit.keras_semantics.parent_classes import named_parent, parents_of
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.keras_semantics.slot_pairs import Pairs, declared_pairs, guessed_pairs
from regaudit.keras_semantics.told import activity_told
from regaudit.model import Layer, Model, Regularizer, Skip, Status, Weight
from regaudit.tensors.tensor import Tensor

_NO_CLASSES = (
    "what is declared of custom classes cannot be used: this file does not name the classes of "
    "its layers"
)
_DECIDES = "placed by {}: custom code decides whether it acts"


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
        pairs = declared_pairs(parts, slots, one)
        if not pairs:
            raise UnreadableModelError(_misfit(layer, stored, slots, one))
        self._place(layer, parts, pairs, one.built_in)
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
        named = named_parent(layer.python_class, layer.config, self._dialect)
        for parent in [named] if named else parents_of(layer.config, self._dialect):
            slots = self._slots(parent, layer)
            parts = self._parts(layer, slots)
            pairs, how = guessed_pairs(parts, slots, parent, layer, in_order=bool(named))
            if pairs:
                found.append((parent, parts, pairs, how))
        if len(found) != 1:
            self._place_by_name(layer)
            return
        ((parent, parts, pairs, how),) = found
        self._place(layer, parts, pairs, parent, how)
        self._notes[layer.path or "(model)"] = (
            f"custom layer: its weights are placed as those of {parent}, but its code decides "
            "what regularizes them"
        )

    def _place_by_name(self, layer: Layer) -> None:
        """Give the weights of a layer the regularizers of its configuration that bear their names.

        A name that two weights have tells nothing.
        """
        roles = [weight.role for weight in layer.weights]
        keys = {
            role: key
            for role in roles
            if roles.count(role) == 1 and (key := key_of(role, layer.config)) in layer.unplaced
        }
        weights = tuple(
            self._named(layer, weight, keys[weight.role]) if weight.role in keys else weight
            for weight in layer.weights
        )
        if keys:
            left = {key: one for key, one in layer.unplaced.items() if key not in keys.values()}
            self._placed[id(layer)] = replace(layer, weights=weights, unplaced=left)
            self._notes[layer.path or "(model)"] = (
                "custom layer: regularizers are placed by the names of its weights, but its code "
                "decides what regularizes them"
            )

    def _named(self, layer: Layer, weight: Weight, key: str) -> Weight:
        """Return a weight with the regularizer of a key that bears its name."""
        found = parse_regularizer(layer.config[key], self._dialect)
        return replace(
            weight,
            regularizer=found and _undecided(found, "name"),
            regularizer_key=key,
            regularizer_known=True,
            placed_by="name",
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
                plain = re.sub(r"_\d+$", "", name)
                named = {name.strip("_"), plain} & {at.strip("_"), below}
                if (named or (at == "cell" and plain.endswith("_cell"))) and one.weights:
                    parts[at] = one
        if "cell" in {slot.at for slot in slots} - parts.keys() and layer.weights:
            parts["cell"] = parts.pop("")  # as Keras 1 and early TensorFlow kept them
        return parts

    def _place(
        self, layer: Layer, parts: dict[str, Layer], pairs: Pairs, name: str, guessed: str = ""
    ) -> None:
        """Note a layer with weights in slots; a guess leaves what the file tells of its parts.

        Args:
            layer: to place.
            parts: it, and the parts of it that have weights, by attribute.
            pairs: its weights, and their slots.
            name: the class of Keras that it is like.
            guessed: by what; empty where it was declared.
        """
        declared = not guessed
        keys = {slot.regularizer_key for _, slot in pairs}
        left = {key: value for key, value in layer.unplaced.items() if key not in keys}
        told = set() if declared else {at for at, one in parts.items() if at and one.class_name}
        slots = all_slots(name, before_keras_3=self._dialect.before_keras_3) or ()
        order = {(slot.at, slot.role): index for index, slot in enumerate(slots)}
        if order:
            pairs.sort(key=lambda pair: order.get((pair[1].at, pair[1].role), len(order)))
        known = declared and bool(name)
        weights = tuple(
            self._weight(layer, weight, _named_as(slot, parts), guessed, known=known)
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
        self, layer: Layer, weight: Weight, slot: Slot, guessed: str, *, known: bool
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
        if found and guessed:
            found = _undecided(found, guessed)
        return replace(
            made,
            regularizer=found,
            shared_with=weight.shared_with,
            loads_from=weight.loads_from,
            dequantized_from=weight.dequantized_from,
            regularizer_known=known or found is not None,
            trainable_known=known or weight.trainable_known,
            placed_by=guessed if found else "",
        )


def _undecided(found: Regularizer, placed_by: str) -> Regularizer:
    """Return a regularizer of which custom code decides whether it acts."""
    if found.status is Status.INERT:
        return found
    return replace(found, status=Status.UNKNOWN, why=_DECIDES.format(placed_by))


def _named_as(slot: Slot, parts: dict[str, Layer]) -> Slot:
    """Return a slot with the name that the file has for the cell that it is in."""
    part = parts.get("cell") if slot.at == "cell" else None
    name = part.path.rpartition("/")[2] if part else ""
    return replace(slot, below=name) if name.endswith("_cell") else slot


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


def _shape(shape: tuple[int, ...]) -> str:
    return f"({' x '.join(map(str, shape))})"
