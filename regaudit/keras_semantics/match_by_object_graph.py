"""The join of Keras's layers with the variables of a SavedModel, by the graph of objects."""

import re
from collections import Counter
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from regaudit.keras_semantics.activity import Surroundings
from regaudit.keras_semantics.build import (
    inside_of,
    is_custom,
    make_layer,
    make_weight,
    not_stored,
    own_flag,
    weight_path,
)
from regaudit.keras_semantics.config_graph import Serialized, config_of, layers_of, name_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.held_layers import held_layers
from regaudit.keras_semantics.layer_table import MODELS, WRAPPED_OF_KERAS_2, Slot, all_slots
from regaudit.keras_semantics.object_graph import ObjectGraph, in_order
from regaudit.limits import enforce_limit
from regaudit.model import Layer, Skip, Weight
from regaudit.tensors.tensor import Tensor
from regaudit.tensors.tensorflow_checkpoint import OBJECT_GRAPH, VALUE, Checkpoint
from regaudit.tensors.tensorflow_objects import ObjectNode

KERAS_2 = Dialect((2, 15, 0))
"""Of a SavedModel that names no version: only Keras 2 writes its metadata."""

_NETWORKS = frozenset({"_tf_keras_sequential", "_tf_keras_network"})
"""Kinds whose layers are loaded one by one, each with its own flag."""
_THAWED = (
    "saved as frozen and trainable once loaded: {layers}; TensorFlow before 2.5 sets the flag of "
    "the whole model on every layer"
)
_NO_WEIGHT = re.compile(
    r"(^|/)(optimizer|save_counter|keras_api/metrics|_random_generator|\.OPTIMIZER_SLOT)/"
)
"""Keys of what training and its bookkeeping keep: not audited."""


class _Found(Struct):
    """A layer, its place, and the variables that are its own."""

    node: int
    serialized: Serialized
    path: str
    caller: str
    """Path of the graph node that calls it."""
    trainable: bool
    """Whether it and every layer around it are: then Keras 2 trains its weights."""
    around: Surroundings
    known: bool
    slots: tuple[Slot, ...] = ()
    filled: list[tuple[Slot, int]] = []


