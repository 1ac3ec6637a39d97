"""Keras's JSON and the stored tensors joined into a model: layers, weights and regularizers.

The join follows Keras's own path rule: below `layers`, a layer's group is named by its class and a
counter, not by its name; elsewhere it is the attribute that holds it. Groups that carry a
layer's name (Keras 3.6 and later) confirm it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.keras_graph import Serialized, config_of, graph, layers_of, name_of
from regaudit.keras_layers import LAYERS, MODELS, PYTHON_NAMES, WRAPPED, Slot, quantized
from regaudit.keras_regularizers import parse_regularizer
from regaudit.limits import JSON_BYTES, LAYER_DEPTH
from regaudit.model import Layer, Model, Optimizer, Regularizer, Skip, Status, Weight
from regaudit.tensor import Tensor, TensorGroup


@dataclass(frozen=True, slots=True)
class Description:
    """A model and where the values of its weights lie."""

    model: Model
    tensors: Mapping[str, Tensor]
    """By `Weight.stored_path`."""
    skipped: tuple[Skip, ...]


def parse_json(raw: bytes, member: str) -> Serialized:
    """Parse one of Keras's JSON files.

    Raises:
        UnreadableModelError: it is not a JSON object.
        UnsafeFileError: it is larger or nested deeper than any model.
    """
    if len(raw) > JSON_BYTES:
        raise UnsafeFileError(f"{member} is larger than {JSON_BYTES:,} bytes")
    try:
        value = json.loads(raw)
    except RecursionError as error:
        raise UnsafeFileError(f"{member} is nested too deeply") from error
    except ValueError as error:
        raise UnreadableModelError(f"{member} is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise UnreadableModelError(f"{member} is not a JSON object")
    return value


def describe(config: Serialized, metadata: Serialized, stored: TensorGroup) -> Description:
    """Join a Keras 3 configuration with the tensors of its weights file.

    Args:
        config: the root of `config.json`.
        metadata: `metadata.json`; empty where there is none.
        stored: the root group of the weights file.

    Raises:
        UnreadableModelError: the configuration is not that of a model.
        UnsafeFileError: models are nested too deeply.
    """
    if not isinstance(config.get("class_name"), str):
        raise UnreadableModelError("config.json holds no Keras model: it names no class")
    join = _Join(root_frozen=_freezes_all(config))
    join.visit(config, _Place(stored=stored, root=True))
    join.sweep(stored)
    nodes, outputs = graph(config)
    compiled = config.get("compile_config")
    compiled = compiled if isinstance(compiled, Mapping) else {}
    model = Model(
        name=name_of(config),
        class_name=_class_name(config),
        layers=tuple(join.layers),
        keras_version=_text(metadata.get("keras_version")),
        saved_at=_text(metadata.get("date_saved")),
        optimizer=_optimizer(compiled.get("optimizer"), stored),
        loss=compiled.get("loss"),
        nodes=nodes,
        outputs=outputs,
    )
    return Description(model, join.tensors, tuple(join.skipped))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the model and in the weights file a layer stands."""

    prefix: str = ""
    """Path of the layer around it, with a slash; empty below the model."""
    stored: TensorGroup | None = None
    stored_path: str = ""
    node: str = ""
    """The graph node the layer belongs to, if that is not the layer itself."""
    root: bool = False
    depth: int = 0

    def below(self, path: str, key: str, node: str = "") -> "_Place":
        """Return the place of what the layer at `path` holds in attribute `key`."""
        group = self.stored.groups.get(key) if self.stored else None
        stored_path = f"{self.stored_path}/{key}" if self.stored_path else key
        prefix = f"{path}/" if path else ""
        return _Place(prefix, group, stored_path, node, depth=self.depth + 1)

    def below_container(self, key: str) -> "_Place":
        """Return the place of one member of a list of layers: its path skips the list."""
        group = self.stored.groups.get(key) if self.stored else None
        stored_path = f"{self.stored_path}/{key}"
        return _Place(self.prefix, group, stored_path, self.node, depth=self.depth)


