"""The join of a Keras 3 configuration with the tensors of its weights file, by Keras's path rule.

Below `layers`, a layer's group is named by its class and a counter, not by its name; elsewhere it
is the attribute that holds it. Groups that carry a layer's name (Keras 3.6 on) confirm it.
The file is long because it is one walk, with a method for each kind of layer it comes to.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from regaudit.keras_semantics.build import (
    LOST,
    activity_skip,
    activity_unknown,
    class_name_of,
    has_regularizers,
    inside_of,
    is_custom,
    make_layer,
    make_weight,
    not_stored,
    own_flag,
    weight_path,
)
from regaudit.keras_semantics.config_graph import (
    Serialized,
    config_of,
    layers_of,
    members,
    name_of,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import group_names, variables_of
from regaudit.keras_semantics.hub_classes import hub_class, hub_classes
from regaudit.keras_semantics.layer_table import (
    KERNEL_ROLES,
    MODELS,
    OPTIMIZATION_WRAPPERS,
    THAWED_BY_LOADING,
    WRAPPED,
    WRAPPED_OF_KERAS_2,
    Slot,
    all_slots,
    slots_of,
)
from regaudit.keras_semantics.quantization import (
    has_zero_points,
    quantization,
    quantized,
)
from regaudit.keras_semantics.stored_position import StoredPosition
from regaudit.keras_semantics.weightless_layers import FOREIGN, LOOKUPS
from regaudit.limits import enforce_limit
from regaudit.model import Layer, Skip, Weight
from regaudit.tensors.tensor import Tensor, TensorGroup

if TYPE_CHECKING:
    from regaudit.keras_semantics.held_layers import Held
    from regaudit.keras_semantics.hub_children import Made


TOO_DEEP = "layers are nested deeper than {limit} levels"


class Join(Struct):
    """One walk through a configuration and the tree of tensors."""

    dialect: Dialect
    root_frozen: bool
    layers: list[Layer] = []
    tensors: dict[str, Tensor] = {}
    skipped: list[Skip] = []
    owners: dict[str, str] = {}
    """Stored path of a group -> path of the layer it belongs to."""
    no_weights: set[str] = set()
    """Stored paths of what layers keep besides their weights."""
    nested: dict[str, tuple[str, Serialized]] = {}
    """By the path of each nested model: that of its group, and its configuration."""
    taken_over: dict[tuple[str, str, str], tuple[str, Tensor]] = {}
    """What a wrapper stores in the place of the layer inside: where and which values, by the path
    of that layer, its sublayer and the role there."""
    activity_unknown: list[str] = []
    """Paths of the layers whose activity regularizer the file does not keep."""

    def walk(self, model: Serialized, stored: TensorGroup) -> None:
        """Take in all layers of a model."""
        self.visit(model, StoredPosition(stored=stored, root=True))
        if self.activity_unknown:
            self.skipped.append(activity_skip(self.activity_unknown))

    def visit(self, serialized: Serialized, place: StoredPosition) -> None:
        """Take in a layer, a wrapper or a model, with all that is inside it."""
        enforce_limit("layer_depth", place.depth, TOO_DEEP)
        path = "" if place.root else place.prefix + name_of(serialized)
        self.owners.setdefault(place.stored_path, path)
        class_name = str(serialized.get("class_name"))
        if layers_of(serialized) or (class_name in MODELS and not is_custom(serialized)):
            self._model(serialized, path, place)
        elif (hub := hub_class(serialized)) is not None:
            self._of_hub(hub, serialized, path, place)
        elif is_custom(serialized):
            self._unknown(serialized, path, place)
        elif class_name in WRAPPED or (class_name in WRAPPED_OF_KERAS_2 and self._is_keras_2):
            self._wrapper(serialized, path, place)
        elif class_name in LOOKUPS:
            self._lookup(serialized, path, place)
        elif self._slots(class_name) is not None:
            self._built_in(serialized, path, place)
        else:
            known = class_name in FOREIGN or not variables_of(place.stored)
            self._unknown(serialized, path, place, known=known)

    def _model(self, serialized: Serialized, path: str, place: StoredPosition) -> None:
        """A nested model: its layers lie in the container `layers`, named by class and count."""
        known = not is_custom(serialized)
        if not place.root:
            self.nested[path] = (place.stored_path, serialized)
        weights = self._variables(path, place, known=known)
        inner = members(serialized)
        if not place.root or weights or has_regularizers(serialized, inner):
            self._add(serialized, path, place, weights, known=known, inside=inner)
        container = self._below(serialized, place, path, _container(place.stored), place.node)
        self._limit_layers(len(inner))  # each of them is a layer: refused before work is done
        for layer, key in zip(inner, group_names(inner, container.stored), strict=True):
            self.visit(layer, container.below_container(key))

    def _wrapper(self, serialized: Serialized, path: str, place: StoredPosition) -> None:
        from regaudit.keras_semantics.held_layers import held_layers  # noqa: PLC0415 - few models

        weights: tuple[Weight, ...] | None = ()
        if serialized["class_name"] == "SpectralNormalization":
            weights = self._spectral(config_of(serialized), path, place)
        elif serialized["class_name"] in OPTIMIZATION_WRAPPERS:
            weights = self._kept(serialized, path, place)
        known = weights is not None
        if weights is None:
            weights = self._variables(path, place, known=False)
        self._add(serialized, path, place, weights, known=known)
        for held in held_layers(serialized, before_keras_3=self.dialect.before_keras_3):
            self._held(held, serialized, path, place)

    def _spectral(self, config: Serialized, path: str, place: StoredPosition) -> tuple[Weight, ...]:
        """SpectralNormalization stores the inner layer's kernel a second time, then a vector."""
        inner = config.get("layer")
        inner = inner if isinstance(inner, Mapping) else {}
        slots = self._slots(str(inner.get("class_name")))
        slot = slots[0] if slots else Slot("kernel")
        shared = f"{path}/{name_of(inner)}/{slot.role}"
        own = (slot, Slot("vector_u", trainable=False))
        weights = self._fill(own, inner, path, place, self._trainable(inner, place))
        return tuple(
            replace(weight, shared_with=shared) if weight.role == slot.role else weight
            for weight in weights
        )

    def _kept(
        self, wrapper: Serialized, path: str, place: StoredPosition
    ) -> tuple[Weight, ...] | None:
        """What a wrapper stores that changes the weights of the layer inside; None if not told."""
        from regaudit.keras_semantics.wrapper_variables import (  # noqa: PLC0415 - few models
            kept_by,
        )

        variables = variables_of(place.stored)
        inner = config_of(wrapper).get("layer")
        inner = inner if isinstance(inner, Mapping) else {}
        class_name = str(inner.get("class_name"))
        slots = () if is_custom(inner) else slots_of(class_name, config_of(inner), self.dialect)
        found = kept_by(wrapper, inner, slots, [tensor for _, tensor in variables])
        if found is None:
            return None
        group = place.stored.groups.get("layer") if place.stored else None
        inside = _stored_slots(slots, group)
        below = f"{path}/{name_of(inner)}"
        trainable = self._trainable(wrapper, place)
        weights = []
        for (key, tensor), kept in zip(variables, found, strict=True):
            stored_path = f"{place.stored_path}/vars/{key}".lstrip("/")
            shared = weight_path(below, kept.of) if kept.of else None
            if kept.of and (kept.of.at, kept.of.role) not in inside:
                inside.add((kept.of.at, kept.of.role))
                self.taken_over[below, kept.of.at, kept.of.role] = stored_path, tensor
                continue
            slot = Slot(kept.role, trainable=kept.trainable)
            weight = self.weight(slot, tensor, path, stored_path, trainable=trainable)
            weights.append(replace(weight, shared_with=shared))
        return tuple(weights)

    @property
    def _is_keras_2(self) -> bool:
        return self.dialect.before_keras_3

    def _lookup(self, serialized: Serialized, path: str, place: StoredPosition) -> None:
        """A layer that looks values up: the tables it stores are no weights."""
        self._add(serialized, path, place, ())
        for group_path, group in place.stored.walk() if place.stored else ():
            below = f"{place.stored_path}/{group_path}".rstrip("/")
            self.no_weights.update(f"{below}/{key}" for key in group.tensors)

    def _slots(self, class_name: str) -> tuple[Slot, ...] | None:
        """Return what a built-in layer may own; None for a class that the table does not know."""
        return all_slots(class_name, before_keras_3=self.dialect.before_keras_3)

    def _built_in(self, serialized: Serialized, path: str, place: StoredPosition) -> None:
        """A layer of the table: slots that its options call for, in stored order."""
        class_name, config = str(serialized["class_name"]), config_of(serialized)
        slots = slots_of(class_name, config, self.dialect)
        if class_name == "QuantizeLayer" and (kept := self._kept(serialized, path, place)):
            self._add(serialized, path, place, kept)
            return
        mode = quantization(serialized, slots, place.stored)
        if mode:
            slots = quantized(slots, mode, grouped=has_zero_points(slots, mode, place.stored))
        trainable = self._trainable(serialized, place)
        thaws = class_name in THAWED_BY_LOADING and not place.frozen
        trainable |= thaws and not self.dialect.before_keras_3
        weights = self._fill(slots, serialized, path, place, trainable)
        if mode and mode != "float8":
            from regaudit.keras_semantics.quantized_layout import (  # noqa: PLC0415 - few models
                scaled_back,
            )

            weights, skipped = scaled_back(
                weights, slots, serialized, mode, tensors=self.tensors, dialect=self.dialect
            )
            self.skipped += skipped
        self._add(serialized, path, place, weights, slots=slots)

    def _of_hub(self, hub: str, serialized: Serialized, path: str, place: StoredPosition) -> None:
        """A layer or a model of KerasHub: its class tells what it makes and what it holds."""
        from regaudit.keras_semantics.hub_children import (  # noqa: PLC0415 - few models
            handed_on,
            held_by,
            without_keys,
            without_regularizers,
        )
        from regaudit.keras_semantics.hub_fit import makes  # noqa: PLC0415 - the same

        row, stored = hub_classes()[hub], place.stored
        if row.like and (stored is None or makes(hub, serialized, stored, self.dialect)):
            self._built_in({**serialized, "class_name": row.like}, path, place)
            return
        slots = None if row.like else row.slots(len(variables_of(stored)))
        if slots is None:
            weights = self._variables(path, place, known=False)
        else:
            trainable = self._trainable(serialized, place)
            weights = self._fill(slots, serialized, path, place, trainable)
        frozen = place.frozen or (bool(row.model) and not own_flag(serialized))
        held = list(held_by(hub, serialized, stored, self.dialect, frozen=frozen))
        if weights or not place.root:
            own = without_regularizers(serialized, handed_on(hub))
            inside = [one.serialized for one in held]
            known = slots is not None
            self._add(own, path, place, weights, known=known, slots=slots or (), inside=inside)
        first = len(self.layers)
        for one in held:
            self._made_by_hub(one, serialized, path, replace(place, frozen=frozen))
        self.layers[first:] = map(without_keys, self.layers[first:])

    def _made_by_hub(
        self, one: "Made", owner: Serialized, path: str, place: StoredPosition
    ) -> None:
        """Take in a layer that one of KerasHub, at `path`, makes."""
        node, thawed = place.node or path, own_flag(owner)
        below = self._below(owner, place, path, one.keys[0], node, thawed=thawed)
        for key in one.keys[1:]:
            below = below.below_container(key)
        name = below.prefix + name_of(one.serialized)
        if one.hub is not None:
            enforce_limit("layer_depth", below.depth, TOO_DEEP)
            self.owners.setdefault(below.stored_path, name)
            self._of_hub(one.hub, one.serialized, name, below)
        elif one.known:
            self.visit(one.serialized, below)
        else:
            self._unknown(one.serialized, name, below)

    def _unknown(
        self, serialized: Serialized, path: str, place: StoredPosition, *, known: bool = False
    ) -> None:
        """A custom layer: its variables by number, the layers its configuration holds by name."""
        from regaudit.keras_semantics.held_layers import held_layers  # noqa: PLC0415 - few models
        from regaudit.keras_semantics.match_held import locate, matters  # noqa: PLC0415 - the same

        held = list(held_layers(serialized, before_keras_3=self.dialect.before_keras_3))
        found, rest = locate(held, place.stored, self.dialect)
        lost = [layer for layer in rest if matters(layer, self.dialect)]
        weights = self._of_addons(serialized, path, place)
        if weights is None:
            weights = self._variables(path, place, known=known)
        inside = [*(layer for layer, _ in found), *lost]
        self._add(serialized, path, place, weights, known=known, inside=inside)
        self._inside(found, lost, serialized, path, place)

    def _of_addons(
        self, serialized: Serialized, path: str, place: StoredPosition
    ) -> tuple[Weight, ...] | None:
        """What a wrapper of TensorFlow Addons stores; None for another layer, or if not told."""
        if class_name_of(serialized).rpartition(">")[0] != "Addons":
            return None
        weights = self._kept(serialized, path, place)
        if weights:
            reason = "custom layer: measured, but the regularizers of its weights are unknown"
            self.skipped.append(Skip(path, reason))
        return weights

    def _inside(
        self,
        found: list[tuple[Serialized, tuple[str, ...]]],
        lost: list[Serialized],
        serialized: Serialized,
        path: str,
        place: StoredPosition,
    ) -> None:
        """Take in the layers that a custom object holds, wherever its code has put them."""
        thawed = own_flag(serialized) or place.root  # see `with_freezing_untold`
        for layer, (key, *keys) in found:
            below = self._below(serialized, place, path, key, place.node or path, thawed=thawed)
            for inner in keys:
                below = below.below_container(inner)
            self.visit(layer, below)
        for layer in lost:
            name = name_of(layer)
            below = self._below(serialized, place, path, name, place.node or path, thawed=thawed)
            self.visit(layer, replace(below, stored=None, lost=True))
            if not place.lost:
                self.skipped.append(Skip(below.prefix + name, LOST))

    def _held(self, held: "Held", serialized: Serialized, path: str, place: StoredPosition) -> None:
        """Take in what the layer at `path` holds in one attribute."""
        node, thawed = place.node or path, own_flag(serialized)
        below = self._below(serialized, place, path, held.attribute, node, thawed=thawed)
        layers = held.renamed()
        if not held.is_list:
            self.visit(layers[0], below)
            return
        for layer, key in zip(layers, group_names(layers, below.stored), strict=True):
            self.visit(layer, below.below_container(key))

    def _below(
        self,
        serialized: Serialized,
        place: StoredPosition,
        path: str,
        key: str,
        node: str,
        *,
        thawed: bool = True,
    ) -> StoredPosition:
        """Return the place of what a layer at `path` holds in attribute `key`."""
        below = place.below(path, key, node, thawed=thawed)
        return replace(below, around=inside_of(serialized, place.around, self.dialect))

    def _trainable(self, serialized: Serialized, place: StoredPosition) -> bool:
        """Whether a load leaves a layer trainable: in Keras 2, all layers around it count too."""
        return own_flag(serialized) and (place.thawed or not self.dialect.before_keras_3)

    def _variables(self, path: str, place: StoredPosition, *, known: bool) -> tuple[Weight, ...]:
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
            reason = "custom layer: measured, but the roles of its weights are unknown"
            self.skipped.append(Skip(path or "(model)", reason))
        return tuple(weights)

    def _fill(
        self,
        slots: tuple[Slot, ...],
        serialized: Serialized,
        path: str,
        place: StoredPosition,
        trainable: bool,
    ) -> tuple[Weight, ...]:
        """Pair the slots with what is stored, sublayer by sublayer, in order."""
        weights: list[Weight] = []
        config = config_of(serialized)
        for at, wanted in _by_sublayer(slots).items():
            group, stored = place.stored, place.stored_path
            if at:
                key = at if group is None or at in group.groups else f"_{at}"  # Keras 2's attention
                group = group.groups.get(key) if group else None
                stored = f"{stored}/{key}"
            variables = variables_of(group)
            below = wanted[0].below if wanted else ""
            elsewhere = [slot for slot in wanted if (path, slot.at, slot.role) in self.taken_over]
            own = _without_moved_kernel([s for s in wanted if s not in elsewhere], variables)
            for slot in elsewhere:
                stored_path, tensor = self.taken_over[path, slot.at, slot.role]
                weights.append(
                    self.weight(slot, tensor, path, stored_path, config, trainable=trainable)
                )
            for index, (key, tensor) in enumerate(variables):
                slot = own[index] if index < len(own) else Slot(f"variable_{key}", below=below)
                stored_path = f"{stored}/vars/{key}".lstrip("/")
                weights.append(
                    self.weight(slot, tensor, path, stored_path, config, trainable=trainable)
                )
            if not place.lost:
                self.skipped += [not_stored(path, slot) for slot in own[len(variables) :]]
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
        weight = make_weight(
            slot,
            tensor,
            path,
            stored_path,
            config or {},
            trainable=(trainable or not self.dialect.restores_trainable) and not self.root_frozen,
            dialect=self.dialect,
        )
        if not slot.role.startswith("variable_"):
            return weight
        return replace(weight, trainable_known=False)  # custom code decides

    def _limit_layers(self, more: int) -> None:
        """Enforce the limit on layers."""
        enforce_limit("layers", len(self.layers) + more, "the model has more than {limit} layers")

    def _add(
        self,
        serialized: Serialized,
        path: str,
        place: StoredPosition,
        weights: tuple[Weight, ...],
        *,
        known: bool = True,
        slots: tuple[Slot, ...] = (),
        inside: Iterable[Serialized] = (),
    ) -> None:
        """Add a layer, and note what the file does not say about it."""
        self._limit_layers(1)
        self.layers.append(
            make_layer(
                serialized,
                path,
                weights,
                dialect=self.dialect,
                slots=slots,
                known=known and not place.lost,
                inside=inside,
                lost=place.lost,
                around=place.around,
                node=place.node or path,
            )
        )
        if activity_unknown(serialized, self.dialect):
            self.activity_unknown.append(path)


