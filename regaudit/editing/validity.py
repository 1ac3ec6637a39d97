"""Which edits can have an effect on which model, and why the others cannot."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from regaudit.editing.config_edit import same, understood
from regaudit.errors import RefusedEditError, UsageError, did_you_mean
from regaudit.keras_semantics.activity import Surroundings, fate, inside
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import (
    LAYERS,
    MODELS,
    WRAPPED_OF_KERAS_2,
    Slot,
    all_slots,
    is_built_in,
)
from regaudit.model import Layer, Model, Regularizer, Status, Weight
from regaudit.report.proposal import Edit

ACTIVITY = "activity_regularizer"
_SUFFIX = "_regularizer"


def matching(model: Model, glob: str) -> list[Layer]:
    """Return the layers whose path is, or matches, a glob.

    Raises:
        UsageError: there are none.
    """
    exact = [layer for layer in model.layers if layer.path == glob]
    found = exact or [layer for layer in model.layers if fnmatchcase(layer.path, glob)]
    if found:
        return found
    for layer, weight in model.weights():
        if fnmatchcase(weight.path.rpartition("/")[0], glob):
            message = (
                f"{glob} is inside {layer.path}, whose keys apply to all of it: name that layer"
            )
            raise UsageError(message)
    paths = [layer.path for layer in model.layers]
    raise UsageError(f"no layer matches {glob!r}{did_you_mean(glob, paths)}")


def keys_of(layer: Layer, dialect: Dialect) -> dict[str, str]:
    """Return the keys that regularize something in a layer, by the names of their slots.

    A slot bears the name of its key, `recurrent`, and also that of its weight, `recurrent_kernel`.
    """
    slots = {}
    for weight in layer.weights:
        if weight.regularizer_key and _owns(layer, weight.regularizer_key, dialect):
            slots[weight.role] = weight.regularizer_key
            slots[weight.regularizer_key.removesuffix(_SUFFIX)] = weight.regularizer_key
    if not layer.known:
        keys = (key for key in layer.config if key.endswith(_SUFFIX))
        slots.update({key.removesuffix(_SUFFIX): key for key in keys})
    if not _why_no_activity(layer, dialect):
        slots["activity"] = ACTIVITY
    return slots


def is_so(model: Model, edit: Edit) -> bool:
    """Whether a model already has what an edit would give it; False where the file does not say.

    Nothing is to be written then, whatever an edit of this place would be refused for.
    """
    layers = [layer for layer in model.layers if layer.path == edit.layer]
    if not layers or not model.class_name or not edit.key.endswith(_SUFFIX):
        return False
    dialect = Dialect.of(model.keras_version)
    try:
        return all(same(layer.config.get(edit.key), edit.value, dialect) for layer in layers)
    except UsageError:
        return False


def refusal(model: Model, edit: Edit, *, force: bool = False) -> str:
    """Say why an edit cannot work, in one sentence; empty if it can, or if it `is_so` already.

    Args:
        model: as the file describes it.
        edit: see there.
        force: whether weights may be edited that are frozen, which acts once they are thawed, or
            that are not of float32, which acts where `keras.config.floatx()` is their dtype.

    Raises:
        UsageError: there is no such layer, its key or its value is not that of a regularizer.
    """
    dialect = Dialect.of(model.keras_version)
    layers = [layer for layer in model.layers if layer.path == edit.layer]
    if not layers:
        near = did_you_mean(edit.layer, [layer.path for layer in model.layers])
        raise UsageError(f"no layer is called {edit.layer!r}{near}")
    if not edit.key.endswith(_SUFFIX):
        raise UsageError(f"{edit.key!r} of {edit.layer} is not the key of a regularizer")
    if is_so(model, edit):
        return ""
    try:
        regularizer = None if edit.value is None else understood(edit.value)
    except UsageError as error:
        raise UsageError(f"{edit.layer}, {edit.key}: {error}") from error
    layer = layers[0]
    if len(layers) > 1:
        return f"the file has more than one layer called {layer.path}"
    if regularizer and edit.key == ACTIVITY and (why := _why_not_seen(model, layer, dialect)):
        return why
    if (why := _why_not_custom(layer, edit.key)) or not layer.known:
        return why
    if regularizer is None:
        return ""
    if edit.key == ACTIVITY:
        why = _why_no_activity(layer, dialect)
        clash = "" if force else _why_not_added(_computed(layer), dialect)
        return why or (f"the output of {layer.path} {clash}" if clash else "")
    return _why_not_on_weights(layer, edit.key, regularizer, dialect, force=force)


def _why_not_seen(model: Model, layer: Layer, dialect: Dialect) -> str:
    """Say why an activity regularizer would never act on a layer; empty if it may."""
    around = Surroundings()
    for one in _around(model, layer):
        around = inside(one.class_name, one.config, around, dialect, custom=_is_custom(one))
    status, why = fate(layer.class_name, around, dialect, custom=_is_custom(layer))
    if status is Status.IN_FORCE:
        return ""
    return f"an activity regularizer would not act on {layer.path}: {why}"


def _is_custom(layer: Layer) -> bool:
    """Whether the class is not Keras's own, whatever is known of the layer otherwise."""
    return not (layer.known or is_built_in(layer.class_name))