class ObjectJoin(Struct):
    """One walk through the object graph."""

    graph: ObjectGraph
    checkpoint: Checkpoint
    keys: Mapping[int, str]
    """Checkpoint key of a variable, by its node."""
    spreads_flag: bool = False
    """Whether a load sets the flag of the outermost model on all that is inside."""
    thawed: list[str] = []
    """Paths of layers saved as frozen that this makes trainable."""
    layers: list[Layer] = []
    found: list[_Found] = []
    visited: set[int] = set()
    claimed: set[int] = set()
    skipped: list[Skip] = []
    tensors: dict[str, Tensor] = {}

    def walk(self, dialect: Dialect) -> None:
        """Take in a model that Keras saved, and every variable of its checkpoint."""
        self.visit(0, "", "", trainable=True, depth=0, around=Surroundings())
        if self.thawed:
            more = f" and {len(self.thawed) - 1:,} more" if len(self.thawed) > 1 else ""
            self.skipped.append(Skip("(model)", _THAWED.format(layers=self.thawed[0] + more)))
        for found in self.found:
            self._fill(found)
        self.graph.opened.clear()
        inside = frozenset(self.graph.described.keys() - self.visited)
        for found in self.found:
            self._take_rest(found, inside)
        self.layers += [self._layer(f, dialect) for f in self.found if f.path or f.filled]
        self.sweep("no layer of the model has it: measured, but its role is unknown")

    def visit(
        self,
        number: int,
        prefix: str,
        caller: str,
        *,
        trainable: bool,
        depth: int,
        around: Surroundings,
        flag: bool | None = None,
    ) -> None:
        """Take in a layer, a wrapper or a model, with all that is inside it.

        Args:
            number: its node.
            prefix: path of what is around it, with a slash.
            caller: the graph node that calls it, if that is not the layer itself.
            trainable: whether everything around it is.
            depth: how many layers are around it.
            around: what these do with it.
            flag: the `trainable` that loading gives it in place of its own: a wrapper or a custom
                layer is made again from its configuration, and its flag then set on all inside;
                see also `spreads_flag`.
        """
        if number in self.visited:
            return
        enforce_limit("layer_depth", depth, "layers are nested deeper than {limit} levels")
        self.visited.add(number)
        serialized = self.graph.described[number]
        frozen = not own_flag(serialized)
        if flag is not None:
            serialized = {**serialized, "config": {**config_of(serialized), "trainable": flag}}
        path = f"{prefix}{name_of(serialized)}" if depth else ""
        class_name = str(serialized.get("class_name"))
        slots = None if is_custom(serialized) else all_slots(class_name, before_keras_3=True)
        trainable = trainable and own_flag(serialized)
        found = _Found(number, serialized, path, caller or path, trainable, around, known=True)
        self.found.append(found)
        of_config = (
            self.graph.nodes[number].identifier not in _NETWORKS and serialized["configured"]
        )
        if of_config or (self.spreads_flag and not depth):
            flag = own_flag(serialized)
        if self.spreads_flag and frozen and own_flag(serialized):
            self.thawed.append(path)
        if not layers_of(serialized) and depth:  # else the graph has its layers as nodes
            caller = caller or path
        children = self.graph.nodes[number].children
        attributes = in_order(children)
        if class_name in WRAPPED_OF_KERAS_2 and not is_custom(serialized):
            attributes = [name for name in WRAPPED_OF_KERAS_2[class_name] if name in children]
        elif slots is not None:
            config = config_of(serialized)
            found.slots = tuple(slot for slot in slots if slot.when(config))
            attributes = []
        elif class_name not in MODELS:
            found.known = False
        reached = [to for name in attributes for to in self.graph.reach(children[name])]
        for layer in dict.fromkeys(to for to in reached if to in self.graph.described):
            below = f"{path}/" if path else ""
            self.visit(
                layer,
                below,
                caller,
                trainable=trainable,
                depth=depth + 1,
                around=inside_of(serialized, around, KERAS_2),
                flag=flag,
            )

    def _fill(self, found: _Found) -> None:
        """Give the slots of a built-in layer their variables, by the names of the graph."""
        for wanted in found.slots:
            slot = wanted
            holder = self.graph.holder(found.node, slot)
            number = None if holder is None else self.graph.variable(holder, slot.role)
            cell = self.graph.described.get(holder) if holder is not None else None
            if slot.at == "cell" and cell is not None:  # `lstm_cell_2` up to TF 2.14
                slot = replace(slot, below=name_of(cell))
            if number is None:
                self.skipped.append(not_stored(found.path, slot))
            elif number not in self.claimed:
                self._claim(found, slot, number)

    def _take_rest(self, found: _Found, inside: frozenset[int]) -> None:
        """Give a layer the variables below it that are in no slot and in no layer of their own.

        Args:
            found: the layer.
            inside: layers that are only parts of others.
        """
        reached = dict.fromkeys(self.graph.reach(found.node, inside | {found.node}))
        rest = [to for to in reached if self.graph.nodes[to].variable and to not in self.claimed]
        taken = Counter(slot.role for slot, _ in found.filled if not slot.below)
        for number in rest:  # a role may come again: a mask for each pruned weight
            node = self.graph.nodes[number]
            role = node.role or "variable"
            taken[role] += 1
            numbered = f"{role}_{taken[role] - 1}" if taken[role] > 1 else role
            self._claim(found, Slot(numbered, trainable=node.trainable), number)
        if rest and not found.known:
            reason = "custom layer: measured, but the regularizers of its weights are unknown"
            self.skipped.append(Skip(found.path or "(model)", reason))
        config = config_of(found.serialized)
        # What these regularize may lie in parts of it that only its code knows.
        keys = [key for key in config if key.endswith("_regularizer") and config[key] is not None]
        found.known = found.known or not (found.filled or keys)

    def _claim(self, found: _Found, slot: Slot, number: int) -> None:
        """Note a variable as a layer's own, unless there is nothing to measure."""
        self.claimed.add(number)
        if number not in self.keys:
            where = weight_path(found.path, slot)
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
                trainable=found.trainable and self.graph.nodes[number].trainable,
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
            inside=self._inside(found),
            around=found.around,
        )

    def _inside(self, found: _Found) -> list[Serialized]:
        """Return the layers in the configuration of a layer that are layers of the graph, too."""
        if found.known:
            return []
        names = {name_of(one.serialized) for one in self.found if one.caller == found.caller}
        return [
            layer
            for held in held_layers(found.serialized, before_keras_3=True)
            for layer in held.layers
            if name_of(layer) in names
        ]

    def sweep(self, reason: str) -> None:
        """Take in the variables that no layer has claimed, named as they name themselves."""
        owners = {
            key: self.graph.nodes[to] for to, key in self.keys.items() if to in self.graph.nodes
        }
        weights: dict[str, list[Weight]] = {}
        listed: set[tuple[str, int, int]] = set()
        taken: set[str] = set()
        skipped = {skip.path for skip in self.skipped}
        training = self.graph.of_training()
        apart = {key for to, key in self.keys.items() if to in training}
        for key, entry in sorted(self.checkpoint.entries.items(), key=_by_number):
            node = owners.get(key, ObjectNode())
            name = node.name or key.removesuffix(VALUE)
            if node.is_seed or key in self.tensors or key in skipped or key in apart:
                continue
            if _is_no_weight(key, name):
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
                dialect=KERAS_2,
            )
            weight = replace(weight, trainable_known=key in owners)
            weights.setdefault(path, []).append(weight)
        if reason:
            self.skipped.extend(Skip(path or "(model)", reason) for path in weights)
        self.layers += [
            Layer(path, path.rpartition("/")[2], "", {}, True, False, tuple(own), node=path)
            for path, own in weights.items()
        ]

    @property
    def paths(self) -> dict[int, str]:
        """The paths of the models inside the model, by node."""
        kinds = {"_tf_keras_model", *_NETWORKS}
        nodes = self.graph.nodes
        return {f.node: f.path for f in self.found if f.path and nodes[f.node].identifier in kinds}

    def iterations(self) -> int | None:
        """The optimizer counts its steps in a variable."""
        for attribute in ("iter", "_iterations"):
            key = f"optimizer/{attribute}{VALUE}"
            if key in self.checkpoint.entries and self.checkpoint.unfit(key) is None:
                counter = self.checkpoint.tensor(key)
                if counter.shape == () and counter.dtype.kind in "iu":
                    return int(next(counter.blocks())[0])
        return None


def _is_no_weight(key: str, name: str) -> bool:
    """Whether a tensor is the optimizer's, a metric's, a seed's, or not a variable."""
    attribute = "/.ATTRIBUTES/" in key and not key.endswith(VALUE)  # tables, configurations
    seed = name.endswith("seed_generator_state")
    return attribute or seed or key == OBJECT_GRAPH or bool(_NO_WEIGHT.search(key))


def _by_number(item: tuple[str, object]) -> tuple[bool, list[tuple[int, str]]]:
    """Order keys part by part, numbers by value; `_all_variables`, which are copies, come last."""
    parts = item[0].split("/")
    numbers = [int(part) if re.fullmatch(r"[0-9]{1,9}", part) else 1 << 31 for part in parts]
    return item[0].startswith("_"), list(zip(numbers, parts, strict=True))
