"""The join of a Keras 3 configuration with the tensors of its weights file, by Keras's path rule.

Below `layers`, a layer's group is named by its class and a counter, not by its name; elsewhere it
is the attribute that holds it. Groups that carry a layer's name (Keras 3.6 on) confirm it.
"""

from collections.abc import Mapping
from dataclasses import replace

from regaudit.dataclass import dataclass, field
from regaudit.keras_semantics.build import (
    activity_skip,
    activity_unknown,
    is_custom,
    make_layer,
    make_weight,
    own_flag,
)
from regaudit.keras_semantics.config_graph import (
    Serialized,
    both_ways,
    config_of,
    is_layer,
    layers_of,
    members,
    name_of,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import group_names, variables_of
from regaudit.keras_semantics.layer_table import (
    LAYERS,
    MODELS,
    THAWED_BY_LOADING,
    WRAPPED,
    Slot,
    slots_of,
)
from regaudit.keras_semantics.quantization import (
    has_zero_points,
    quantization,
    quantized,
    scaled_back,
)
from regaudit.limits import enforce_limit
from regaudit.model import Layer, Skip, Weight
from regaudit.tensors.tensor import Tensor, TensorGroup


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
    thawed: bool = True
    """Whether all layers around it are trainable."""

    def below(self, path: str, key: str, node: str = "", *, thawed: bool = True) -> "_Place":
        """Return the place of what the layer at `path` holds in attribute `key`."""
        group = self.stored.groups.get(key) if self.stored else None
        stored_path = f"{self.stored_path}/{key}" if self.stored_path else key
        prefix = f"{path}/" if path else ""
        thawed = thawed and self.thawed
        return _Place(prefix, group, stored_path, node, depth=self.depth + 1, thawed=thawed)

    def below_container(self, key: str) -> "_Place":
        """Return the place of one member of a list of layers: its path skips the list."""
        group = self.stored.groups.get(key) if self.stored else None
        stored_path = f"{self.stored_path}/{key}"
        return replace(self, stored=group, stored_path=stored_path)


@dataclass(slots=True)
class Join:
    """One walk through a configuration beside the tree of tensors."""

    dialect: Dialect
    root_frozen: bool
    layers: list[Layer] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    skipped: list[Skip] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """Stored path of a group -> path of the layer it belongs to."""
    activity_unknown: list[str] = field(default_factory=list)
    """Paths of the layers whose activity regularizer the file does not keep."""

    def walk(self, model: Serialized, stored: TensorGroup) -> None:
        """Take in all layers of a model."""
        self.visit(model, _Place(stored=stored, root=True))
        if self.activity_unknown:
            self.skipped.append(activity_skip(self.activity_unknown))

    def visit(self, serialized: Serialized, place: _Place) -> None:
        """Take in a layer, a wrapper or a model, with all that is inside it."""
        enforce_limit("layer_depth", place.depth, "layers are nested more than {limit} deep")
        path = "" if place.root else place.prefix + name_of(serialized)
        self.owners.setdefault(place.stored_path, path)
        class_name = str(serialized.get("class_name"))
        if layers_of(serialized) or (class_name in MODELS and not is_custom(serialized)):
            self._model(serialized, path, place)
        elif is_custom(serialized):
            self._unknown(serialized, path, place)
        elif class_name in WRAPPED:
            self._wrapper(serialized, path, place)
        elif class_name in LAYERS:
            self._built_in(serialized, path, place)
        else:
            self._unknown(serialized, path, place, known=not variables_of(place.stored))

    def _model(self, serialized: Serialized, path: str, place: _Place) -> None:
        """A nested model: its layers lie in the container `layers`, named by class and count."""
        known = not is_custom(serialized)
        weights = self._variables(path, place, known=known)
        if not place.root or weights:
            self._add(serialized, path, place, weights, known=known)
        container = place.below(path, _container(place.stored), place.node)
        inner = members(serialized)
        self._limit_layers(len(inner))  # each of them is a layer: refused before work is done
        for layer, key in zip(inner, group_names(inner, container.stored), strict=True):
            self.visit(layer, container.below_container(key))

    def _wrapper(self, serialized: Serialized, path: str, place: _Place) -> None:
        class_name = str(serialized["class_name"])
        config = config_of(serialized)
        weights: tuple[Weight, ...] = ()
        if class_name == "SpectralNormalization":
            weights = self._spectral(config, path, place)
        self._add(serialized, path, place, weights)
        node = place.node or path
        both = both_ways(config, before_keras_3=self.dialect.before_keras_3)
        ways = dict(zip(("forward_layer", "backward_layer"), both, strict=False))
        for attribute, key in WRAPPED[class_name].items():
            inner = config.get(key)
            below = place.below(path, attribute, node, thawed=own_flag(serialized))
            if class_name == "Bidirectional":
                inner = ways.get(attribute)
            if isinstance(inner, list):
                cells = [cell for cell in inner if isinstance(cell, Mapping)]
                for cell, group in zip(cells, group_names(cells, below.stored), strict=True):
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
        weights = self._fill(own, inner, path, place, self._trainable(inner, place))
        return tuple(
            replace(weight, shared_with=shared) if weight.role == slot.role else weight
            for weight in weights
        )

    def _built_in(self, serialized: Serialized, path: str, place: _Place) -> None:
        """A layer of the table: slots that its options call for, in stored order."""
        class_name, config = str(serialized["class_name"]), config_of(serialized)
        slots = slots_of(class_name, config, self.dialect)
        mode = quantization(serialized, slots, place.stored)
        if mode:
            slots = quantized(slots, mode, grouped=has_zero_points(slots, mode, place.stored))
        trainable = self._trainable(serialized, place)
        trainable |= class_name in THAWED_BY_LOADING and not self.dialect.before_keras_3
        weights = self._fill(slots, serialized, path, place, trainable)
        if mode and mode != "float8":
            weights, skipped = scaled_back(
                weights, slots, serialized, mode, tensors=self.tensors, dialect=self.dialect
            )
            self.skipped += skipped
        self._add(serialized, path, place, weights, slots=slots)

    def _unknown(
        self, serialized: Serialized, path: str, place: _Place, *, known: bool = False
    ) -> None:
        """A custom layer: its variables by number, the layers its configuration holds by name."""
        self._add(serialized, path, place, self._variables(path, place, known=known), known=known)
        node = place.node or path
        for attribute, group in (place.stored.groups if place.stored else {}).items():
            held = config_of(serialized).get(attribute)
            below = place.below(path, attribute, node, thawed=own_flag(serialized))
            if isinstance(held, Mapping) and is_layer(held):
                self.visit(held, below)
            elif isinstance(held, list) and held and all(map(is_layer, held)):
                for layer, key in zip(held, group_names(held, group), strict=True):
                    self.visit(layer, below.below_container(key))

    def _trainable(self, serialized: Serialized, place: _Place) -> bool:
        """Whether a load leaves a layer trainable: in Keras 2, all layers around it count too."""
        return own_flag(serialized) and (place.thawed or not self.dialect.before_keras_3)

    def _variables(self, path: str, place: _Place, *, known: bool) -> tuple[Weight, ...]:
        """Weights of unknown roles that lie in the layer's own group."""
        if place.stored is None or "vars" not in place.stored.groups:
            return ()
        flag = place.thawed or not self.dialect.before_keras_3
        stored = f"{place.stored_path}/vars".lstrip("/")
        weights = [
            self.weight(Slot(f"variable_{key}"), tensor, path, f"{stored}/{key}", trainable=flag)
            for key, tensor in variables_of(place.stored)
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
            if at:
                key = at if group is None or at in group.groups else f"_{at}"  # Keras 2's attention
                group = group.groups.get(key) if group else None
                stored = f"{stored}/{key}"
            variables = variables_of(group)
            below = own[0].below if own else ""
            if variables and own and own[0].role == "kernel" and len(variables[0][1].shape) == 1:
                own = own[1:]  # the kernel lies elsewhere: with a quantizing wrapper
            for index, (key, tensor) in enumerate(variables):
                slot = own[index] if index < len(own) else Slot(f"variable_{key}", below=below)
                stored_path = f"{stored}/vars/{key}".lstrip("/")
                weights.append(
                    self.weight(slot, tensor, path, stored_path, config, trainable=trainable)
                )
            for slot in own[len(variables) :]:
                where = "/".join(filter(None, (path, slot.below, slot.role)))
                reason = "not stored in this file (the layer was not built, or shares its weights)"
                self.skipped.append(Skip(where, reason))
        return tuple(weights)

    def weight(
        self,
        slot: Slot,
        tensor: Tensor,
        path: str,
        stored_path: str,
        config: Serialized | None = None,
        *,
        trainable: bool,
    ) -> Weight:
        """Make a weight and note where its values lie."""
        self.tensors[stored_path] = tensor
        return make_weight(
            slot,
            tensor,
            path,
            stored_path,
            config or {},
            trainable=(trainable or not self.dialect.restores_trainable) and not self.root_frozen,
            dialect=self.dialect,
        )

    def _limit_layers(self, more: int) -> None:
        """Enforce the limit on layers."""
        enforce_limit("layers", len(self.layers) + more, "the model has more than {limit} layers")

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
        """Add a layer, and say what the file cannot tell of it."""
        self._limit_layers(1)
        self.layers.append(
            make_layer(
                serialized,
                path,
                weights,
                dialect=self.dialect,
                slots=slots,
                known=known,
                node=place.node or path,
            )
        )
        if activity_unknown(serialized, self.dialect):
            self.activity_unknown.append(path)


def _container(group: TensorGroup | None) -> str:
    """Return the group of a model's layers; tf.keras 2.12 to 2.14 called it otherwise."""
    old = "_layer_checkpoint_dependencies"
    return old if group and old in group.groups and "layers" not in group.groups else "layers"
