"""TensorFlow's SavedModel: a directory of object graph, Keras metadata and checkpoint.

`saved_model.pb` holds the graph of objects: which layer holds which variable under which name.
Keras's own description of each layer, regularizers included, stands in `keras_metadata.pb`, and
up to TensorFlow 2.4 in the graph itself. The values lie in the checkpoint below `variables`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from regaudit.checkpoint import OBJECT_GRAPH, VALUE, Checkpoint, read_checkpoint
from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.format import Artifact, Format
from regaudit.keras_config import parse_json
from regaudit.keras_dialect import Dialect
from regaudit.keras_graph import Serialized, config_of, graph, layers_of, name_of
from regaudit.keras_layers import LAYERS, MODELS, WRAPPED, Slot
from regaudit.keras_weights import class_name_of, is_custom, make_layer, make_weight, own_flag
from regaudit.limits import GRAPH_BYTES, JSON_BYTES, LAYER_DEPTH, OBJECTS
from regaudit.model import Layer, Model, Optimizer, Skip, Weight
from regaudit.protobuf import Message
from regaudit.tensor import Tensor

GRAPH = "saved_model.pb"
METADATA = "keras_metadata.pb"
NO_KERAS = (
    "no Keras configuration in this SavedModel (Keras 3 export(), or not saved by Keras): "
    "regularizers are unknown"
)
METRIC = "_tf_keras_metric"
KERAS_2 = (2, 15, 0)
"""The dialect of a SavedModel that names no version: only Keras 2 writes its metadata."""

_ALIASES: Mapping[str, str] = {
    "ConvLSTMCell": "LSTMCell",
    "CuDNNGRU": "GRUCell",
    "CuDNNLSTM": "LSTMCell",
    "LocallyConnected1D": "Dense",
    "LocallyConnected2D": "Dense",
    "SyncBatchNormalization": "BatchNormalization",
}
"""Layers of Keras 2 alone, with the layer of the same variables and keys."""

_BOOKKEEPING = frozenset(
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
"""Children that lead to variables of a layer by other ways, or to what is no weight."""
_NETWORKS = frozenset({"_tf_keras_sequential", "_tf_keras_network"})
"""Kinds whose layers are loaded one by one, each with its own flag."""
_NO_WEIGHT = re.compile(
    r"(^|/)(optimizer|save_counter|keras_api/metrics|_random_generator|\.OPTIMIZER_SLOT)/"
)
"""Keys of what training and its bookkeeping keep: not audited."""


class SavedModel(Format):
    """Layers are tied to variables by the names of the object graph, as Keras does it."""

    name: ClassVar[str] = "saved_model"
    why_not: ClassVar[str] = (
        "a SavedModel runs the graph in it, not the configuration: an edit would do "
        "nothing; save the model as .keras"
    )

    def sniff(self, file: Path) -> bool:
        return (file.is_dir() or file.name == GRAPH) and (_folder(file) / GRAPH).is_file()

    @contextmanager
    def read(self, file: Path) -> Iterator[Artifact]:
        folder = _folder(file)
        saved = Message.of(_content(folder / GRAPH, GRAPH_BYTES))
        nodes, tensorflow = _graph(saved)
        metadata = {number: node.metadata for number, node in nodes.items() if node.metadata}
        if (folder / METADATA).is_file():
            metadata = _metadata(_content(folder / METADATA, JSON_BYTES))
        described = {
            number: _serialized(parse_json(raw, "the Keras metadata of a layer"))
            for number, raw in metadata.items()
            if nodes.get(number, _Node()).identifier.startswith("_tf_keras_")
            and nodes[number].identifier != METRIC
        }
        checkpoint = read_checkpoint(folder / "variables" / "variables")
        walk = _Walk(nodes, described, checkpoint, checkpoint.variables())
        if 0 not in described:
            yield walk.without_keras()
            return
        root = parse_json(metadata[0], "the Keras metadata of the model")
        yield walk.artifact(described[0], root, tensorflow)


@dataclass(slots=True)
class _Node:
    """One object of the graph."""

    children: dict[str, int] = field(default_factory=dict)
    identifier: str = ""
    """What kind of object: `_tf_keras_layer`, `trackable_list_wrapper`, ..."""
    metadata: bytes = b""
    variable: bool = False
    name: str = ""
    """Of a variable: Keras's own, such as `dense/kernel`."""
    trainable: bool = True
    """Of a variable, whatever the layers around it say."""

    @property
    def role(self) -> str:
        """The last part of a variable's name."""
        return self.name.rpartition("/")[2]