@dataclass(slots=True)
class _Join:
    """One walk through a configuration beside the tree of tensors."""

    root_frozen: bool
    layers: list[Layer] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    skipped: list[Skip] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """Stored path of a group -> path of the layer it belongs to."""

    def visit(self, serialized: Serialized, place: _Place) -> None:
        """Take in a layer, a wrapper or a model, with all that is inside it."""
        if place.depth > LAYER_DEPTH:
            raise UnsafeFileError(f"layers are nested more than {LAYER_DEPTH} deep")
        path = "" if place.root else place.prefix + name_of(serialized)
        self.owners.setdefault(place.stored_path, path)
        class_name = str(serialized.get("class_name"))
        if layers_of(serialized) or (class_name in MODELS and not _is_custom(serialized)):
            self._model(serialized, path, place)
        elif _is_custom(serialized):
            self._unknown(serialized, path, place)
        elif class_name in WRAPPED:
            self._wrapper(serialized, path, place)
        elif class_name in LAYERS:
            self._built_in(serialized, path, place)
        else:
            self._unknown(serialized, path, place, known=not _variables(place.stored))

    def sweep(self, stored: TensorGroup) -> None:
        """Take in every stored variable that no layer has claimed, optimizer and all apart."""
        for group_path, group in stored.walk():
            if group_path.split("/", 1)[0] == "optimizer":
                continue
            for key, reason in group.unreadable.items():
                self.skipped.append(Skip(f"{group_path}/{key}", reason))
            free = [key for key in group.tensors if f"{group_path}/{key}" not in self.tensors]
            if free:
                self._unattributed(group_path, group, sorted(free, key=_number_first))

    def _model(self, serialized: Serialized, path: str, place: _Place) -> None:
        """A nested model: its layers lie in the container `layers`, named by class and count."""
        known = not _is_custom(serialized)
        weights = self._variables(path, place, known=known)
        if not place.root or weights:
            self._add(serialized, path, place, weights, known=known)
        container = place.below(path, "layers", place.node)
        inner = [layer for layer in layers_of(serialized) if _is_stored(layer, serialized)]
        for layer, key in zip(inner, _group_names(inner, container.stored), strict=True):
            self.visit(layer, container.below_container(key))

    def _wrapper(self, serialized: Serialized, path: str, place: _Place) -> None:
        class_name = str(serialized["class_name"])
        config = config_of(serialized)
        weights: tuple[Weight, ...] = ()
        if class_name == "SpectralNormalization":
            weights = self._spectral(config, path, place)
        self._add(serialized, path, place, weights)
        node = place.node or path
        for attribute, key in WRAPPED[class_name].items():
            inner = config.get(key)
            below = place.below(path, attribute, node)
            if isinstance(inner, list):
                cells = [cell for cell in inner if isinstance(cell, Mapping)]
                for cell, group in zip(cells, _group_names(cells, below.stored), strict=True):
                    self.visit(cell, below.below_container(group))
            elif isinstance(inner, Mapping):
                self.visit(inner, below)

    def _spectral(self, config: Serialized, path: str, place: _Place) -> tuple[Weight, ...]:
        """SpectralNormalization stores the inner layer's kernel a second time, then a vector."""
        inner = config.get("layer")
        inner = inner if isinstance(inner, Mapping) else {}
        slots = LAYERS.get(str(inner.get("class_name")), ())
        slot = slots[0] if slots else Slot("kernel")
        shared = f"{path}/{name_of(inner)}/{slot.role}"
        own = (slot, Slot("vector_u", trainable=False))
        weights = self._fill(own, inner, path, place, _flag(inner))
        return tuple(
            replace(weight, shared_with=shared) if weight.role == slot.role else weight
            for weight in weights
        )

    def _built_in(self, serialized: Serialized, path: str, place: _Place) -> None:
        """A layer of the table: slots that its options call for, in stored order."""
        class_name, config = str(serialized["class_name"]), config_of(serialized)
        slots = tuple(slot for slot in LAYERS[class_name] if slot.when(config))
        mode = _quantization(config, slots, place)
        if mode:
            slots = quantized(slots, mode, grouped=_has_zero_points(slots, place))
        trainable = _flag(serialized)
        if class_name in {"MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"}:
            trainable = True  # the flag of its sublayers is not in the file: every load thaws them
        weights = self._fill(slots, serialized, path, place, trainable)
        self._add(serialized, path, place, weights, slots=slots)

    def _unknown(
        self, serialized: Serialized, path: str, place: _Place, *, known: bool = False
    ) -> None:
        """A custom layer: its variables by number, the layers its configuration holds by name."""
        self._add(serialized, path, place, self._variables(path, place, known=known), known=known)
        node = place.node or path
        for attribute, group in (place.stored.groups if place.stored else {}).items():
            held = config_of(serialized).get(attribute)
            below = place.below(path, attribute, node)
            if isinstance(held, Mapping) and _is_serialized(held):
                self.visit(held, below)
            elif isinstance(held, list) and held and all(map(_is_serialized, held)):
                for layer, key in zip(held, _group_names(held, group), strict=True):
                    self.visit(layer, below.below_container(key))

    def _variables(self, path: str, place: _Place, *, known: bool) -> tuple[Weight, ...]:
        """Weights of unknown roles that lie in the layer's own group."""
        if place.stored is None or "vars" not in place.stored.groups:
            return ()
        flag = not self.root_frozen
        stored = f"{place.stored_path}/vars".lstrip("/")
        weights = [
            self._weight(Slot(f"variable_{key}"), tensor, path, f"{stored}/{key}", trainable=flag)
            for key, tensor in _variables(place.stored)
        ]
        if weights and not known:
            reason = "custom layer: measured, but the roles of its weights are not known"
            self.skipped.append(Skip(path or "(model)", reason))
        return tuple(weights)

    def _fill(
        self,
        slots: tuple[Slot, ...],
        serialized: Serialized,
        path: str,
        place: _Place,
        trainable: bool,
    ) -> tuple[Weight, ...]:
        """Pair the slots with what is stored, sublayer by sublayer, in order."""
        weights: list[Weight] = []
        config = config_of(serialized)
        for at in dict.fromkeys((slot.at for slot in slots), None) or {"": None}:
            own = [slot for slot in slots if slot.at == at]
            group, stored = place.stored, place.stored_path
            for key in filter(None, (at,)):
                group = group.groups.get(key) if group else None
                stored = f"{stored}/{key}"
            variables = _variables(group)
            below = own[0].below if own else ""
            for index, (key, tensor) in enumerate(variables):
                slot = own[index] if index < len(own) else Slot(f"variable_{key}", below=below)
                stored_path = f"{stored}/vars/{key}".lstrip("/")
                weights.append(
                    self._weight(
                        slot, tensor, path, stored_path, config=config, trainable=trainable
                    )
                )
            for slot in own[len(variables) :]:
                where = "/".join(filter(None, (path, slot.below, slot.role)))
                reason = "not stored in this file (the layer was not built, or shares its weights)"
                self.skipped.append(Skip(where, reason))
        return tuple(weights)

    def _weight(
        self,
        slot: Slot,
        tensor: Tensor,
        path: str,
        stored_path: str,
        *,
        config: Serialized | None = None,
        trainable: bool,
    ) -> Weight:
        """Make a weight and note where its values lie."""
        self.tensors[stored_path] = tensor
        config = config or {}
        lora = bool(config.get("lora_rank")) and slot.role in {"kernel", "embeddings"}
        trainable = trainable and slot.trainable and not self.root_frozen and not lora
        key = slot.regularizer_key
        regularizer = parse_regularizer(config.get(key)) if key else None
        if regularizer:
            quantized_away = not slot.trainable
            regularizer = _in_effect(regularizer, trainable, lora, quantized_away)
        return Weight(
            path="/".join(filter(None, (path, slot.below, slot.role))),
            stored_path=stored_path,
            role=slot.role,
            shape=tensor.shape,
            dtype=str(tensor.dtype),
            trainable=trainable,
            regularizer=regularizer,
            regularizer_key=key,
            constraint=_constraint(config, slot),
            units=slot.units(tensor.shape, config),
        )

    def _add(
        self,
        serialized: Serialized,
        path: str,
        place: _Place,
        weights: tuple[Weight, ...],
        *,
        known: bool = True,
        slots: tuple[Slot, ...] = (),
    ) -> None:
        config = config_of(serialized)
        used = {slot.regularizer_key for slot in slots}
        self.layers.append(
            Layer(
                path=path,
                name=name_of(serialized),
                class_name=_class_name(serialized),
                config=config,
                trainable=_flag(serialized),
                known=known,
                weights=weights,
                activity_regularizer=_activity(serialized),
                unplaced=dict(_unplaced(config, used, known=known)),
                node=place.node or path,
            )
        )

    def _unattributed(self, group_path: str, group: TensorGroup, keys: list[str]) -> None:
        """Variables in a group that the configuration says nothing about."""
        owned = group_path.removesuffix("/vars") if group_path != "vars" else ""
        anchor = owned
        while anchor and anchor not in self.owners:
            anchor = anchor.rpartition("/")[0]
        owner, rest = self.owners.get(anchor, ""), owned[len(anchor) :].strip("/")
        *outer, last = rest.split("/") if rest else [""]
        name = group.name or last
        path = "/".join(filter(None, (owner, *outer, name)))
        weights = []
        for key in keys:
            slot = Slot(f"variable_{key}")
            stored_path = f"{group_path}/{key}".lstrip("/")
            weights.append(
                self._weight(
                    slot, group.tensors[key], path, stored_path, trainable=not self.root_frozen
                )
            )
        self.layers.append(
            Layer(path, name, "", {}, trainable=True, known=False, weights=tuple(weights))
        )
        reason = "no layer of the configuration claims it: measured, roles not known"
        self.skipped.append(Skip(path, reason))


