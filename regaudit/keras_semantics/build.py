"""One stored tensor, its slot and its layer's configuration made into a weight; likewise layers."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from regaudit.keras_semantics.activity import Surroundings, fate, inside, writes_down
from regaudit.keras_semantics.config_graph import Serialized, config_of, name_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import Slot
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.limits import enforce_limit
from regaudit.model import Layer, Regularizer, Skip, Status, Weight
from regaudit.tensors.tensor import Tensor


def make_weight(
    slot: Slot,
    tensor: Tensor,
    path: str,
    stored_path: str,
    config: Serialized,
    *,
    trainable: bool,
    dialect: Dialect,
) -> Weight:
    """Make the weight that fills a slot.

    Args:
        slot: the place it fills.
        tensor: its values.
        path: of the layer.
        stored_path: where the values lie.
        config: of the layer; empty where it is not known.
        trainable: whether a load leaves the layer trainable.
        dialect: of the Keras that saved the file.
    """
    key = slot.regularizer_key
    return Weight(
        path=weight_path(path, slot),
        stored_path=stored_path,
        role=slot.role,
        shape=tensor.shape,
        dtype=_name_of(tensor.dtype),
        trainable=trainable and slot.trainable and not _is_lora(slot, config),
        regularizer=regularizer_of(slot, config, trainable=trainable, dialect=dialect),
        regularizer_key=key,
        constraint=_constraint(config, slot),
        units=slot.units(tensor.shape, config),
    )


def regularizer_of(
    slot: Slot, config: Serialized, *, trainable: bool, dialect: Dialect
) -> Regularizer | None:
    """Return what regularizes the weight that fills a slot; see `make_weight`."""
    key = slot.regularizer_key
    found = parse_regularizer(config.get(key), dialect) if key else None
    if found is None:
        return None
    lora = _is_lora(slot, config)
    return _in_effect(found, slot, trainable and slot.trainable and not lora, lora, dialect)


def _is_lora(slot: Slot, config: Serialized) -> bool:
    """Whether LoRA has frozen a weight and trains what it adds to it."""
    return bool(config.get("lora_rank")) and slot.role in {"kernel", "embeddings"}


def weight_path(layer: str, slot: Slot) -> str:
    """Return the path of the weight that fills a slot of a layer."""
    return "/".join(filter(None, (layer, slot.below, slot.role)))


def not_stored(layer: str, slot: Slot) -> Skip:
    """Note that nothing stored fills a slot."""
    reason = "not stored in this file (the layer was not built, or shares its weights)"
    return Skip(weight_path(layer, slot), reason)


@cache
def _name_of(dtype: np.dtype[Any]) -> str:
    """Return a dtype's name; NumPy takes longer for that than for all else that makes a weight."""
    return str(dtype)


def uncounted(weight: Weight, why: str) -> Weight:
    """Return a weight that this Keras forgets to regularize, with the reason."""
    if weight.regularizer is None:
        return weight
    return replace(weight, regularizer=replace(weight.regularizer, status=Status.INERT, why=why))


_NOTHING = Surroundings()


def make_layer(
    serialized: Serialized,
    path: str,
    weights: tuple[Weight, ...],
    *,
    dialect: Dialect,
    slots: tuple[Slot, ...] = (),
    known: bool = True,
    node: str = "",
    inside: Iterable[Serialized] = (),
    lost: bool = False,
    around: Surroundings = _NOTHING,
) -> Layer:
    """Make a layer out of its serialized form and its weights.

    Args:
        serialized: as it stands in the configuration.
        path: names of the layers from below the model down to it.
        weights: in stored order.
        dialect: of the Keras that saved the file.
        slots: those that its options call for.
        known: whether it is a built-in layer.
        node: path of the graph node that calls it, if that is not the layer itself.
        inside: the layers in its configuration that are made by themselves.
        lost: whether custom code holds it, so that its weights cannot be told from others.
        around: what the layers around it do with it.
    """
    enforce_limit(
        "key_bytes", len(path), "the model has a layer with a path longer than {limit} characters"
    )
    config = config_of(serialized)
    missing = {slot.regularizer_key for slot in slots}
    loose = _Loose(dialect, known, LOST if lost else CUSTOM, missing)
    skipped = {id(config_of(layer)) for layer in inside}
    own = is_custom(serialized) or not (known or lost)
    return Layer(
        path=path,
        name=name_of(serialized),
        class_name=class_name_of(serialized),
        config=config,
        trainable=own_flag(serialized),
        known=known,
        weights=weights,
        activity_regularizer=_activity(serialized, dialect, around),
        unplaced={
            key: regularizer
            for key, value in _configured(config, skipped if own else None)
            if key not in {"activity_regularizer", *(weight.regularizer_key for weight in weights)}
            and (regularizer := loose.read(key, value))
        },
        node=node or path,
    )


_PACKAGES = frozenset(
    {
        *("keras", "keras_core", "tf_keras", "tensorflow", "builtins"),
        "tensorflow_model_optimization",
    }
)
"""In which the classes live that are known: Keras's own, and the wrappers of the toolkit.

`keras_core` became Keras 3.
"""


def is_custom(serialized: Serialized) -> bool:
    """Whether the class is not Keras's own, whatever it is called."""
    registered = serialized.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        package = registered.partition(">")[0]
        return package.split(".")[0] not in _PACKAGES
    module = serialized.get("module")
    return isinstance(module, str) and module.split(".")[0] not in _PACKAGES


def class_name_of(serialized: Serialized) -> str:
    """Return the class as reports name it: a custom one with its package."""
    registered = serialized.get("registered_name")
    if is_custom(serialized) and isinstance(registered, str):
        return registered
    return str(serialized.get("class_name", ""))