def _by_sublayer(slots: tuple[Slot, ...]) -> dict[str, list[Slot]]:
    """Group the slots by the sublayer that owns them, the layer itself where there are none."""
    groups: dict[str, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.at, []).append(slot)
    return groups or {"": []}


def _without_moved_kernel(slots: list[Slot], variables: list[tuple[str, Tensor]]) -> list[Slot]:
    """Return the slots without the kernels that a wrapper around the layer stores in its place."""
    left, missing = list(slots), len(slots) - len(variables)
    others = [slot for slot in slots if slot.role not in KERNEL_ROLES]
    if variables and len(variables) == len(others):
        return others  # a bias of a GRU has as many axes as a kernel
    for at, (_, tensor) in enumerate(variables):
        while missing > 0 and left[at].role in KERNEL_ROLES and len(tensor.shape) <= 1:
            left.pop(at)
            missing -= 1
    return left


def _stored_slots(slots: tuple[Slot, ...], group: TensorGroup | None) -> set[tuple[str, str]]:
    """Return which slots a layer's own group has variables for, by sublayer and role."""
    found = set()
    for at, wanted in _by_sublayer(slots).items():
        below = group.groups.get(at) if group and at else group
        variables = variables_of(below)
        own = _without_moved_kernel(wanted, variables)
        found |= {(slot.at, slot.role) for slot in own[: len(variables)]}
    return found


def _container(group: TensorGroup | None) -> str:
    """Return the group of a model's layers; tf.keras 2.12 to 2.14 named it differently."""
    old = "_layer_checkpoint_dependencies"
    return old if group and old in group.groups and "layers" not in group.groups else "layers"
