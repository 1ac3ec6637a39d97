"""The join of a configuration with the objects of a checkpoint, edge by edge, as TensorFlow loads.

A model leads to its layers by their place, a layer to its parts and variables by the attributes of
its class. Names of layers do not count. What has another shape is refused, as by Keras.
"""

from collections import Counter
from collections.abc import Iterator

from msgspec import field
from msgspec.structs import replace

from regaudit.errors import shown
from regaudit.keras_semantics.build import has_regularizers, is_custom
from regaudit.keras_semantics.config_graph import (
    Serialized,
    config_of,
    layers_of,
    members,
    name_of,
)
from regaudit.keras_semantics.expected_layers import Planned, Planner, Position
from regaudit.keras_semantics.expected_shapes import expected_shape, is_shaped
from regaudit.keras_semantics.held_layers import held_layers
from regaudit.keras_semantics.input_shapes import with_input_shapes
from regaudit.keras_semantics.layer_table import OPTIMIZATION_WRAPPERS, Slot
from regaudit.keras_semantics.match_by_name import LegacyJoin, with_units
from regaudit.keras_semantics.match_by_order import refuse
from regaudit.keras_semantics.quantized_plan import quantize
from regaudit.keras_semantics.spare_weights import extra_slot
from regaudit.keras_semantics.stored_names import StoredName
from regaudit.keras_semantics.tracked_graph import TrackedGraph
from regaudit.model import Skip
from regaudit.tensors.tensor import Stored, Tensor
from regaudit.tensors.tensorflow_checkpoint import VALUE, Checkpoint

UNCLAIMED = "no layer of the configuration has it: measured by name alone"
INSIDE = "inside {}: measured, but its regularizers are unknown"


_Spare = tuple[tuple[Slot, str, Tensor], str]
"""A variable that no slot is for, with what it calls its layer."""


