"""TensorFlow's graph of objects in a SavedModel: what holds what under which name.

Keras's own description of each layer stands in the graph up to TensorFlow 2.4, later next to it.
"""

from msgspec import Struct

from regaudit.errors import UnreadableModelError
from regaudit.limits import enforce_limit
from regaudit.tensors.protobuf import Message

METRIC = "_tf_keras_metric"
OPTIMIZERS = frozenset({"experimentalOptimizer", "optimizer"})
"""Kinds of optimizers, since TensorFlow 2.11 and before."""
OF_TRAINING = OPTIMIZERS | {METRIC}
"""Kinds of objects whose variables are no weights."""
NO_LAYERS = frozenset(
    {
        "keras_api",
        "non_trainable_variables",
        "optimizer",
        "regularization_losses",
        "save_counter",
        "signatures",
        "trainable_variables",
        "variables",
        "_random_generator",
    }
)
"""Children that lead to variables of a layer by other ways, or to what is not a weight."""

_SEEDS = frozenset({"StateVar", "seed_generator_state"})
"""Names of the state of random number generators: TensorFlow's, and Keras 3's."""


class ObjectNode(Struct):
    """One object of the graph."""

    children: dict[str, int] = {}
    identifier: str = ""
    """What kind of object: `_tf_keras_layer`, `trackable_list_wrapper`, ..."""
    metadata: bytes = b""
    variable: bool = False
    name: str = ""
    """Of a variable: Keras's own, such as `dense/kernel`."""
    trainable: bool = True
    """Of a variable, whatever the layers around it say."""

    @property
    def is_seed(self) -> bool:
        """Whether it is the state of a generator of random numbers, not a weight."""
        return self.variable and self.role in _SEEDS

    @property
    def role(self) -> str:
        """The last part of a variable's name."""
        return self.name.rpartition("/")[2]


def read_objects(saved: Message) -> tuple[dict[int, ObjectNode], str]:
    """Read the object graph and the version of TensorFlow out of a SavedModel message."""
    nodes: dict[int, ObjectNode] = {}
    meta = next(saved.messages(2), None)
    if meta is None:
        raise UnreadableModelError(
            "saved_model.pb has no object graph: it is damaged or not a SavedModel"
        )
    children = 0
    objects = next(meta.messages(7), Message())
    for number, message in enumerate(objects.messages(1)):
        node = nodes[number] = ObjectNode()
        for child in message.messages(1):
            node.children[child.text(2)] = child.integer(1)
        children += len(node.children)
        enforce_limit("objects", children, "the object graph has more than {limit} edges")
        for user in message.messages(4):
            node.identifier, node.metadata = user.text(1), bytes(user.raw(3))
        for variable in message.messages(7):
            node.variable, node.trainable = True, bool(variable.integer(3))
            node.name = variable.text(6).removesuffix(":0")
    if any(to not in nodes for node in nodes.values() for to in node.children.values()):
        raise UnreadableModelError("the object graph refers to objects that it does not have")
    info = next(meta.messages(1), Message())
    return nodes, info.text(5)


def read_metadata(raw: bytes) -> dict[int, bytes]:
    """Read `keras_metadata.pb`: JSON by node."""
    return {node.integer(2): bytes(node.raw(5)) for node in Message.of(raw).messages(1)}