def _in_effect(
    regularizer: Regularizer, trainable: bool, lora: bool, quantized_away: bool
) -> Regularizer:
    """Lower the status of a regularizer that its weight keeps from acting."""
    if regularizer.status is not Status.IN_FORCE and regularizer.status is not Status.OPAQUE:
        return regularizer
    if quantized_away:
        why = "the weight is quantized: Keras drops its regularizer"
        return replace(regularizer, status=Status.INERT, why=why)
    if lora:
        why = "LoRA: after loading the merged kernel is frozen and pays no penalty"
        return replace(regularizer, status=Status.FROZEN, why=why)
    if not trainable:
        why = "the weight is frozen: Keras 3 adds no penalty for it"
        return replace(regularizer, status=Status.FROZEN, why=why)
    return regularizer


def _activity(serialized: Serialized) -> Regularizer | None:
    """The regularizer of the layer's output."""
    config = config_of(serialized)
    if serialized.get("class_name") == "ActivityRegularization" and not _is_custom(serialized):
        strengths = {key: config.get(key, 0.0) for key in ("l1", "l2")}
        return parse_regularizer({"class_name": "L1L2", "config": strengths})
    return parse_regularizer(config.get("activity_regularizer"))


def _unplaced(
    config: Serialized, used: set[str | None], *, known: bool
) -> Iterator[tuple[str, Regularizer]]:
    """Yield the regularizers that no stored weight takes up."""
    for key, value in config.items():
        if not key.endswith("_regularizer") or key in used or key == "activity_regularizer":
            continue
        regularizer = parse_regularizer(value)
        if regularizer is None:
            continue
        if known:
            why = "the layer has no weight for it"
            yield key, replace(regularizer, status=Status.INERT, why=why)
        else:
            why = "custom layer: the file does not say which weight it governs"
            yield key, replace(regularizer, status=Status.UNKNOWN, why=why)