class EdgeJoin(LegacyJoin, kw_only=True):
    """One walk through a configuration and a graph; weights are made as in a legacy file."""

    graph: TrackedGraph
    checkpoint: Checkpoint
    root: int = 0
    """The object that is the model."""
    matched: int = 0
    """Variables that fill a place."""
    plans: list[Planned] = field(default_factory=list)
    waiting: list[tuple[int, Planned, int | None]] = field(default_factory=list)
    """Layers with how deep they are and their objects."""
    owners: dict[int, Planned] = field(default_factory=dict)
    """Layers by their objects."""
    claimed: set[str] = field(default_factory=set)
    """Keys of the values that are taken."""

    def place(self, model: Serialized) -> None:
        """Give the layers of a model their variables."""
        model = with_input_shapes(model)
        planned = Planned(model, "", "", known=not is_custom(model), inside=tuple(members(model)))
        self.owners[self.root] = planned
        self.plans.append(planned)
        self._inside(planned, self.root, Position())
        for _, layer, number in sorted(self.waiting, key=lambda one: one[0]):
            self._fill(layer, number)

    def _visit(self, serialized: Serialized, number: int | None, place: Position) -> None:
        planned, below = Planner(self.dialect, self.root_frozen).one(serialized, place)
        self.plans.append(planned)
        self.waiting.append((place.depth, planned, number))
        self._inside(planned, number, below)

    def _inside(self, planned: Planned, number: int | None, below: Position) -> None:
        """Take in what a layer holds."""
        serialized = planned.serialized
        pairs = self._layers if layers_of(serialized) else self._held
        for layer, to in pairs(planned, number):
            self._visit(layer, to, below)

    def _layers(
        self, planned: Planned, number: int | None
    ) -> Iterator[tuple[Serialized, int | None]]:
        """Yield the layers of a model with their objects."""
        layers = planned.inside
        if self.dialect.before_keras_3:
            # TensorFlow 1.13 counted the input that Sequential does not list.
            more = self._child(number, f"layer-{len(layers)}") is not None
            for at, layer in enumerate(layers, more and not _is_functional(planned)):
                yield layer, self._child(number, f"layer-{at}")
            return
        inner = self._child(number, "_functional")
        operations = self._child(number if inner is None else inner, "_operations")
        entries = layers_of(planned.serialized)
        count = 0 if operations is None else len(self.graph.nodes[operations].children)
        first = 1 if count == len(entries) + 1 else 0  # an input that Sequential does not list
        places = {id(entry): index + first for index, entry in enumerate(entries)}
        for layer in layers:
            yield layer, self._child(operations, str(places[id(layer)]))

    def _held(
        self, planned: Planned, number: int | None
    ) -> Iterator[tuple[Serialized, int | None]]:
        """Yield the layers that a wrapper or a custom layer holds with their objects."""
        matter = {id(layer) for layer in planned.inside}
        seen: set[int] = set()
        before = self.dialect.before_keras_3
        for held in held_layers(planned.serialized, before_keras_3=before):
            holder = self._child(number, held.attribute)
            for at, layer in enumerate(held.renamed()):
                to = self._child(holder, str(at)) if held.is_list else holder
                own = id(held.layers[at])
                if not planned.known:
                    to = self._noted(layer) if to is None else to
                    if own in seen or (to is None and own not in matter):
                        continue
                seen.add(own)
                yield layer, to

    def _child(self, number: int | None, edge: str) -> int | None:
        """Return the object that an edge leads to; it may be private in one of the two."""
        children = self.graph.nodes[number].children if number is not None else {}
        for name in (edge, f"_{edge}", edge.lstrip("_")):
            to = children.get(name)
            if to is not None and not self.graph.nodes[to].variable:
                return to
        return None

    def _noted(self, layer: Serialized) -> int | None:
        """Return the one object whose variables are named for a layer."""
        found = self.graph.noted.get(name_of(layer), ())
        return found[0] if len(found) == 1 else None

    def _fill(self, planned: Planned, number: int | None) -> None:
        """Give a layer the variables of its slots, unless its object is another layer's already.

        Of the layers that a model shared and a load of its configuration makes apart, TensorFlow
        restores the outermost alone.
        """
        number = None if number in self.owners else number
        if number is not None:
            self.owners[number] = planned
        if not self.dialect.before_keras_3 and number is not None:
            quantize(planned, self._own(planned, number))
        for at, slot in enumerate(planned.slots):
            to = None if number is None else self.graph.fill(number, slot)
            if to is None or to not in self.graph.keys:
                planned.missing.add(at)
            elif self.graph.keys[to] not in self.claimed:
                self._take(planned, slot, to)

    def _own(self, planned: Planned, number: int) -> Stored:
        """Return the values of a layer and its parts, by the names that a legacy file has."""
        layer = name_of(planned.serialized)
        parts = {slot.at: slot.below for slot in planned.slots if slot.at}
        holders = [(number, ""), *((self._child(number, at), parts[at]) for at in parts)]
        found = {}
        for holder, below in holders:
            children = self.graph.nodes[holder].children if holder is not None else {}
            for to in children.values():
                if to in self.graph.keys and self.checkpoint.unfit(self.graph.keys[to]) is None:
                    names = filter(None, (layer, below, self.graph.nodes[to].role))
                    found["/".join(names)] = self._stored(to)
        return found

    def _take(self, planned: Planned, slot: Slot, number: int) -> None:
        key = self.graph.keys[number]
        self.claimed.add(key)
        if reason := self.checkpoint.unfit(key):
            self.skipped.append(Skip(key, reason))
            return
        _, tensor = self._stored(number)
        adapter = slot.role.startswith("lora_")
        expected = expected_shape(planned.serialized, slot)
        expected = None if planned.mode or adapter else expected
        if not is_shaped(tensor.shape, expected):
            sizes = ", ".join("any" if size is None else str(size) for size in expected or ())
            where = "/".join(filter(None, (planned.path, slot.below, slot.role)))
            refuse(
                f"{shown(where)} has the shape ({sizes}), where the checkpoint has "
                f"{tensor.shape} in {shown(key)}"
            )
        self.matched += 1
        slot = self._with_cell(slot, number)
        planned.weights.append(self._weight(planned, slot, key, tensor))

    def _with_cell(self, slot: Slot, number: int) -> Slot:
        """Return a slot of a cell with the name that the cell has: `lstm_cell_2`."""
        owner = StoredName.of(self.graph.nodes[number].name).owner
        numbered = slot.at == "cell" and owner and owner[-1].startswith(f"{slot.below}_")
        return replace(slot, below=owner[-1]) if numbered else slot

    def _stored(self, number: int) -> tuple[str, Tensor]:
        key = self.graph.keys[number]
        return key, self.checkpoint.tensor(key)

    def finish(self, reason: str) -> None:
        """Take in the variables that are left, by the edges that lead to them; add all layers.

        Args:
            reason: why their regularizers are unknown.
        """
        spare = self._take_spare()
        for planned in self.plans:
            inside = planned.inside
            if planned.path or planned.weights or has_regularizers(planned.serialized, inside):
                self._add(planned)
        custom = {planned.path for planned in self.plans if not planned.known and planned.path}
        for path, found in spare.items():
            outer = next((one for one in _above(path) if one in custom), "")
            why = INSIDE.format(outer) if outer else reason
            weights = [weight for weight, _ in found]
            self._add_unknown(path, with_units(weights), why, trainable=not self.root_frozen)
            names = {name for _, name in found}
            if len(names) == 1 and (name := names.pop()):
                self.layers[-1] = replace(self.layers[-1], name=name)

    def _take_spare(self) -> dict[str, list[_Spare]]:
        """Give layers the variables that are in no slot; return those of other objects, by path."""
        paths = {number: planned.path for number, planned in self.owners.items()}
        paths.setdefault(self.root, "")
        spare: dict[str, list[_Spare]] = {}
        taken = Counter(
            (planned.path, weight.role) for planned in self.plans for weight in planned.weights
        )
        for number in self.graph.weights():
            key = self.graph.keys[number]
            if key in self.claimed or not self.graph.is_below(number, self.root):
                continue
            self.claimed.add(key)
            if why := self.checkpoint.unfit(key):
                self.skipped.append(Skip(key, why))
                continue
            holder = self.graph.holder(number)
            path = None if holder is None else self.graph.chain(holder, paths)
            path = key.removesuffix(VALUE) if path is None else path
            role = self.graph.role(number)
            taken[path, role] += 1
            role = f"{role}_{taken[path, role] - 1}" if taken[path, role] > 1 else role
            weight = (extra_slot(StoredName(key, (), role)), *self._stored(number))
            planned = None if holder is None else self.owners.get(holder)
            if planned is not None:
                self._give(planned, *weight)
            else:
                name = self.graph.nodes[number].name.rpartition("/")[0].rpartition("/")[2]
                spare.setdefault(path, []).append((weight, name))
        return spare

    def _give(self, planned: Planned, slot: Slot, key: str, tensor: Tensor) -> None:
        """Give a layer a variable that no slot is for."""
        if planned.serialized.get("class_name") in OPTIMIZATION_WRAPPERS:
            slot = replace(slot, trainable=slot.role.startswith("cluster_centroids"))
        planned.weights.append(self._weight(planned, slot, key, tensor))


def _above(path: str) -> Iterator[str]:
    """Yield the paths of what is around an object, the innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def _is_functional(planned: Planned) -> bool:
    return "input_layers" in config_of(planned.serialized)