def _around(model: Model, layer: Layer) -> Iterator[Layer]:
    """Yield the layers that a layer is inside of, the outermost first."""
    paths = {one.path: one for one in model.layers}
    parts = layer.path.split("/")
    above = ("/".join(parts[:end]) for end in range(1, len(parts)))
    yield from (paths[path] for path in above if path in paths)


def _why_not_custom(layer: Layer, key: str) -> str:
    """Say why a custom layer would not take a regularizer; empty if it should, and for others.

    It takes what its own code takes, whatever it is declared to read as.
    """
    if layer.known and not layer.custom_class:
        return ""
    if not layer.class_name:
        return f"the file has no configuration of {layer.path}: its regularizers are unknown"
    if key not in layer.config:
        return f"{layer.path} is a custom layer whose configuration has no {key}"
    if not isinstance(layer.config[key], str | Mapping | None):
        return f"{layer.path} is a custom layer that stores its {key} in its own format"
    placed = {weight.regularizer_key for weight in layer.weights}
    if layer.placed_as and key == "kernel_regularizer" and key not in placed:
        # Keras 2 writes this key for separable layers, too, which have no such kernel.
        return f"{layer.path} is like a {layer.placed_as}, which has no use for {key}"
    return ""


def _why_not_on_weights(
    layer: Layer, key: str, regularizer: Regularizer, dialect: Dialect, *, force: bool
) -> str:
    weights = [weight for weight in layer.weights if weight.regularizer_key == key]
    if not weights or not _owns(layer, key, dialect):
        return _why_no_slot(layer, key, dialect)
    for weight in weights:
        fault = _fault(layer, weight, force=force)
        if not fault and not force:
            fault = _why_not_added(weight.dtype, dialect)
        if not fault and regularizer.class_name == "OrthogonalRegularizer":
            fault = _why_not_orthogonal(weight, regularizer.config["mode"])
        if fault:
            return f"{weight.path} {fault}"
    return ""


