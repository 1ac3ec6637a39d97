"""The join of a configuration with legacy weights beside it, as `load_weights` of Keras makes it.

Layers that have weights get the groups of the file that have some, first to first; with
`by_name=True` each gets the group of its name. Inside a group order decides in either case. What
Keras does not load is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, NoReturn

from regaudit.errors import UnreadableModelError, shown
from regaudit.keras_semantics.config_graph import (
    Serialized,
    layers_of,
    members,
    name_of,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.expected_layers import Planned, Planner, Position
from regaudit.keras_semantics.loaded_variables import counted, is_told, misfit
from regaudit.model import Skip
from regaudit.tensors.tensor import Stored

_OPERATIONS = frozenset(
    {"ClassMethod", "InstanceMethod", "InstanceProperty", "SlicingOpLambda", "TFOpLambda"}
)
"""Layers that TensorFlow makes of its operations."""
_WEIGHTS = "(weights)"
_BY_NAME = "joined by name, as --by-name asks"


class Loads(StrEnum):
    """How weights are loaded into a model that is there."""

    BY_ORDER = "by order"
    BY_NAME = "by name"
    WHOLE = "with the model"
    """By order as well, from a file that has both."""


def is_renamed(model: Serialized, groups: Mapping[str, Stored]) -> bool:
    """Whether groups have other names than the layers of a model, or another order."""
    layers = map(name_of, members(model))
    return not all(name in layers for name, stored in groups.items() if stored and name)


class Unit(NamedTuple):
    """A layer of the outermost model, with all that is inside it: what a group is stored for."""

    name: str
    plan: list[Planned]


def names_of(layers: list[Serialized], groups: list[str]) -> list[str]:
    """Return the names of layers; in an old list nested models have none but their group's."""
    names = [name_of(layer) for layer in layers]
    if len(groups) != len(layers):
        return names
    unnamed = [isinstance(layer.get("config"), list) and "name" not in layer for layer in layers]
    return [groups[at] if unnamed[at] else name for at, name in enumerate(names)]


def units_of(
    model: Serialized, groups: Iterable[str], planner: Planner, place: Position | None = None
) -> Iterator[Unit]:
    """Yield the layers of the outermost model, in the order of the configuration."""
    place = place or Position()
    layers = members(model)
    for layer, name in zip(layers, names_of(layers, list(groups)), strict=True):
        if planner.dialect.keras_1 and layer.get("class_name") == "Merge":
            below = place.below(name, layer, model=True, certain=True)
            for branch in layers_of(layer):  # Keras 1 stores what is in them one by one
                flat = branch if layers_of(branch) else {"config": [branch]}
                yield from units_of(flat, (), planner, below)
        else:
            yield Unit(name, list(planner.plan({**layer, "name": name}, place)))


def match_groups(
    units: list[Unit], groups: Mapping[str, Stored], dialect: Dialect, loads: Loads
) -> dict[str, str]:
    """Return the group that each layer gets its weights from, by the names of both.

    Args:
        units: the layers, in the order of Keras.
        groups: of the file, in its order.
        dialect: of the Keras that loads them.
        loads: how.

    Raises:
        UnreadableModelError: Keras does not load them.
    """
    way_out = ""
    if loads is Loads.BY_NAME:
        pairs = [(unit, unit.name) for unit in units if unit.name in groups]
    else:
        names = [name for name, stored in groups.items() if stored]
        chosen = _with_weights(units, names)
        if not names:  # of a model that was never built
            return {}
        named = any(unit.name in names for unit in units)
        way_out = ", or --by-name if they are loaded with by_name=True" * named
        if len(chosen) != len(names):
            refuse(_miscounted(chosen, names, groups, dialect), way_out)
        pairs = list(zip(chosen, names, strict=True))
    for unit, name in pairs:
        if why := misfit(unit.plan, name, groups[name], dialect):
            refuse(why, way_out)
    return {unit.name: name for unit, name in pairs}


def remarks(
    units: list[Unit],
    groups: Mapping[str, Stored],
    dialect: Dialect,
    loads: Loads,
    found: Mapping[str, str],
) -> Iterator[Skip]:
    """Say what a load leaves out, and where the other kind of load makes something else of it.

    Args:
        units: the layers, in the order of Keras.
        groups: of the file, in its order.
        dialect: of the Keras that loads them.
        loads: how.
        found: what `match_groups` made of that.
    """
    if loads is not Loads.BY_NAME:
        if moved := _moved(found, "gets"):
            text = f"joined by order, as load_weights does: {moved}; by_name=True is --by-name"
            if loads is Loads.WHOLE:
                text = f"joined by order, as load_model does: {moved}"
            yield Skip(_WEIGHTS, text)
        return
    for name, stored in groups.items():
        if stored and name not in found:
            yield Skip(name, "not loaded: the model of --config has no layer of this name")
    try:
        ordered = match_groups(units, groups, dialect, Loads.BY_ORDER)
    except UnreadableModelError:
        yield Skip(_WEIGHTS, f"{_BY_NAME}: by order, Keras does not load them")
        return
    if moved := _moved(ordered, "would get"):
        yield Skip(_WEIGHTS, f"{_BY_NAME}: by order, {moved}")


def _moved(found: Mapping[str, str], gets: str) -> str:
    """Name the first layers whose weights have another name in the file; empty for none."""
    moved = [(unit, name) for unit, name in found.items() if unit != name]
    texts = [f"{shown(unit)} {gets} what is stored as {shown(name)}" for unit, name in moved[:2]]
    more = [f"and {len(moved) - 2:,} more"] if len(moved) > 2 else []
    return ", ".join(texts + more)


def refuse(why: str, way_out: str = "") -> NoReturn:
    """Say that Keras does not load the weights, and what to do.

    Raises:
        UnreadableModelError: always.
    """
    raise UnreadableModelError(
        f"Keras does not load these weights into the model of --config: {why}; give the "
        f"configuration that they were saved with{way_out}"
    )


def _has_weights(unit: Unit) -> bool | None:
    """Whether a layer has weights; None if code decides."""
    if str(unit.plan[0].serialized.get("class_name")) in _OPERATIONS:
        return False
    if any(planned.slots and planned.certain for planned in unit.plan):
        return True
    sure = all(is_told(planned) for planned in unit.plan)
    return False if sure else None


def _with_weights(units: list[Unit], names: Iterable[str]) -> list[Unit]:
    """Return the layers that have weights; of custom ones, as many as there are groups for."""
    names = list(names)
    has = {unit.name: _has_weights(unit) for unit in units}
    unsure = [unit.name for unit in units if has[unit.name] is None]
    spare = len(names) - sum(one is True for one in has.values())
    named = [name for name in unsure if name in names]
    if spare >= len(unsure):
        named = unsure
    elif spare <= 0:
        named = []
    elif spare != len(named):
        custom = ", ".join(map(shown, unsure[:3]))
        refuse(f"which of its custom layers have weights ({custom}) cannot be told")
    return [unit for unit in units if has[unit.name] or unit.name in named]


def _miscounted(
    units: list[Unit], names: list[str], groups: Mapping[str, Stored], dialect: Dialect
) -> str:
    """Say that there are more layers than groups, or fewer, and where that begins to show."""
    what = f"it has {counted(len(units), 'layer')} with weights, the file {len(names):,}"
    for unit, name in zip(units, names, strict=False):
        if why := misfit(unit.plan, name, groups[name], dialect):
            return f"{what}, and {why}"
    if len(units) > len(names):
        return f"{what}, nothing for {shown(units[len(names)].name)}"
    return f"{what}, {shown(names[len(units)])} being one too many"
