"""The objects of a checkpoint: which variables are weights, and by which edges they are reached.

Keras 2 calls the layers of a model `layer-0`, `layer-1`, ...; all else is an attribute of Python.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property

from regaudit.keras_semantics.layer_table import Slot
from regaudit.keras_semantics.metric_state import CONFUSION, MEAN
from regaudit.keras_semantics.object_graph import ObjectGraph
from regaudit.limits import enforce_limit
from regaudit.tensors.checkpoint_objects import TrackedObjects
from regaudit.tensors.tensorflow_checkpoint import Checkpoint
from regaudit.tensors.tensorflow_objects import ObjectNode

TRAINED = "_trainable_variables"
"""Edge from an optimizer of Keras 3 to the weights themselves, which are no state of its own."""
COUNTERS = ("_iterations", "iter", "iterations")
"""Edges from an optimizer to the steps that it has counted."""
INNER = ("inner_optimizer", "base_optimizer", "_optimizer")
"""Edges from an optimizer to one that it holds."""
_OF_MODEL = frozenset({"layer-0", "_functional", "_operations"})
"""Edges of models of Keras 2 and 3 whose configuration lists their layers."""
_METRICS = frozenset({"metrics", "compiled_metrics", "compiled_loss", "_metrics"})
"""Edges to what evaluates a model."""
_UNTOLD = re.compile(r"(variable|parameter)?(_\d+)?", re.IGNORECASE)
"""A variable's name where it was given none."""


