"""What a user declares of custom classes: as which built-in class they read, or their roles."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UnreadableModelError, UsageError, did_you_mean, shown
from regaudit.keras_semantics.build import make_weight
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import (
    KERNEL_ROLES,
    LAYERS,
    LAYERS_OF_KERAS_2,
    Slot,
    all_slots,
    slots_of,
)
from regaudit.keras_semantics.told import activity_told
from regaudit.model import Layer, Model, Skip, Weight
from regaudit.tensors.tensor import Tensor

_SLOTS: Mapping[str, Slot] = {
    slot.role: slot for slots in [*LAYERS.values()][::-1] for slot in slots if not slot.at
}
"""What a role means where only its name is declared."""

_AXES = {
    **dict.fromkeys(("Dense", "Embedding", "ReversibleEmbedding"), 2),
    **{f"{kind}Conv{n}D": n + 2 for kind in ("", "Depthwise", "Separable") for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": n + 2 for n in (1, 2, 3)},
}
"""Axes of the kernels of classes."""


class Declared(Struct, frozen=True):
    """What is declared of one class."""

    name: str
    """Of the class, with or without its package: `team>MyDense`, `MyDense`."""
    built_in: str = ""
    """The class of Keras that it reads as; empty where roles are declared."""
    roles: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    """Roles that a layer may lack."""

    def is_about(self, layer: Layer) -> bool:
        """Whether a layer is of the class, and custom code."""
        full = layer.class_name
        return not layer.known and bool(full) and self.name in {full, full.rpartition(">")[2]}

    @property
    def value(self) -> str | list[str]:
        """What was declared, as settings have it."""
        return self.built_in or [f"{role}{'?' * (role in self.optional)}" for role in self.roles]


def checked_roles(given: Mapping[str, Any]) -> tuple[Declared, ...]:
    """Read `[tool.regaudit.layers]`.

    Raises:
        UsageError: a class that Keras does not have, or a value of the wrong kind.
    """
    return tuple(_declared(name, value) for name, value in given.items())


def _declared(name: str, value: Any) -> Declared:
    if not name.strip():
        raise UsageError("layers: the name of a class is empty")
    if isinstance(value, str):
        classes = {**LAYERS, **LAYERS_OF_KERAS_2}
        usable = [k for k, slots in classes.items() if slots and not any(s.at for s in slots)]
        if value not in usable:
            why = "is no layer of Keras that has weights" + did_you_mean(value, usable)
            if value in classes:
                why = "keeps no weights of its own, and cannot be declared; list the roles"
            raise UsageError(f"layers: {shown(name)}: {shown(value)} {why}")
        return Declared(name, value)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        what = 'a class of Keras or a list of roles, as ["kernel", "bias?"]'
        raise UsageError(f"layers: {shown(name)} must be {what}, not {shown(value)}")
    roles = tuple(one.removesuffix("?") for one in value)
    for role in roles:
        hint = did_you_mean(role, _SLOTS)
        compound = any(f"_{known}_" in f"_{role}_" for known in (*_SLOTS, "variable"))
        if not role.isidentifier() or (hint and not compound):
            raise UsageError(f"layers: {shown(name)}: no role is called {shown(role)}{hint}")
    if len(set(roles)) < len(roles):
        raise UsageError(f"layers: {shown(name)} has a role twice")
    optional = tuple(one[:-1] for one in value if one.endswith("?"))
    return Declared(name, "", roles, optional)


def role_option(text: str) -> tuple[str, str | list[str]]:
    """Read a declaration of the command line: `MyDense=Dense`, `MyBlock=kernel,bias?`.

    One word is a class of Keras if it begins with a capital letter, else a role.

    Raises:
        UsageError: it is neither.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise UsageError(f"--role is CLASS=BUILT_IN or CLASS=ROLE,ROLE?,..., not {shown(text)}")
    if value[0].isupper() and "," not in value:
        return name, value
    return name, [one.strip() for one in value.split(",")]


def with_declared(
    model: Model,
    skipped: tuple[Skip, ...],
    tensors: Mapping[str, Tensor],
    declared: Iterable[Declared],
) -> tuple[Model, tuple[Skip, ...]]:
    """Return a model with the roles that are declared for its custom classes.

    Raises:
        UnreadableModelError: a layer stores something else than was declared.
    """
    declared = tuple(declared)
    if not declared:
        return model, skipped
    dialect, notes, layers = Dialect.of(model.keras_version), {}, []
    classes: dict[str, str] = {}
    for layer in model.layers:
        about = [one for one in declared if one.is_about(layer)]
        if about and layer.weights:
            one = about[-1]
            layers.append(_placed(layer, one, tensors, dialect))
            notes[layer.path or "(model)"] = _note(layer, one)
            classes[layer.path] = layers[-1].class_name
        else:
            layers.append(layer)
    nodes = tuple(
        node._replace(class_name=classes.get(node.layer, node.class_name)) for node in model.nodes
    )
    kept = (skip for skip in skipped if skip.path not in notes or "custom layer" not in skip.reason)
    said = (Skip(path, note) for path, note in notes.items())
    return replace(model, layers=tuple(layers), nodes=nodes), (*kept, *said)