def _optimizer(serialized: Any, stored: TensorGroup) -> Optimizer | None:
    if not isinstance(serialized, Mapping):
        return None
    group = stored.groups.get("optimizer")
    config = config_of(serialized)
    inner = config.get("inner_optimizer")
    if isinstance(inner, Mapping):  # LossScaleOptimizer only wraps the one that trains
        serialized, config = inner, config_of(inner)
        group = group.groups.get("inner_optimizer") if group else None
    return Optimizer(str(serialized.get("class_name", "")), config, _iterations(group))


def _iterations(group: TensorGroup | None) -> int | None:
    """The optimizer's first variable counts its steps."""
    counter = dict(_variables(group)).get("0")
    if counter is None or counter.shape != () or counter.dtype.kind not in "iu":
        return None
    return int(next(counter.blocks())[0])


def _group_names(layers: list[Any], container: TensorGroup | None) -> list[str]:
    """Return the group of each layer of a container: snake-cased class and a counter.

    Where the groups carry layer names and these contradict the count, the names decide.
    """
    counts: Counter[str] = Counter()
    names: list[str] = []
    for layer in layers:
        class_name = str(layer.get("class_name"))
        base = snake_case(PYTHON_NAMES.get(class_name, class_name))
        names.append(base if not counts[base] else f"{base}_{counts[base]}")
        counts[base] += 1
    if container is None:
        return names
    noted = {key: _noted_name(group) for key, group in container.groups.items()}
    by_name = {name: key for key, name in noted.items() if name is not None}
    for index, layer in enumerate(layers):
        key = by_name.get(name_of(layer))
        if noted.get(names[index]) not in {None, name_of(layer)} and key is not None:
            names[index] = key
    return names