@dataclass(slots=True)
class _Found:
    """A layer, its place, and the variables that are its own."""

    node: int
    serialized: Serialized
    path: str
    caller: str
    """Path of the graph node that calls it."""
    trainable: bool
    """Whether it and every layer around it are: then Keras 2 trains its weights."""
    known: bool
    slots: tuple[Slot, ...] = ()
    filled: list[tuple[Slot, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """One walk through the object graph."""

    nodes: Mapping[int, _Node]
    described: Mapping[int, Serialized]
    """Keras's description of a layer, by its node."""
    checkpoint: Checkpoint
    keys: Mapping[int, str]
    """Checkpoint key of a variable, by its node."""
    found: list[_Found] = field(default_factory=list)
    visited: set[int] = field(default_factory=set)
    claimed: set[int] = field(default_factory=set)
    skipped: list[Skip] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    opened: set[int] = field(default_factory=set)
    """Objects whose children have been looked at."""
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    """Variables of an object by their own names, which Normalization's attributes are not."""

    def artifact(self, serialized: Serialized, root: Serialized, tensorflow: str) -> Artifact:
        """Describe a model that Keras saved.

        Args:
            serialized: the model as a layer.
            root: the whole metadata of the model.
            tensorflow: version of the TensorFlow that wrote the file.
        """
        version = root.get("keras_version")
        if not isinstance(version, str):  # tf.keras numbers itself like this
            version = f"{tensorflow}-tf" if re.match(r"[12]\.\d", tensorflow) else None
        dialect = Dialect.of(version, default=KERAS_2)
        self.visit(0, "", "", trainable=True, depth=0)
        for found in self.found:
            self._fill(found)
        self.opened.clear()
        inside = frozenset(self.described.keys() - self.visited)
        for found in self.found:
            self._take_rest(found, inside)
        layers = [self._layer(found, dialect) for found in self.found if found.path or found.filled]
        layers += self._unattributed("no layer of the model claims it: measured, roles not known")
        training = root.get("training_config")
        training = training if isinstance(training, Mapping) else {}
        try:
            nodes, outputs = graph(serialized)
        except RecursionError as error:
            raise UnsafeFileError(f"layers are nested more than {LAYER_DEPTH} deep") from error
        model = Model(
            name=name_of(serialized),
            class_name=class_name_of(serialized),
            layers=tuple(layers),
            keras_version=version or ".".join(map(str, KERAS_2)),
            optimizer=self._optimizer(training.get("optimizer_config")),
            loss=training.get("loss"),
            loss_weights=training.get("loss_weights"),
            nodes=nodes,
            outputs=outputs,
        )
        return Artifact(model, self.tensors, tuple(self.skipped))

    def without_keras(self) -> Artifact:
        """Describe what Keras 3 exported, or something else than Keras saved."""
        self.skipped.append(Skip("(model)", NO_KERAS))
        model = Model(name="", class_name="", layers=tuple(self._unattributed("")))
        return Artifact(model, self.tensors, tuple(self.skipped))

    def visit(
        self,
        number: int,
        prefix: str,
        caller: str,
        *,
        trainable: bool,
        depth: int,
        flag: bool | None = None,
    ) -> None:
        """Take in a layer, a wrapper or a model, with all that is inside it.

        Args:
            number: its node.
            prefix: path of what is around it, with a slash.
            caller: the graph node that calls it, if that is not the layer itself.
            trainable: whether everything around it is.
            depth: how many layers are around it.
            flag: the `trainable` that loading gives it in place of its own: a wrapper or a custom
                layer is made anew from its configuration, and its flag then set on all inside.
        """
        if number in self.visited:
            return
        if depth > LAYER_DEPTH:
            raise UnsafeFileError(f"layers are nested more than {LAYER_DEPTH} deep")
        self.visited.add(number)
        serialized = self.described[number]
        if flag is not None:
            serialized = {**serialized, "config": {**config_of(serialized), "trainable": flag}}
        path = f"{prefix}{name_of(serialized)}" if depth else ""
        class_name = str(serialized.get("class_name"))
        class_name = _ALIASES.get(class_name, class_name)
        trainable = trainable and own_flag(serialized)
        found = _Found(number, serialized, path, caller or path, trainable, known=True)
        self.found.append(found)
        if self.nodes[number].identifier not in _NETWORKS and serialized["configured"]:
            flag = own_flag(serialized)
        if not layers_of(serialized) and depth:  # else the graph has its layers as nodes
            caller = caller or path
        children = self.nodes[number].children
        attributes = _in_order(children)
        if class_name in WRAPPED and not is_custom(serialized):
            attributes = [name for name in WRAPPED[class_name] if name in children]
        elif class_name in LAYERS and not is_custom(serialized):
            config = config_of(serialized)
            found.slots = tuple(slot for slot in LAYERS[class_name] if slot.when(config))
            attributes = []
        elif class_name not in MODELS:
            found.known = False
        reached = [to for name in attributes for to in self._reach(children[name])]
        for layer in dict.fromkeys(to for to in reached if to in self.described):
            below = f"{path}/" if path else ""
            self.visit(layer, below, caller, trainable=trainable, depth=depth + 1, flag=flag)

    def _reach(self, start: int, beyond: frozenset[int] = frozenset()) -> Iterator[int]:
        """Yield the layers and variables from an object on, not going through layers.

        Lists and other objects between are opened once: whoever comes second finds nothing new.

        Args:
            start: node of the object.
            beyond: layers to go through all the same.
        """
        waiting = [start]
        while waiting:
            number = waiting.pop()
            node = self.nodes[number]
            if number in self.described or node.variable:
                yield number
            opaque = number in self.described and number not in beyond
            if not opaque and number not in self.opened and node.identifier != METRIC:
                self.opened.add(number)
                inner = [to for name, to in node.children.items() if name not in _BOOKKEEPING]
                waiting.extend(reversed(inner))

    def _fill(self, found: _Found) -> None:
        """Give the slots of a built-in layer their variables, by the names of the graph."""
        for slot in found.slots:
            number, holder = None, self._holder(found.node, slot)
            if holder is not None:
                number, slot = self._variable(holder, slot)  # noqa: PLW2901 - Keras 2's name
                if slot.at == "cell" and holder in self.described:  # `lstm_cell_2` up to TF 2.14
                    slot = replace(slot, below=name_of(self.described[holder]))  # noqa: PLW2901
            where = "/".join(filter(None, (found.path, slot.below, slot.role)))
            if number is None:
                reason = "not stored in this file (the layer was not built, or shares its weights)"
                self.skipped.append(Skip(where, reason))
            elif number not in self.claimed:
                self._claim(found, slot, number)

    def _holder(self, number: int, slot: Slot) -> int | None:
        """Return the object whose variable fills a slot: the layer, its cell or a sublayer."""
        children = self.nodes[number].children
        if not slot.at or ("cell" not in children and slot.at == "cell"):
            return number
        return children.get(slot.at, children.get(f"_{slot.at}"))

    def _variable(self, holder: int, slot: Slot) -> tuple[int | None, Slot]:
        """Return the variable of a slot, and the slot under the name Keras 2 gives it."""
        own = self.nodes[holder].children
        if holder not in self.names:
            self.names[holder] = {self.nodes[to].role: to for to in own.values()}
        roles = [slot.role]
        if slot.regularizer_key == "depthwise_regularizer" and slot.role == "kernel":
            roles.insert(0, "depthwise_kernel")
        for role in roles:
            for number in (own.get(role), self.names[holder].get(role)):
                if number is not None and self.nodes[number].variable:
                    return number, replace(slot, role=role)
        return None, slot

    def _take_rest(self, found: _Found, inside: frozenset[int]) -> None:
        """Give a layer the variables below it that are in no slot and in no layer of their own.

        Args:
            found: the layer.
            inside: layers that are only parts of others.
        """
        reached = dict.fromkeys(self._reach(found.node, inside | {found.node}))
        rest = [to for to in reached if self.nodes[to].variable and to not in self.claimed]
        for number in rest:
            node = self.nodes[number]
            slot = Slot(node.role or "variable", trainable=node.trainable)
            self._claim(found, slot, number)
        if rest and not found.known:
            reason = "custom layer: measured, but the regularizers of its weights are not known"
            self.skipped.append(Skip(found.path or "(model)", reason))
        found.known = found.known or not found.filled

    def _claim(self, found: _Found, slot: Slot, number: int) -> None:
        """Note a variable as a layer's own, unless there is nothing to measure."""
        self.claimed.add(number)
        if number not in self.keys:
            where = "/".join(filter(None, (found.path, slot.below, slot.role)))
            self.skipped.append(Skip(where, "its values are not in the checkpoint"))
        elif self._take(self.keys[number]):
            found.filled.append((slot, number))

    def _take(self, key: str) -> bool:
        """Note where values lie, or why they cannot be measured."""
        reason = self.checkpoint.unfit(key)
        if reason:
            self.skipped.append(Skip(key, reason))
            return False
        self.tensors[key] = self.checkpoint.tensor(key)
        return True

    def _layer(self, found: _Found, dialect: Dialect) -> Layer:
        """Make the layer out of what was found."""
        weights = tuple(
            make_weight(
                slot,
                self.tensors[self.keys[number]],
                found.path,
                self.keys[number],
                config_of(found.serialized),
                trainable=found.trainable and self.nodes[number].trainable,
                dialect=dialect,
            )
            for slot, number in found.filled
        )
        return make_layer(
            found.serialized,
            found.path,
            weights,
            dialect=dialect,
            slots=found.slots,
            known=found.known,
            node=found.caller,
        )

    def _unattributed(self, reason: str) -> list[Layer]:
        """Make layers of the variables that no layer has claimed, named as they name themselves."""
        owners = {key: self.nodes[to] for to, key in self.keys.items() if to in self.nodes}
        weights: dict[str, list[Weight]] = {}
        listed: set[tuple[str, int, int]] = set()
        taken: set[str] = set()
        skipped = {skip.path for skip in self.skipped}
        for key, entry in sorted(self.checkpoint.entries.items(), key=_by_number):
            node = owners.get(key, _Node())
            name = node.name or key.removesuffix(VALUE)
            if key in self.tensors or key in skipped or _is_no_weight(key, name):
                continue
            copy = (name, entry.size, entry.checksum)  # Keras 3 exports everything twice
            if (key.startswith("_all_variables/") and copy in listed) or not self._take(key):
                continue
            listed.add(copy)
            path, _, role = (key.removesuffix(VALUE) if name in taken else name).rpartition("/")
            taken.add(name)
            weight = make_weight(
                Slot(role, trainable=node.trainable),
                self.tensors[key],
                path,
                key,
                {},
                trainable=True,
                dialect=Dialect(KERAS_2),
            )
            weights.setdefault(path, []).append(weight)
        if reason:
            self.skipped.extend(Skip(path or "(model)", reason) for path in weights)
        return [
            Layer(path, path.rpartition("/")[2], "", {}, True, False, tuple(own), node=path)
            for path, own in weights.items()
        ]

    def _optimizer(self, serialized: object) -> Optimizer | None:
        if not isinstance(serialized, Mapping):
            return None
        config = config_of(serialized)
        inner = config.get("inner_optimizer")
        if isinstance(inner, Mapping):  # LossScaleOptimizer only wraps the one that trains
            serialized, config = inner, config_of(inner)
        class_name = str(serialized.get("class_name", "")).removeprefix("Custom>")
        return Optimizer(class_name, config, self._iterations())

    def _iterations(self) -> int | None:
        """The optimizer counts its steps in a variable."""
        for attribute in ("iter", "_iterations"):
            key = f"optimizer/{attribute}{VALUE}"
            if key in self.checkpoint.entries and self.checkpoint.unfit(key) is None:
                counter = self.checkpoint.tensor(key)
                if counter.shape == () and counter.dtype.kind in "iu":
                    return int(next(counter.blocks())[0])
        return None


def _is_no_weight(key: str, name: str) -> bool:
    """Whether a tensor is the optimizer's, a metric's, a seed's, or beside the variables."""
    beside = "/.ATTRIBUTES/" in key and not key.endswith(VALUE)  # tables, configurations
    seed = name.endswith("seed_generator_state")
    return beside or seed or key == OBJECT_GRAPH or bool(_NO_WEIGHT.search(key))


def _in_order(children: Mapping[str, int]) -> list[str]:
    """Return the attributes that may hold layers: those of a model in its order, then others."""
    numbered = [name for name in children if re.fullmatch(r"layer-[0-9]{1,9}", name)]
    numbered.sort(key=lambda name: int(name[6:]))
    return [*numbered, *(name for name in children if name not in _BOOKKEEPING)]


def _folder(file: Path) -> Path:
    return file if file.is_dir() else file.parent


def _content(file: Path, limit: int) -> bytes:
    if file.stat().st_size > limit:
        raise UnsafeFileError(f"{file.name} is larger than {limit:,} bytes")
    return file.read_bytes()


def _graph(saved: Message) -> tuple[dict[int, _Node], str]:
    """Read the object graph and the version of TensorFlow out of a SavedModel message."""
    nodes: dict[int, _Node] = {}
    meta = next(saved.messages(2), None)
    if meta is None:
        raise UnreadableModelError(f"{GRAPH} holds no model: it is damaged or not a SavedModel")
    children = 0
    objects = next(meta.messages(7), Message())
    for number, message in enumerate(objects.messages(1)):
        node = nodes[number] = _Node()
        for child in message.messages(1):
            node.children[child.text(2)] = child.integer(1)
        children += len(node.children)
        if children > OBJECTS:
            raise UnsafeFileError(f"the object graph has more than {OBJECTS:,} edges")
        for user in message.messages(4):
            node.identifier, node.metadata = user.text(1), bytes(user.raw(3))
        for variable in message.messages(7):
            node.variable, node.trainable = True, bool(variable.integer(3))
            node.name = variable.text(6).removesuffix(":0")
    if any(to not in nodes for node in nodes.values() for to in node.children.values()):
        raise UnreadableModelError("the object graph refers to objects that it does not hold")
    info = next(meta.messages(1), Message())
    return nodes, info.text(5)


def _metadata(raw: bytes) -> dict[int, bytes]:
    """Read `keras_metadata.pb`: JSON by node."""
    return {node.integer(2): bytes(node.raw(5)) for node in Message.of(raw).messages(1)}


def _serialized(metadata: Serialized) -> Serialized:
    """Spell the metadata of a layer as Keras spells layers elsewhere."""
    class_name = str(metadata.get("class_name", ""))
    config = dict(config_of(metadata))
    config.setdefault("name", metadata.get("name"))
    config["trainable"] = bool(metadata.get("trainable", config.get("trainable", True)))
    registered = {"registered_name": class_name} if ">" in class_name else {}
    configured = bool(config_of(metadata))  # a subclassed model need not have a configuration
    return {"class_name": class_name, "config": config, "configured": configured, **registered}


def _by_number(item: tuple[str, object]) -> tuple[bool, list[tuple[int, str]]]:
    """Order keys part by part, numbers by value; `_all_variables`, which are copies, come last."""
    parts = item[0].split("/")
    numbers = [int(part) if re.fullmatch(r"[0-9]{1,9}", part) else 1 << 31 for part in parts]
    return item[0].startswith("_"), list(zip(numbers, parts, strict=True))
