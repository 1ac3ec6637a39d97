"""The join of a configuration with the groups of a legacy HDF5 file.

One group per layer of the outermost model holds all weights below that layer. Their order is that
of training (trainable first) when the file was saved. In a whole model names decide, and where a
load by order makes something else of it, that is noted; see `stored_names`. Where the layers have
other names than the groups, or a configuration lies beside the weights, all go where a load puts
them; see `match_by_order`.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UnreadableModelError, shown
from regaudit.keras_semantics import keras1
from regaudit.keras_semantics.build import (
    LOST,
    activity_skip,
    activity_unknown,
    has_regularizers,
    is_custom,
    make_layer,
    make_weight,
    not_stored,
    own_flag,
    uncounted,
)
from regaudit.keras_semantics.config_graph import Serialized, config_of, layers_of, members, name_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.expected_layers import Planned, Planner, Position
from regaudit.keras_semantics.input_shapes import with_input_shapes
from regaudit.keras_semantics.layer_table import MODELS, Slot, last_axis
from regaudit.keras_semantics.loaded_variables import (
    Place,
    counted,
    filled_places,
    in_order,
    mark_renamed,
)
from regaudit.keras_semantics.loading_order import as_loaded
from regaudit.keras_semantics.match_by_order import (
    Loads,
    is_renamed,
    match_groups,
    names_of,
    refuse,
    remarks,
    units_of,
)
from regaudit.keras_semantics.quantized_layout import scaled_back
from regaudit.keras_semantics.quantized_plan import quantize
from regaudit.keras_semantics.spare_weights import Named, extra_slot, spare_weights
from regaudit.keras_semantics.stored_names import StoredName, Wanted, match, relative_path
from regaudit.limits import enforce_limit
from regaudit.model import Layer, Skip, Weight
from regaudit.tensors.tensor import Stored, Tensor

MARKS = frozenset({"model_config", "model_config0", "layer_names", "layer_names0", "nb_layers"})
"""Attributes at the root of the HDF5 files of Keras 1 and 2: one of them is in every file."""

_CUSTOM_MODEL = (
    "joined with the configuration by name: the model is custom, and what else it loads is unknown"
)
_UNCLAIMED = "no layer of the configuration has it: measured by name alone"
_MERGED = "Keras 1.2 leaves out the penalties of the branches that a Sequential merges"


class LegacyJoin(Struct):
    """One walk through a configuration and the groups of a legacy file."""

    dialect: Dialect
    root_frozen: bool = False
    loads: Loads | None = None
    """How weights beside the configuration are loaded; None where they are in one file."""
    lacking: str = ""
    """The first of the weights that the file lists and does not have; empty for none."""
    layers: list[Layer] = []
    tensors: dict[str, Tensor] = {}
    skipped: list[Skip] = []
    activity_unknown: list[str] = []
    by_name: dict[str, tuple[str, Tensor]] = {}
    """Of layers that no configuration describes: name -> first path and values under it."""
    stored_as: Mapping[str, str] = {}
    """Layer of the outermost model -> name of its group, where a load decides that."""
    shared: dict[str, str] = {}
    """Stored path of a weight -> path of the weight that is the same variable."""

    def walk(self, model: Serialized, groups: Mapping[str, Stored]) -> None:
        """Take in a whole model; `groups` are by layer name, that of the model itself is ``""``."""
        left = dict(groups)
        if self.loads is not None:
            model = self._in_order(model)
            left = self._by_load(model, left, self.loads)
        elif not self.dialect.keras_1 and is_renamed(model, left):
            loaded = self._in_order(model)
            with suppress(UnreadableModelError):  # what does not fit is told as unattributed
                left = self._by_load(loaded, left, Loads.WHOLE)
                model, self.loads = loaded, Loads.WHOLE
        inside = members(model)
        if has_regularizers(model, inside):
            known = not is_custom(model)
            self._add(Planned(model, "", "", known=known, inside=tuple(inside)))
        self._walk(model, left, Position())
        for name, stored in left.items():
            self.unattributed(name, stored, _UNCLAIMED)
        if self.activity_unknown:
            self.skipped.append(activity_skip(self.activity_unknown))

    def _in_order(self, model: Serialized) -> Serialized:
        """Return a model with its layers in the order of a load."""
        return as_loaded(model, before_keras_3=self.dialect.before_keras_3)

    def _by_load(
        self, model: Serialized, groups: Mapping[str, Stored], loads: Loads
    ) -> dict[str, Stored]:
        """Return the groups by the names of the layers that a load puts them into."""
        groups = dict(groups)
        own = groups.pop("", {})
        planner = Planner(self.dialect, self.root_frozen)
        units = list(units_of(with_input_shapes(model), groups, planner))
        custom = is_custom(model) or model.get("class_name") not in MODELS
        if self.lacking:
            refuse(f"the file lists {shown(self.lacking)}, and does not have it")
        if own and not custom:
            refuse(
                f"the file has {counted(len(own), 'weight')} of the model itself, which has none"
            )
        try:
            found = match_groups(units, groups, self.dialect, loads)
        except UnreadableModelError:
            if not custom or loads is Loads.WHOLE:
                raise
            self.skipped.append(Skip("(weights)", _CUSTOM_MODEL))
            self.loads = None
            return {**groups, "": own} if own else groups
        self.stored_as = found
        self.skipped += remarks(units, groups, self.dialect, loads, found)
        left = {unit.name: groups[found[unit.name]] if unit.name in found else {} for unit in units}
        return {**left, "": own} if own else left

    def _walk(self, model: Serialized, left: dict[str, Stored], place: Position) -> None:
        """Give each layer of a model the group of its name."""
        enforce_limit("layer_depth", place.depth, "layers are nested deeper than {limit} levels")
        planner = Planner(self.dialect, self.root_frozen)
        layers = members(model)
        for layer, name in zip(
            layers, names_of(layers, [name for name in left if name]), strict=True
        ):
            named = {**layer, "name": name} if name != name_of(layer) else layer
            if name not in left and layers_of(layer):  # Keras 1 stored nested models flat
                path = place.prefix + name
                self._add(Planned(named, path, path))
                below = place.below(name, named, model=True, certain=True)
                if named.get("class_name") == "Merge" and not self.dialect.penalizes_merge_branches:
                    below = replace(below, forgotten=_MERGED)
                self._walk(named, left, below)
            else:
                self._emit(list(planner.plan(named, place)), left.pop(name, {}))

    def _emit(self, plan: list[Planned], stored: Stored) -> None:
        """Fill the places of a group's layers and add these."""
        names = self._stored_names(plan[0], stored)
        for planned in plan:
            quantize(planned, stored)
        places = [place for planned in plan for place in self._places(planned)]
        wanted = [wanted for wanted, _, _ in places]
        order = in_order(plan, stored, self.dialect) if self.loads else None
        found = match(names, wanted) if order is None else filled_places(order, places)
        filled: dict[int, Named] = {}
        for index, place in found.items():
            _, planned, at = places[place]
            planned.missing.discard(at)
            gate, slot = names[index].gate, planned.slots[at]
            slot = keras1.gate_slot(slot, gate) if gate else slot
            filled.setdefault(id(planned), []).append((slot, names[index]))
        own, others = spare_weights(
            plan, [name for at, name in enumerate(names) if at not in found]
        )
        for planned in plan:
            ranked = sorted(filled.get(id(planned), ()), key=lambda pair: _rank(planned, pair[0]))
            for slot, name in [*ranked, *own.get(id(planned), ())]:
                planned.weights.append(self._weight(planned, slot, *stored[name.name]))
        outermost = plan[0].serialized
        ignored = self.dialect.before_keras_3 or outermost.get("class_name") == "Sequential"
        guessed = own or others  # no table says which of these are trainable
        if order is not None:
            mark_renamed(order, names, places)
        elif not guessed and not self.dialect.multi_backend and (own_flag(outermost) or ignored):
            _mark_misplaced(plan, [path for path, _ in stored.values()])
        for planned in plan:
            self._add(planned)
        for path, named in others.items():
            weights = [(slot, *stored[name.name]) for slot, name in named]
            reason = f"inside {plan[0].path}: measured, but its regularizers are unknown"
            self._add_unknown(path, weights, reason, trainable=plan[0].trainable)

    def _stored_names(self, outermost: Planned, stored: Stored) -> list[StoredName]:
        """Return the names in a group, with that of its layer where the file has another one."""
        names = [StoredName.of(name, keras_1_names=self.dialect.keras_1) for name in stored]
        layer = name_of(outermost.serialized)
        group = self.stored_as.get(layer, layer)
        return names if group == layer else [name.below(group, layer) for name in names]

    def _places(self, planned: Planned) -> Iterator[Place]:
        """Yield the places for weights in a layer, each with the layer and the slot's index."""
        table = self.dialect.keras_1 and planned.serialized.get("class_name") == "Embedding"
        for index, slot in enumerate(planned.slots):
            planned.missing.add(index)
            below = tuple((*chain, slot.below) for chain in planned.chains) if slot.below else ()
            several = slot.at not in {"", "cell"}  # attention: the name must say which sublayer
            chains = below if several else (*below, *planned.chains)
            role = "kernel" if table else slot.role
            wanted = Wanted(role, chains, by_role=planned.certain and not several)
            yield wanted, planned, index

    def _weight(self, planned: Planned, slot: Slot, stored_path: str, tensor: Tensor) -> Weight:
        self.tensors[stored_path] = tensor
        weight = make_weight(
            slot,
            tensor,
            planned.path,
            stored_path,
            config_of(planned.serialized) if planned.known else {},
            trainable=planned.trainable,
            dialect=self.dialect,
        )
        if not planned.known:  # a statistic is one by its name
            weight = replace(weight, trainable_known=not slot.trainable)
        return uncounted(weight, planned.forgotten) if planned.forgotten else weight

    def _add(self, planned: Planned) -> None:
        """Add a planned layer, and note what the file does not say about it."""
        lost = not planned.certain and not planned.weights
        if lost and not has_regularizers(planned.serialized):
            return
        # What it regularizes may lie in parts of it that only its code knows.
        own = planned.weights or has_regularizers(planned.serialized, planned.inside)
        known = (planned.known or not own) and not lost
        weights = tuple(planned.weights)
        if planned.mode and planned.mode != "float8":
            weights, skipped = scaled_back(
                weights,
                planned.slots,
                planned.serialized,
                planned.mode,
                tensors=self.tensors,
                dialect=self.dialect,
            )
            self.skipped += skipped
        layer = make_layer(
            planned.serialized,
            planned.path,
            weights,
            dialect=self.dialect,
            slots=planned.slots,
            known=known,
            inside=planned.inside,
            lost=lost,
            around=planned.around,
            node=planned.node,
        )
        self.layers.append(layer)
        if lost:
            self.skipped.append(Skip(planned.path, LOST))
        elif planned.weights and not known:
            reason = "custom layer: measured, but the regularizers of its weights are unknown"
            self.skipped.append(Skip(planned.path, reason))
        for slot in (planned.slots[at] for at in sorted(planned.missing) if planned.certain):
            self.skipped.append(not_stored(planned.path, slot))
        if activity_unknown(planned.serialized, self.dialect):
            self.activity_unknown.append(planned.path)

    def unattributed(self, group: str, stored: Stored, reason: str) -> None:
        """Take in a group that no layer of the configuration claims: by its names alone."""
        found: dict[str, list[tuple[Slot, str, Tensor]]] = {}
        taken: set[str] = set()
        for text, (stored_path, tensor) in stored.items():
            name = StoredName.of(text, keras_1_names=self.dialect.keras_1)
            path = relative_path(group, name.owner)
            first, same = self.by_name.setdefault(text, (f"{path}/{name.role}", tensor))
            if same is not tensor and not self.dialect.before_keras_3 and _equal(same, tensor):
                # Keras 3 names a variable by its path, wherever it is stored.
                own = f"{group}/{name.role}" not in taken
                path = group if own else f"{group}/{name.owner[-1]}"
                self.shared[stored_path] = first
            taken.add(f"{path}/{name.role}")
            found.setdefault(path, []).append((extra_slot(name), stored_path, tensor))
        for path, weights in found.items():
            self._add_unknown(path, with_units(weights), reason, trainable=not self.root_frozen)

    def _add_unknown(
        self,
        path: str,
        found: list[tuple[Slot, str, Tensor]],
        reason: str,
        *,
        trainable: bool,
    ) -> None:
        """Add a layer that only the weights know."""
        planned = Planned({}, path, path, trainable=trainable, known=False)
        weights = tuple(
            replace(weight, shared_with=self.shared.get(weight.stored_path))
            for weight in (self._weight(planned, *member) for member in found)
        )
        name = path.rpartition("/")[2]
        self.layers.append(
            Layer(path, name, "", {}, trainable=True, known=False, weights=weights, node=path)
        )
        self.skipped.append(Skip(path or "(model)", reason))