def own_flag(serialized: Serialized) -> bool:
    """Return the layer's own `trainable`."""
    return bool(config_of(serialized).get("trainable", True))


def _in_effect(
    regularizer: Regularizer, slot: Slot, trainable: bool, lora: bool, dialect: Dialect
) -> Regularizer:
    """Lower the status of a regularizer that its weight keeps from acting."""
    if regularizer.status not in {Status.IN_FORCE, Status.OPAQUE}:
        return regularizer
    if not slot.trainable:
        why = "the weight is quantized: Keras drops its regularizer"
        return replace(regularizer, status=Status.INERT, why=why)
    if lora:
        why = "LoRA: after loading the merged kernel is frozen and adds no penalty"
        return replace(regularizer, status=Status.FROZEN, why=why)
    if not trainable and dialect.frozen_weights_penalized:
        why = "the weight is frozen: in Keras 2 its penalty is a constant without a gradient"
        opaque = regularizer.status is Status.OPAQUE
        return regularizer if opaque else replace(regularizer, status=Status.FROZEN, why=why)
    if not trainable:
        why = "the weight is frozen: Keras 3 adds no penalty for it"
        return replace(regularizer, status=Status.FROZEN, why=why)
    return regularizer


def inside_of(serialized: Serialized, around: Surroundings, dialect: Dialect) -> Surroundings:
    """Return the surroundings of the layers that stand directly in a layer, from its own."""
    custom, class_name = is_custom(serialized), str(serialized.get("class_name"))
    return inside(class_name, config_of(serialized), around, dialect, custom=custom)


def _activity(serialized: Serialized, dialect: Dialect, around: Surroundings) -> Regularizer | None:
    """The regularizer of the layer's output."""
    config, custom = config_of(serialized), is_custom(serialized)
    class_name = str(serialized.get("class_name"))
    if class_name == "ActivityRegularization" and not custom:
        strengths = {key: config.get(key, 0.0) for key in ("l1", "l2")}
        found = parse_regularizer({"class_name": "L1L2", "config": strengths}, dialect)
    else:
        found = parse_regularizer(config.get("activity_regularizer"), dialect)
    if found is None or found.status not in {Status.IN_FORCE, Status.OPAQUE}:
        return found
    status, why = fate(class_name, around, dialect, custom=custom)
    if found.status is Status.OPAQUE and status is Status.IN_FORCE:
        return found
    return replace(found, status=status, why=why)


def activity_unknown(serialized: Serialized, dialect: Dialect) -> bool:
    """Whether the file does not say if the layer has an activity regularizer."""
    if dialect.stores_activity or "activity_regularizer" in config_of(serialized):
        return False
    return not writes_down(str(serialized.get("class_name")), dialect)


def activity_skip(layers: list[str]) -> Skip:
    """Say that the activity regularizers of layers are not in the file."""
    reason = (
        f"activity regularizers of {len(layers)} layer{'s' * (len(layers) > 1)} are unknown: "
        "Keras 3.0 to 3.3 did not "
        "store them; save the model again with Keras 3.4 or later"
    )
    return Skip("(model)", reason)


def has_regularizers(layer: Serialized, inside: Iterable[Serialized] = ()) -> bool:
    """Whether a layer, or what it holds but for `inside`, is configured to be regularized."""
    adds = layer.get("class_name") == "ActivityRegularization"
    skipped = {id(config_of(one)) for one in inside}
    return adds or any(True for _ in _configured(config_of(layer), skipped))


def _configured(
    config: Mapping[str, Any], skipped: set[int] | None, path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the regularizers in a configuration, by key, and by path where they lie deeper.

    Args:
        config: to look into.
        skipped: identities of the configurations in it that are layers by themselves; None to
            look no deeper.
        path: of keys that lead to it, with a dot.
    """
    for key, value in config.items():
        if value is None:
            continue
        if key.endswith("_regularizer") or (skipped is not None and _is_regularizer(value)):
            yield f"{path}{key}", value
        elif skipped is not None:
            yield from _deeper(value, skipped, f"{path}{key}")


def _deeper(value: Any, skipped: set[int], path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and not {id(value), id(value.get("config"))} & skipped:
        yield from _configured(value, skipped, f"{path}.")
    elif isinstance(value, list):
        yield from _configured({f"[{at}]": item for at, item in enumerate(value)}, skipped, path)


def _is_regularizer(value: Any) -> bool:
    """Whether a value is a regularizer written out, whatever key it has."""
    return isinstance(value, Mapping) and "regularizers" in str(value.get("module")).split(".")


CUSTOM = "custom layer: the file does not say which weight it is for"
LOST = "held by custom code: which of the stored weights are its own cannot be told"
_NOT_STORED = "its weight is not stored here: the layer was not built, or shares its weights"


class _Loose(NamedTuple):
    """What becomes of the regularizers of one layer that no stored weight takes up."""

    dialect: Dialect
    known: bool
    why: str
    """Of a layer that is not known."""
    missing: set[str | None]
    """Keys of weights that the layer has, and the file has not."""

    def read(self, key: str, value: Any) -> Regularizer | None:
        regularizer = parse_regularizer(value, self.dialect)
        if regularizer is None or (self.known and regularizer.status is Status.UNKNOWN):
            return regularizer  # Keras reads it before it finds no use for it
        if not self.known:
            return replace(regularizer, status=Status.UNKNOWN, why=self.why)
        if key in self.missing:
            return replace(regularizer, status=Status.UNKNOWN, why=_NOT_STORED)
        return replace(regularizer, status=Status.INERT, why="the layer has no weight for it")


def _constraint(config: Serialized, slot: Slot) -> str | None:
    value = config.get(slot.constraint_key) if slot.constraint_key else None
    name = value.get("class_name") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else None
