"""The graph of objects of a SavedModel: which layers and variables are reached from an object.

Which layers a layer holds is asked of this graph, not of the configuration as elsewhere (see
`held_layers`): layers are shared in it, and subclassed models have no configuration at all.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.layer_table import Slot
from regaudit.tensors.tensorflow_objects import NO_LAYERS, OF_TRAINING, OPTIMIZERS, ObjectNode


class ObjectGraph(Struct):
    """The objects of a model."""

    nodes: Mapping[int, ObjectNode]
    described: Mapping[int, Serialized]
    """Keras's description of a layer, by its node."""
    opened: set[int] = set()
    """Objects whose children have been looked at."""
    names: dict[int, dict[str, int]] = {}
    """Variables of an object by their own names, which Normalization's attributes are not."""

    def reach(self, start: int, beyond: frozenset[int] = frozenset()) -> Iterator[int]:
        """Yield the layers and variables from an object on, not going through layers.

        Lists and other objects in between are opened once; a second visit finds nothing new.

        Args:
            start: node of the object.
            beyond: layers to go through all the same.
        """
        waiting = [start]
        while waiting:
            number = waiting.pop()
            node = self.nodes[number]
            if number in self.described or (node.variable and not node.is_seed):
                yield number
            opaque = number in self.described and number not in beyond
            if not opaque and number not in self.opened and node.identifier not in OF_TRAINING:
                self.opened.add(number)
                inner = [to for name, to in node.children.items() if name not in NO_LAYERS]
                waiting.extend(reversed(inner))

    def has_other_optimizers(self) -> bool:
        """Whether an object has an optimizer that is not the one of a compiled model."""
        held = {to for at in self.described for to in self._optimizer(at)}
        found = {number for number, node in self.nodes.items() if node.identifier in OPTIMIZERS}
        inside = {to for number in found for to in self.nodes[number].children.values()}
        return bool(found - held - inside)

    def has_optimizer(self, number: int) -> bool:
        """Whether a model was compiled."""
        return bool(self._optimizer(number))

    def _optimizer(self, number: int) -> list[int]:
        to = self.nodes[number].children.get("optimizer")
        return [to] if to is not None and self.nodes[to].identifier in OPTIMIZERS else []

    def of_training(self) -> set[int]:
        """Return the objects that optimizers and metrics hold, whatever holds these."""
        waiting = [number for number, node in self.nodes.items() if node.identifier in OF_TRAINING]
        found: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting.extend(self.nodes[number].children.values())
        return found

    def holder(self, number: int, slot: Slot) -> int | None:
        """Return the object whose variable fills a slot: the layer, its cell or a sublayer."""
        children = self.nodes[number].children
        if not slot.at or ("cell" not in children and slot.at == "cell"):
            return number
        return children.get(slot.at, children.get(f"_{slot.at}"))

    def variable(self, holder: int, role: str) -> int | None:
        """Return the variable that an object holds in a role, by attribute or by its own name."""
        own = self.nodes[holder].children
        if holder not in self.names:
            self.names[holder] = {self.nodes[to].role: to for to in own.values()}
        for number in (own.get(role), self.names[holder].get(role)):
            if number is not None and self.nodes[number].variable:
                return number
        return None


def in_order(children: Mapping[str, int]) -> list[str]:
    """Return the attributes that may hold layers: those of a model in its order, then others."""
    numbered = [name for name in children if re.fullmatch(r"layer-[0-9]{1,9}", name)]
    numbered.sort(key=lambda name: int(name[6:]))
    return [*numbered, *(name for name in children if name not in NO_LAYERS)]