def _noted_name(group: TensorGroup) -> str | None:
    variables = group.groups.get("vars")
    return variables.name if variables else None


def snake_case(name: str) -> str:
    """Spell a class name as Keras spells its group: `Conv2DTranspose` -> `conv2d_transpose`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _variables(group: TensorGroup | None) -> list[tuple[str, Tensor]]:
    """Return the variables of a layer's group in stored order."""
    variables = group.groups.get("vars") if group else None
    if variables is None:
        return []
    return sorted(variables.tensors.items(), key=lambda item: _number_first(item[0]))


def _number_first(key: str) -> tuple[int, str]:
    return (int(key) if key.isascii() and key.isdigit() else 1 << 62, key)


def _quantization(config: Serialized, slots: tuple[Slot, ...], place: _Place) -> str:
    """The mode a layer was quantized in: by its dtype policy, else by what is stored."""
    policy = config.get("dtype")
    name = policy if isinstance(policy, str) else ""
    if isinstance(policy, Mapping):
        inner = config_of(policy)
        name = str(inner.get("mode") or inner.get("name") or "")
        if policy.get("class_name") == "QuantizedFloat8DTypePolicy":
            name = "float8"
    for mode in ("int8", "int4", "float8"):
        if name.startswith(mode):
            return mode
    first = _first_variable(slots, place)
    return "int8" if first is not None and first.dtype.name == "int8" else ""


def _first_variable(slots: tuple[Slot, ...], place: _Place) -> Tensor | None:
    group = place.stored
    if slots and slots[0].at:
        group = group.groups.get(slots[0].at) if group else None
    variables = _variables(group)
    return variables[0][1] if variables else None


def _has_zero_points(slots: tuple[Slot, ...], place: _Place) -> bool:
    """Whether int4 was quantized in groups: then zero points follow the scales."""
    group = place.stored
    if slots and slots[0].at:
        group = group.groups.get(slots[0].at) if group else None
    own = [slot for slot in slots if slots and slot.at == slots[0].at]
    matrices = sum(slot.role in {"kernel", "embeddings", "reverse_embeddings"} for slot in own)
    return len(_variables(group)) > len(own) + matrices


def _is_custom(serialized: Serialized) -> bool:
    """Whether the class is not Keras's own, whatever it is called."""
    registered = serialized.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return not registered.startswith("keras>")
    module = serialized.get("module")
    return isinstance(module, str) and module.split(".")[0] not in {
        "keras",
        "tf_keras",
        "tensorflow",
        "builtins",
    }


def _is_serialized(value: Any) -> bool:
    """Whether a configuration value is a layer written out."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), Mapping)
    )


def _is_stored(layer: Serialized, model: Serialized) -> bool:
    """Whether an entry of a model's list has a group: not operations, nor Sequential's input."""
    if ".ops" in str(layer.get("module")):
        return False
    functional = "input_layers" in config_of(model)
    return functional or layer.get("class_name") != "InputLayer"


def _class_name(serialized: Serialized) -> str:
    registered = serialized.get("registered_name")
    if _is_custom(serialized) and isinstance(registered, str):
        return registered
    return str(serialized.get("class_name", ""))


def _constraint(config: Serialized, slot: Slot) -> str | None:
    value = config.get(slot.constraint_key) if slot.constraint_key else None
    name = value.get("class_name") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else None


def _flag(serialized: Serialized) -> bool:
    return bool(config_of(serialized).get("trainable", True))


def _freezes_all(root: Serialized) -> bool:
    """A loaded Functional model applies its own flag to everything; a Sequential ignores it."""
    return "input_layers" in config_of(root) and not _flag(root)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
