"""The graph of objects in a TensorFlow checkpoint; those of TensorFlow 1 know names alone."""

from msgspec import Struct

from regaudit.errors import UnreadableModelError
from regaudit.limits import enforce_limit
from regaudit.tensors.protobuf import Message
from regaudit.tensors.tensorflow_checkpoint import OBJECT_GRAPH, Checkpoint
from regaudit.tensors.tensorflow_objects import ObjectNode


class TrackedObjects(Struct):
    """Objects by number; the first is what was saved: a model, or what holds models."""

    nodes: dict[int, ObjectNode] = {}
    keys: dict[int, str] = {}
    """Key of the values of each variable."""
    slots: set[int] = set()
    """Variables that optimizers keep for others."""
    with_slots: set[int] = set()
    """These optimizers."""
    configurations: dict[int, str] = {}
    """Key of the configuration of an object, which TensorFlow up to 1.13 saved along."""


def read_tracked(checkpoint: Checkpoint) -> TrackedObjects | None:
    """Read the graph of objects; None for a checkpoint without one.

    Raises:
        UnreadableModelError: it is damaged.
        UnsafeFileError: it is larger than any.
    """
    if OBJECT_GRAPH not in checkpoint.entries:
        return None
    found = TrackedObjects()
    edges = 0
    for number, message in enumerate(Message.of(checkpoint.text(OBJECT_GRAPH)).messages(1)):
        node = found.nodes[number] = ObjectNode()
        for child in message.messages(1):
            node.children[child.text(2)] = child.integer(1)
        for attribute in message.messages(2):
            _take_attribute(found, number, attribute, checkpoint)
        for slot in message.messages(3):
            found.slots.add(slot.integer(3))
            found.with_slots.add(number)
        edges += len(message.values.get(1, ())) + len(message.values.get(3, ()))
        enforce_limit("objects", edges, "the object graph has more than {limit} edges")
    reached = {to for node in found.nodes.values() for to in node.children.values()}
    if not (reached | found.slots) <= found.nodes.keys():
        raise UnreadableModelError("the object graph refers to objects that it does not have")
    return found


def _take_attribute(
    found: TrackedObjects, number: int, attribute: Message, checkpoint: Checkpoint
) -> None:
    """Note what the checkpoint holds of an object itself."""
    name, key = attribute.text(1), attribute.text(3)
    if key not in checkpoint.entries:
        return
    if name == "VARIABLE_VALUE":
        node = found.nodes[number]
        node.variable, node.name = True, attribute.text(2).removesuffix(":0")
        found.keys[number] = key
    elif name == "OBJECT_CONFIG_JSON":
        found.configurations[number] = key