def shared(model: Model, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Add the same edit to the layers that share a weight with an edited one.

    Raises:
        RefusedEditError: two edits of one place disagree.
    """
    dialect = Dialect.of(model.keras_version)
    found: dict[tuple[str, str], Edit] = {}
    for edit in edits:
        for one in (edit, *_siblings(model, edit, dialect)):
            first = found.setdefault((one.layer, one.key), one)
            if first.value != one.value:
                raise RefusedEditError(f"two edits of {one.layer} give it different {one.key}s")
    return tuple(found.values())


def _siblings(model: Model, edit: Edit, dialect: Dialect) -> Iterator[Edit]:
    pairs = [(layer, weight) for layer, weight in model.weights() if weight.regularizer_key]
    own = {
        weight.shared_with or weight.path
        for layer, weight in pairs
        if layer.path == edit.layer and weight.regularizer_key == edit.key
    }
    for layer, weight in pairs:
        key = weight.regularizer_key
        if (weight.shared_with or weight.path) in own and key and _owns(layer, key, dialect):
            yield Edit(layer.path, key, edit.value)


def _owns(layer: Layer, key: str, dialect: Dialect) -> bool:
    """Whether a key belongs into the configuration of this very layer, not of one inside."""
    return any(slot.regularizer_key == key for slot in _slots(layer, dialect))


def _slots(layer: Layer, dialect: Dialect) -> tuple[Slot, ...]:
    return all_slots(layer.class_name, before_keras_3=dialect.before_keras_3) or ()


def _fault(layer: Layer, weight: Weight, *, force: bool) -> str:
    """Say why a regularizer on a weight would not act; empty if it would."""
    if not weight.dtype.startswith(("float", "bfloat")):
        return f"is quantized ({weight.dtype}): Keras drops its regularizer"
    if layer.config.get("quantization_config") and weight.role != "bias" and not weight.trainable:
        return "is quantized: Keras drops its regularizer"
    if layer.config.get("lora_rank") and not weight.trainable:
        return "is frozen by LoRA: once loaded, its penalty is not added to the loss"
    if not weight.trainable and not force:
        return "is frozen: a regularizer has no effect until it is unfrozen; --force sets it anyway"
    return ""


def _why_not_added(dtype: str, dialect: Dialect) -> str:
    """Say why a penalty cannot be added to the loss; empty if it can.

    Keras 3.8 to 3.15 stack the loss, of floatx, and the penalties, of the dtype of what they are
    computed from; before, L1 and orthogonal regularizers failed by themselves on other dtypes.
    """
    if dialect.before_keras_3 or dtype in {"float32", ">f4"}:
        return ""
    return (
        f"is {dtype}: unless floatx is {dtype} too, Keras fails to add its penalty to the loss "
        "in training; --force sets it anyway"
    )


def _computed(layer: Layer) -> str:
    """Return the dtype in which a layer computes, by its policy."""
    policy = layer.config.get("dtype")
    if isinstance(policy, Mapping):
        config = policy.get("config")
        policy = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(policy, str):
        return "float32"
    return policy.rpartition("_from_")[2].removeprefix("mixed_")


def _why_not_orthogonal(weight: Weight, mode: str) -> str:
    if len(weight.shape) != 2:
        return "is not a matrix: Keras computes orthogonality only for matrices"
    count = weight.shape[0 if mode == "rows" else 1]
    return "" if count > 1 else f"has only one of its {mode}: the penalty would be NaN"


def _why_no_slot(layer: Layer, key: str, dialect: Dialect) -> str:
    slot = next((s for s in _slots(layer, dialect) if s.regularizer_key == key), None)
    if slot is not None and not slot.when(layer.config):
        return f"{layer.path} has no {slot.role}: its options switch that off"
    if slot is not None and any(weight.role == slot.role for weight in layer.weights):
        return f"{layer.path} is made by KerasHub's code: the configuration has no entry for it"
    if slot is not None:
        return f"the file contains no {slot.role} of {layer.path}: the layer was not built"
    if layer.class_name in WRAPPED_OF_KERAS_2:
        return f"{layer.path} only wraps another layer: edit that layer, {layer.path}/*"
    if layer.class_name in MODELS:
        return f"{layer.path} is a model: edit the layers in it, {layer.path}/*"
    names = dict.fromkeys(k.removesuffix(_SUFFIX) for k in keys_of(layer, dialect).values())
    having = f"it has {', '.join(names)}" if names else "it has none"
    return f"{layer.path}, a {layer.class_name}, has no slot {key.removesuffix(_SUFFIX)}: {having}"


def _why_no_activity(layer: Layer, dialect: Dialect) -> str:
    """Say why an activity regularizer would not act on a layer; empty if it would."""
    name = layer.class_name
    status, why = fate(name, Surroundings(), dialect)
    if status is Status.INERT:
        return f"{layer.path}: {why}"
    if name == "ActivityRegularization":
        return f"{layer.path} is itself a regularizer: its options l1 and l2 are its strengths"
    there = layer.activity_regularizer is not None or ACTIVITY in layer.config
    table = name in LAYERS and name != "Discretization" and not dialect.before_keras_3
    if there or table:
        return ""
    return f"{layer.path}, a {name}, has no activity regularizer"
