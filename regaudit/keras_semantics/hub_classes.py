"""What KerasHub's own layers and models make and hold: its code says so, and no configuration.

`hub_layers.json` is what real builds were seen to do, see `fixtures/hub_layers.py`. What a file
stores is held against it, and what does not fit stays unknown.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.layer_table import Slot, features

PACKAGES = ("keras_hub", "keras_nlp")
"""KerasNLP became KerasHub."""


MADE = "made by KerasHub"
"""Key of a plain model that one of its layers makes: the class in the table."""


class Child(Struct, frozen=True, forbid_unknown_fields=True):
    """What an attribute holds."""

    class_name: str = field(name="class")
    """Keras's class, or one of the table."""
    name: str = ""
    """Of the layer, with `#N` for its number in a list plus N; empty where it varies."""
    config: Mapping[str, Any] = {}
    """Options that are always the same, and `=key` for those that its owner hands on."""


class HubClass(Struct, frozen=True, forbid_unknown_fields=True):
    """One class of KerasHub, or a plain model that one of them makes."""

    like: str = ""
    """The class of Keras that it extends and stores the same as."""
    model: str = ""
    """The class of Keras that it extends or is, if it is a model: then its flag `trainable` is set
    again once all of it is built, and freezes it. The layers that a layer makes do not take it."""
    vars: tuple[str, ...] = ()
    """The weights that it makes itself, in stored order, in each form of it; `~` marks constants.
    """
    held: Mapping[str, str | Child | list[str | Child]] = {}
    """By attribute; by attribute and the stored name of the class for lists of layers."""

    def children(self, attribute: str) -> list[Child]:
        """Return what an attribute may hold; in some versions it is private, in others not."""
        found = self.held.get(attribute)
        if found is None:
            bare = attribute.strip("_")
            found = self.held.get(bare) or self.held.get(f"_{bare}") or []
        every = found if isinstance(found, list) else [found]
        return [Child(one) if isinstance(one, str) else one for one in every]

    def lists(self, attribute: str) -> bool:
        """Whether an attribute is a list of layers."""
        bare = attribute.strip("_")
        return any(one.startswith((f"{attribute}/", f"_{bare}/", f"{bare}/")) for one in self.held)

    def slots(self, count: int) -> tuple[Slot, ...] | None:
        """Return the places of so many stored weights; None where it makes another number."""
        if not count:
            return ()
        forms = {form for form in self.vars if len(form.split()) == count}
        return tuple(map(_slot, forms.pop().split())) if len(forms) == 1 else None


def _slot(name: str) -> Slot:
    role = name.lstrip("~")
    slot = Slot(role, trainable=role == name)
    return replace(slot, units=features) if role == "embeddings" else slot


@cache
def hub_classes() -> Mapping[str, HubClass]:
    """Return the table, by name; classes of one name are told apart by `@folder`."""
    raw = Path(__file__).with_name("hub_layers.json").read_bytes()
    return msgspec.json.decode(raw, type=_Table).classes


class _Table(Struct, frozen=True):
    classes: dict[str, HubClass]


def is_of_hub(class_name: str) -> bool:
    """Whether a class is KerasHub's, as reports name it: with its package."""
    return class_name.partition(">")[0] in PACKAGES


def hub_class(serialized: Serialized) -> str | None:
    """Return which class of the table a layer is of; None for all others."""
    made = serialized.get(MADE)
    if isinstance(made, str) and made in hub_classes():
        return made
    registered, module = serialized.get("registered_name"), serialized.get("module")
    package = module.split(".")[0] if isinstance(module, str) else ""
    if isinstance(registered, str) and ">" in registered:
        package = registered.partition(">")[0]
    name = serialized.get("class_name")
    if package not in PACKAGES or not isinstance(name, str) or "." in name:
        return None
    folder = module.split(".")[-2:-1] if isinstance(module, str) else []
    apart = "".join(f"{name}@{part}" for part in folder)
    return next((one for one in (apart, name) if one in hub_classes()), None)