class TrackedGraph:
    """The graph of one checkpoint."""

    def __init__(self, objects: TrackedObjects, checkpoint: Checkpoint) -> None:
        self.nodes: Mapping[int, ObjectNode] = objects.nodes
        self.keys: Mapping[int, str] = objects.keys
        self._objects = objects
        self._checkpoint = checkpoint
        self._lookup = ObjectGraph(objects.nodes, {})

    @cached_property
    def optimizers(self) -> list[int]:
        """The optimizers that no other one holds."""
        around: dict[int, list[int]] = {}
        for number, node in self.nodes.items():
            for edge in INNER:
                around.setdefault(node.children.get(edge, -1), []).append(number)
        around.pop(-1, None)
        found: set[int] = set()
        waiting = [number for number in self.nodes if self._is_optimizer(number)]
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += around.get(number, ())
        return sorted(number for number in found if found.isdisjoint(around.get(number, ())))

    def _is_optimizer(self, number: int) -> bool:
        if number in self._objects.with_slots:
            return True
        children = self.nodes[number].children
        if not any(self._counts(children.get(edge)) for edge in COUNTERS):
            return False
        plain = all(self.nodes[to].variable for to in children.values())
        return "_variables" in children or (plain and len(children) > 1)

    def _counts(self, number: int | None) -> bool:
        """Whether a variable is one whole number."""
        if number is None or number not in self.keys:
            return False
        return self._checkpoint.is_count(self.keys[number])

    @cached_property
    def _apart(self) -> set[int]:
        """All objects that training keeps, and that no model holds."""
        optimizers = set(self.optimizers)
        own = self._reach(optimizers, frozenset({TRAINED}), set())
        held = self._reach({0} - optimizers, frozenset(), optimizers)
        return (own - held) | self._objects.slots

    def _reach(self, start: set[int], beyond: frozenset[str], shut: set[int]) -> set[int]:
        """Return the objects that others lead to, not by some edges, not into some objects."""
        found: set[int] = set()
        waiting = list(start)
        while waiting:
            number = waiting.pop()
            if number not in found and number in self.nodes:
                found.add(number)
                children = self.nodes[number].children.items()
                waiting += [to for edge, to in children if edge not in beyond and to not in shut]
        return found

    @cached_property
    def edges(self) -> dict[int, tuple[int, str]]:
        """The object that leads to each object, and by which edge, the shortest way."""
        shut = {*self.optimizers, *self._objects.slots}
        found: dict[int, tuple[int, str]] = {}
        waiting = deque([(0, 0)] if self.nodes else [])
        while waiting:
            number, depth = waiting.popleft()
            enforce_limit("json_depth", depth, "objects are nested deeper than {limit} levels")
            for edge, to in self.nodes[number].children.items():
                if to and to not in found and to not in shut and edge not in _METRICS:
                    found[to] = number, edge
                    waiting.append((to, depth + 1))
        return found

    def weights(self) -> Iterator[int]:
        """Yield the variables that are weights, in the order of their keys."""
        for number, key in sorted(self.keys.items(), key=lambda item: numbered(item[1])):
            if number not in self._apart and not self._is_none(number, key):
                yield number

    def _is_none(self, number: int, key: str) -> bool:
        """Whether a variable is a counter, the state of a metric, or a seed."""
        node = self.nodes[number]
        holder, _ = self.edges.get(number, (None, ""))
        if node.is_seed or any(part in _METRICS for part in key.split("/")):
            return True
        if holder == 0 and self._counts(number):
            return True  # save_counter, and others that a program keeps next to its models
        return holder is not None and self._is_metric(holder)

    def _is_metric(self, number: int) -> bool:
        """Whether an object holds what a metric of Keras does, and nothing else."""
        held = [self.nodes[to] for to in self.nodes[number].children.values()]
        roles = {node.role for node in held if node.variable}
        return roles == set(MEAN) or bool(roles & CONFUSION)

    def chain(self, number: int, known: Mapping[int, str]) -> str | None:
        """Return the path of an object: that of the nearest known one, then edges.

        Args:
            number: the object.
            known: paths of layers, by object.
        """
        edges: list[str] = []
        length = 0
        while number not in known and number:
            if number not in self.edges:
                return None
            number, edge = self.edges[number]
            edges.append(edge)
            length += len(edge) + 1
            enforce_limit("key_bytes", length, "a path of objects is longer than {limit} bytes")
        return "/".join(filter(None, (known.get(number, ""), *reversed(edges))))

    def models(self) -> list[int]:
        """Return the models of Keras that no other one holds, the first object if it is custom."""
        found: dict[int, None] = {}
        inside: set[int] = set()
        for number in (0, *self.edges):  # those that lead to others come first
            outer = self.edges.get(number, (None, ""))[0]
            if outer in inside:
                inside.add(number)
            elif not _OF_MODEL.isdisjoint(self.nodes[number].children):
                found[number] = None
                inside.add(number)
        return list(found) or [0]

    def others(self, root: int) -> list[str]:
        """Return the edges of the first object to what the model is no part of, nor an optimizer.

        Args:
            root: the object that is the model; the first holds all.
        """
        if not root:
            return []
        own = (self.chain(root, {}) or "").partition("/")[0]
        held = self.nodes[0].children.items()
        return sorted(
            edge
            for edge, to in held
            if edge != own and self.edges.get(to) == (0, edge) and self.nodes[to].children
        )

    @property
    def configurations(self) -> Mapping[int, str]:
        """Key of the configuration of an object, where it was saved along."""
        return self._objects.configurations

    @cached_property
    def noted(self) -> dict[str, list[int]]:
        """The objects that hold variables, by the layer that the names of these name."""
        found: dict[str, dict[int, None]] = {}
        for number in self.keys:
            holder, owner = self.holder(number), self.nodes[number].name.split("/")[:-1]
            if holder is not None and owner:
                found.setdefault(owner[-1], {})[holder] = None
        return {name: list(holders) for name, holders in found.items()}

    def is_below(self, number: int, root: int) -> bool:
        """Whether an object is part of a model; of the first, all are.

        So may be what only an optimizer leads to: nothing tells whose it is.
        """
        if not root or number not in self.edges:
            return True
        while number != root and number in self.edges:
            number, _ = self.edges[number]
        return number == root

    def holder(self, number: int) -> int | None:
        """Return the object that holds a variable; None where only an optimizer leads to it."""
        return self.edges[number][0] if number in self.edges else None

    def role(self, number: int) -> str:
        """Return what a variable is called in its layer: by its own name, else by attribute."""
        _, edge = self.edges.get(number, (0, ""))
        name = self.nodes[number].role
        if not edge or edge.isdecimal() or not _UNTOLD.fullmatch(name):
            return name or edge or "variable"
        return edge.lstrip("_") or edge

    def fill(self, number: int, slot: Slot) -> int | None:
        """Return the variable that fills a slot of a layer."""
        holder = self._lookup.holder(number, slot)
        return None if holder is None else self._lookup.variable(holder, slot.role)


def numbered(key: str) -> list[tuple[int, str]]:
    """Order keys part by part, numbers by value."""
    parts = re.split(r"([0-9]{1,9})", key)
    return [(int(part) if at % 2 else 0, part) for at, part in enumerate(parts)]