def _mark_misplaced(plan: list[Planned], stored: list[str]) -> None:
    """Note which weights get each other's values from Keras, which loads a group by order.

    A group is stored with the weights first that were trainable then, and loaded with those first
    that are once loaded; what was thawed inside a frozen model, or thaws by loading, moves. Not so
    where the frozen one gets its flag back from the load: then none of it counts, before or after.
    """
    at = {path: index for index, path in enumerate(stored)}
    natural = [
        (planned, weight)
        for planned in plan
        for weight in sorted(planned.weights, key=lambda weight: at[weight.stored_path])
    ]
    sure = all(planned.certain and (planned.known or not planned.weights) for planned in plan)
    if len(natural) != len(stored) or not sure:
        return  # what custom layers hold may be anywhere
    loaded = sorted(natural, key=lambda pair: not pair[1].trainable)
    for (planned, weight), path in zip(loaded, stored, strict=True):
        if weight.stored_path != path:
            planned.weights[planned.weights.index(weight)] = replace(weight, loads_from=path)


def _rank(planned: Planned, slot: Slot) -> int:
    """Where a slot stands in the layer; gates, each with a slot of its own, stay as stored."""
    return planned.slots.index(slot) if slot in planned.slots else 0


def with_units(found: list[tuple[Slot, str, Tensor]]) -> list[tuple[Slot, str, Tensor]]:
    """Give a kernel units where a bias has as many values; not a recurrent one, which has gates."""
    shapes = {slot.role: tensor.shape for slot, _, tensor in found}
    kernel, bias = shapes.get("kernel", ()), shapes.get("bias")
    if "recurrent_kernel" in shapes or len(kernel) < 2 or bias != kernel[-1:]:
        return found
    return [
        (replace(slot, units=last_axis) if slot.role == "kernel" else slot, stored_path, tensor)
        for slot, stored_path, tensor in found
    ]


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same values."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return all(
        bool((left == right).all())
        for left, right in zip(one.blocks(), other.blocks(), strict=True)
    )