def _note(layer: Layer, one: Declared) -> str:
    if one.built_in:
        return f"custom code: {layer.class_name} is read as {one.built_in}, as declared"
    return "custom layer: its roles are as declared, most of its regularizers unknown"


def _placed(layer: Layer, one: Declared, tensors: Mapping[str, Tensor], dialect: Dialect) -> Layer:
    """Return a layer with the roles of a declaration."""
    if one.built_in:
        possible = all_slots(one.built_in, before_keras_3=dialect.before_keras_3) or ()
        wanted = slots_of(one.built_in, layer.config, dialect)
        optional: tuple[str, ...] = ()
    else:
        possible = wanted = tuple(_slot(role, layer) for role in one.roles)
        optional = one.optional
    pairs = _paired(layer.weights, wanted, optional)
    if not pairs or not _fits(pairs, one):
        stored = ", ".join(f"{w.role} {_shape(w.shape)}" for w in layer.weights)
        said = ", ".join(slot.role + "?" * (slot.role in optional) for slot in wanted)
        of = f"{one.built_in}: {said}" if one.built_in else said
        raise UnreadableModelError(
            f"layer {layer.path} of {layer.class_name} stores {stored}; declared is {of}; "
            "mend or remove it in [tool.regaudit.layers] or --role"
        )
    order = {slot.role: index for index, slot in enumerate(possible)}
    pairs.sort(key=lambda pair: order[pair[1].role])
    weights = tuple(
        _weight(
            layer,
            weight,
            slot,
            tensors[weight.stored_path],
            built_in=bool(one.built_in),
            dialect=dialect,
        )
        for weight, slot in pairs
    )
    keys = {weight.regularizer_key for weight in weights}
    left = {key: value for key, value in layer.unplaced.items() if key not in keys}
    layer = replace(layer, weights=weights, unplaced=left)
    if not one.built_in:
        return layer
    layer = replace(layer, class_name=one.built_in, known=True)
    return replace(layer, activity_known=activity_told(layer, dialect))


def _slot(role: str, layer: Layer) -> Slot:
    slot = _SLOTS.get(role, Slot(role))
    key = f"{role}_regularizer"
    return replace(slot, regularizer_key=key if key in layer.config else None)


def _paired(
    weights: tuple[Weight, ...], wanted: tuple[Slot, ...], optional: tuple[str, ...]
) -> list[tuple[Weight, Slot]]:
    """Pair what is stored with slots: by name, or by order where no name is one of theirs."""
    slots = {slot.role: slot for slot in wanted}
    required = [slot for slot in wanted if slot.role not in optional]
    stored = [weight.role for weight in weights]
    if set(stored) & set(slots):
        told = set(stored) <= set(slots) and {slot.role for slot in required} <= set(stored)
        unique = len(set(stored)) == len(stored)
        return [(weight, slots[weight.role]) for weight in weights] if told and unique else []
    for chosen in (wanted, required):  # between the two, nothing tells which is missing
        if len(chosen) == len(weights):
            return list(zip(weights, chosen, strict=True))
    return []


def _fits(pairs: list[tuple[Weight, Slot]], one: Declared) -> bool:
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


def _shape(shape: tuple[int, ...]) -> str:
    return f"({' x '.join(map(str, shape))})"


def _weight(
    layer: Layer,
    weight: Weight,
    slot: Slot,
    tensor: Tensor,
    *,
    built_in: bool,
    dialect: Dialect,
) -> Weight:
    """Return a stored weight with its role."""
    own = layer.trainable or not dialect.restores_trainable
    made = make_weight(
        slot,
        tensor,
        layer.path,
        weight.stored_path,
        layer.config,
        trainable=weight.trainable and (own or not built_in),
        dialect=dialect,
    )
    return replace(
        made,
        shared_with=weight.shared_with,
        loads_from=weight.loads_from,
        dequantized_from=weight.dequantized_from,
        regularizer_known=built_in or made.regularizer is not None,
        trainable_known=built_in or weight.trainable_known,
    )
