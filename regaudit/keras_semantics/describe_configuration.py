"""A configuration alone described as a model: with the weights that a load of it would make.

Each has the place, the regularizer and, where the shapes of inputs can be followed to it, the shape
that Keras gives it. It has no values. What has no shape by the configuration is only counted.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UnreadableModelError
from regaudit.keras_semantics import keras1
from regaudit.keras_semantics.build import (
    activity_skip,
    activity_unknown,
    has_regularizers,
    is_custom,
    make_layer,
    make_weight,
    regularizer_of,
    uncounted,
    weight_path,
)
from regaudit.keras_semantics.compile_state import CompileState, compiled_by
from regaudit.keras_semantics.config_graph import Serialized, config_of, layers_of, members
from regaudit.keras_semantics.describe import Description, freezes_all, make_model
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.expected_layers import Planned, Planner, Position
from regaudit.keras_semantics.expected_shapes import expected_shape
from regaudit.keras_semantics.input_shapes import with_input_shapes
from regaudit.keras_semantics.layer_table import Slot
from regaudit.keras_semantics.which_keras import loading_version
from regaudit.keras_semantics.whole_configuration import check_configuration
from regaudit.limits import enforce_limit
from regaudit.model import Layer, Regularizer, Skip, Weight
from regaudit.tensors.tensor import Array, Tensor

CUSTOM = "custom layer: this configuration does not tell which weights it has"
_LARGEST = 1 << 50
"""Values of a weight that no machine holds: a size was written wrong."""
_NO_SHAPE = "its shape does not follow from the configuration"


class ImpliedTensor(Struct, frozen=True):
    """A weight of which only the configuration is there: shape and type, and no values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Refuse: no file has the values."""
        raise UnreadableModelError(f"values {start} to {stop} of a weight that is not stored")


def describe_configuration(config: Serialized, name: str) -> Description:
    """Describe the model that a configuration makes.

    Args:
        config: as `parse_configuration` returns it.
        name: of the file.

    Raises:
        UnreadableModelError: it is not the configuration of a model.
        UnsafeFileError: models are nested too deeply.
    """
    check_configuration(config, name)
    version = loading_version(config, None)
    if not config.get("keras_version") and keras1.has_options_of_keras_1(config):
        version = "1.1 (assumed)"
    dialect = Dialect.of(version)
    walk = _Walk(dialect, freezes_all(config) and not dialect.before_keras_3)
    walk.model(with_input_shapes(_readable(config, dialect)))
    model = make_model(
        config, walk.layers, keras_version=version, compiled=_compiled(config, version)
    )
    return Description(replace(model, stored=False), walk.tensors, tuple(walk.skipped))


def describe_with_values(
    config: Serialized, values: Mapping[str, Tensor], name: str
) -> Description:
    """Describe the model that a configuration makes, with the values of its weights.

    Args:
        config: as `parse_configuration` returns it.
        values: by Keras's path of the weight, such as `encoder/dense/kernel`.
        name: of the file.

    Raises:
        UnreadableModelError: it is not the configuration of a model, or the values of a weight are
            missing or of another shape.
        UnsafeFileError: models are nested too deeply.
    """
    found = describe_configuration(config, name)
    tensors: dict[str, Tensor] = {}
    for _, weight in found.model.weights():
        tensor = values.get(weight.path)
        if tensor is None:
            raise UnreadableModelError(f"{name} has no values for {weight.path}")
        if tuple(tensor.shape) != weight.shape:
            shapes = f"{list(tensor.shape)}, not {list(weight.shape)}"
            raise UnreadableModelError(f"{name} has values for {weight.path} of shape {shapes}")
        tensors[weight.stored_path] = tensor
    left = sorted(values.keys() - {weight.path for _, weight in found.model.weights()})
    skipped = (Skip(path, "values of no layer of the configuration") for path in left)
    model = replace(found.model, stored=True)
    return Description(model, tensors, (*found.skipped, *skipped))


def _readable(config: Serialized, dialect: Dialect) -> Serialized:
    """Return a configuration with the options that tell shapes under the names of Keras 2."""
    return keras1.with_sizes(config) if dialect.keras_1 else config


def _compiled(config: Serialized, version: str | None) -> CompileState:
    """Return how the model was compiled, as far as its configuration tells."""
    stored = config.get("compile_config")
    if isinstance(stored, Mapping) and stored:
        return compiled_by(stored, "optimizer", version)
    return CompileState(optimizer_known=False)


class _Walk(Struct):
    """One walk through the layers that a load makes."""

    dialect: Dialect
    root_frozen: bool
    layers: list[Layer] = []
    tensors: dict[str, Tensor] = {}
    skipped: list[Skip] = []
    activity_unknown: list[str] = []

    def model(self, root: Serialized) -> None:
        """Take in a model with all that is inside it."""
        planner = Planner(self.dialect, self.root_frozen)
        inside = members(root) if layers_of(root) else []
        own = not is_custom(root)
        if has_regularizers(root, inside) or not (inside or own):
            plan = list(planner.plan(root, Position()))
            self._add(replace(plan[0], path="", node="", inside=tuple(inside) or plan[0].inside))
        for layer in inside:
            for planned in planner.plan(layer, Position()):
                self._add(planned)
        if self.activity_unknown:
            self.skipped.append(activity_skip(self.activity_unknown))

    def _add(self, planned: Planned) -> None:
        enforce_limit("layers", len(self.layers) + 1, "the model has more than {limit} layers")
        if planned.known:
            slots = {slot: self._weight(planned, slot) for slot in planned.slots}
            left = [slot for slot, weight in slots.items() if weight is None]
            unshaped = [weight_path(planned.path, slot) for slot in left]
            self.skipped += [Skip(path, _NO_SHAPE) for path in unshaped]
        else:
            slots, left, unshaped = {}, [], [planned.path]
            self.skipped.append(Skip(planned.path or "(model)", CUSTOM))
        layer = make_layer(
            planned.serialized,
            planned.path,
            tuple(weight for weight in slots.values() if weight is not None),
            dialect=self.dialect,
            slots=planned.slots,
            known=planned.known,
            inside=planned.inside,
            around=planned.around,
            node=planned.node,
        )
        placed = {weight.regularizer_key for weight in layer.weights}
        lost = self._regularizers(planned, [s for s in left if s.regularizer_key not in placed])
        loose = {**layer.unplaced, **lost}
        self.layers.append(replace(layer, unplaced=loose, unshaped=tuple(unshaped)))
        if activity_unknown(planned.serialized, self.dialect):
            self.activity_unknown.append(planned.path)

    def _weight(self, planned: Planned, slot: Slot) -> Weight | None:
        """Return the weight that a load makes for a slot; None if its shape is not known."""
        config = config_of(planned.serialized)
        shape = None if _is_packed(config) else expected_shape(planned.serialized, slot)
        if shape is None or None in shape or slot.role.startswith("lora_"):
            return None
        if self.dialect.keras_1 and not keras1.is_whole(planned.serialized):
            return None
        sizes = tuple(size for size in shape if size is not None)
        if prod(sizes) > _LARGEST:
            return None
        tensor = ImpliedTensor(sizes, _dtype(config.get("dtype")))
        path = weight_path(planned.path, slot)
        enforce_limit("key_bytes", len(path), "the model has a name longer than {limit} characters")
        self.tensors[path] = tensor
        weight = make_weight(
            slot,
            tensor,
            planned.path,
            path,
            config,
            trainable=planned.trainable,
            dialect=self.dialect,
        )
        return uncounted(weight, planned.forgotten) if planned.forgotten else weight

    def _regularizers(self, planned: Planned, slots: list[Slot]) -> dict[str, Regularizer]:
        """Return what regularizes weights without a known shape, by the key that says so."""
        config = config_of(planned.serialized)
        found = {
            str(slot.regularizer_key): regularizer_of(
                slot, config, trainable=planned.trainable, dialect=self.dialect
            )
            for slot in slots
        }
        return {key: one for key, one in found.items() if one is not None}


def _is_packed(config: Mapping[str, Any]) -> bool:
    """Whether a layer was quantized: then what it stores are codes."""
    policy = config.get("dtype")
    named = policy.get("class_name") if isinstance(policy, Mapping) else None
    return bool(config.get("quantization_config")) or str(named).startswith("Quantized")


def _dtype(policy: Any) -> np.dtype[Any]:
    """Return the type of variables by a layer's `dtype`: a name, or a policy of Keras 2 or 3."""
    if isinstance(policy, Mapping):
        policy = config_of(policy).get("name")
    name = policy if isinstance(policy, str) else "float32"
    return np.dtype(name) if name in _TYPES else np.dtype("float32")


_TYPES = frozenset({"float16", "float32", "float64"})
"""Of variables; under `mixed_...` they are of 32 bits."""
