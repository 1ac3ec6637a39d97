"""The weights of one group of a legacy file, in the order in which Keras takes them."""

from typing import NamedTuple

from msgspec.structs import replace

from regaudit.errors import shown
from regaudit.keras_semantics.build import own_flag
from regaudit.keras_semantics.config_graph import config_of, name_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.expected_layers import Planned
from regaudit.keras_semantics.expected_shapes import Expected, expected_shape, is_shaped
from regaudit.keras_semantics.layer_table import OPTIMIZATION_WRAPPERS, Slot
from regaudit.keras_semantics.quantized_plan import quantize
from regaudit.keras_semantics.stored_names import StoredName, Wanted, match
from regaudit.tensors.tensor import Stored

_WITH_MORE = {*OPTIMIZATION_WRAPPERS, "QuantizeLayer"}
"""Layers that have weights of which the table does not know."""
_PROJECTIONS = ("query", "key", "gate", "value", "output")
"""Of attention, in the order that they are made; stored by path they stand in that of names."""


Place = tuple[Wanted, Planned, int]
"""A place for a weight, its layer, and the index of the slot there."""


class Variable(NamedTuple):
    """A place for a weight."""

    planned: Planned
    at: int
    """Index of its slot."""

    @property
    def slot(self) -> Slot:
        return self.planned.slots[self.at]

    @property
    def path(self) -> str:
        return "/".join(filter(None, (self.planned.path, self.slot.below, self.slot.role)))

    @property
    def trainable(self) -> bool:
        """Whether a load leaves it trainable."""
        return self.planned.trainable and self.slot.trainable


def variables(plan: list[Planned], dialect: Dialect) -> list[Variable] | None:
    """Return the places in a layer in the order that Keras fills them: the trainable ones first.

    None if code decides, or adapters of LoRA, which have an order of their own.
    """
    adapted = any(config_of(planned.serialized).get("lora_rank") for planned in plan)
    if adapted or not all(map(is_told, plan)):
        return None
    natural = [
        one
        for planned in plan
        for one in sorted((Variable(planned, at) for at in range(len(planned.slots))), key=_rank)
    ]
    outermost = plan[0].serialized
    ignored = dialect.before_keras_3 or outermost.get("class_name") == "Sequential"
    if not own_flag(outermost) and not ignored:
        return natural  # of a frozen layer, none comes first
    return sorted(natural, key=lambda one: not one.trainable)


def is_told(planned: Planned) -> bool:
    """Whether the configuration tells what weights a layer has, but for those inside it."""
    more = str(planned.serialized.get("class_name")) in _WITH_MORE
    return planned.known and planned.certain and not more


def _rank(one: Variable) -> int:
    """Where a weight stands in its layer."""
    projection = one.slot.at.strip("_").removesuffix("_dense")
    return _PROJECTIONS.index(projection) if projection in _PROJECTIONS else 0


def in_order(plan: list[Planned], stored: Stored, dialect: Dialect) -> list[Variable] | None:
    """Return the places that Keras fills with a group, in its order; None if code decides."""
    order = variables(plan, dialect)
    fits = order is not None and len(order) == len(stored) and not _has_gates(stored, dialect)
    return order if fits else None


def filled_places(order: list[Variable], places: list[Place]) -> dict[int, int]:
    """Return the index of the place of each weight that a load takes in order."""
    index_of = {(id(planned), at): index for index, (_, planned, at) in enumerate(places)}
    return {index: index_of[id(one.planned), one.at] for index, one in enumerate(order)}


def mark_renamed(order: list[Variable], names: list[StoredName], places: list[Place]) -> None:
    """Note which weights are stored under each other's names, though Keras loads by order."""
    by_name = match(names, [wanted for wanted, _, _ in places])
    named = [(index, name) for index, name in enumerate(names) if index in by_name]
    if len(named) < len(order) or not all(n.is_of(places[by_name[at]][0]) for at, n in named):
        return  # of another model, or one of another session: its names say nothing
    for index, one in enumerate(order):
        other = Variable(*places[by_name[index]][1:])
        if other.path != one.path:
            weights = one.planned.weights
            at = next(at for at, weight in enumerate(weights) if weight.path == one.path)
            weights[at] = replace(weights[at], named_for=other.path)


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def misfit(plan: list[Planned], name: str, stored: Stored, dialect: Dialect) -> str:
    """Say how a layer and a group do not fit; empty if they do, or nobody can tell."""
    plan = [replace(planned) for planned in plan]
    for planned in plan:
        quantize(planned, stored)
    expected = variables(plan, dialect)
    if expected is None or _has_gates(stored, dialect):
        return ""
    if len(expected) != len(stored):
        takes = f"{shown(name_of(plan[0].serialized))} takes {counted(len(expected), 'weight')}"
        return f"{takes}, where the file has {len(stored):,} in {shown(name)}"
    for one, (text, (_, tensor)) in zip(expected, stored.items(), strict=True):
        wanted = _shape(one, dialect)
        if not is_shaped(tensor.shape, wanted) and not _converted(one, tensor.shape, dialect):
            sizes = ", ".join("any" if size is None else str(size) for size in wanted or ())
            return (
                f"{shown(one.path)} has the shape ({sizes}), where the file has {tensor.shape} in "
                f"{shown(f'{name}/{text}')}"
            )
    return ""


def _has_gates(stored: Stored, dialect: Dialect) -> bool:
    """Whether a group is one of Keras 1 with the gates of a recurrent layer apart."""
    return dialect.keras_1 and any(StoredName.of(text, keras_1_names=True).gate for text in stored)


def _shape(one: Variable, dialect: Dialect) -> Expected:
    if one.planned.mode or dialect.keras_1:  # packed; or of other axes, which a load turns
        return None
    return expected_shape(one.planned.serialized, one.slot)


def _converted(one: Variable, shape: tuple[int, ...], dialect: Dialect) -> bool:
    """Whether Keras 2 makes what is expected out of a weight of another shape."""
    if not dialect.before_keras_3:
        return False
    expected, class_name = _shape(one, dialect), str(one.planned.serialized.get("class_name"))
    if class_name.startswith("Conv") and len(shape) == 4:  # as Theano kept it
        return is_shaped(tuple(shape[axis] for axis in (3, 2, 0, 1)), expected)
    if class_name in {"LSTM", "GRU"} and one.slot.role == "bias" and len(shape) == 1 and expected:
        whole = expected if len(expected) == 2 else (2, *expected)  # CuDNN has two biases
        both = class_name == "LSTM" or len(expected) == 2
        return both and whole[1] is not None and shape[0] == 2 * whole[1]
    return False
