"""What a user declares of custom classes: as which built-in class they read, or their roles."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UsageError, did_you_mean, shown
from regaudit.keras_semantics.layer_table import LAYERS, LAYERS_OF_KERAS_2, Slot
from regaudit.model import Layer

_SLOTS: Mapping[str, Slot] = {
    slot.role: slot for slots in [*LAYERS.values()][::-1] for slot in slots if not slot.at
}
"""What a role means where only its name is declared."""


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
        full = layer.custom_class or ("" if layer.known else layer.class_name)
        return bool(full) and self.name in {full, full.rpartition(">")[2]}

    def slots(self, layer: Layer) -> tuple[Slot, ...]:
        """Return what the declared roles are in a layer; its configuration may have their keys."""
        keys = {role: f"{role}_regularizer" for role in self.roles}
        return tuple(
            replace(
                _SLOTS.get(role, Slot(role)),
                regularizer_key=keys[role] if keys[role] in layer.config else None,
            )
            for role in self.roles
        )

    @property
    def value(self) -> str | list[str]:
        """What was declared, as settings have it."""
        return self.built_in or [f"{role}{'?' * (role in self.optional)}" for role in self.roles]


def key_of(role: str, config: Mapping[str, Any]) -> str:
    """Return the key of a configuration that bears the name of a weight; empty for none."""
    slot = _SLOTS.get(role)
    keys = (f"{role}_regularizer", (slot and slot.regularizer_key) or "")
    return next((key for key in keys if key in config), "")


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
        usable = [name for name, slots in classes.items() if slots]
        if value not in usable:
            why = "is no layer of Keras that has weights" + did_you_mean(value, usable)
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
