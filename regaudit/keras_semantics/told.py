"""Which regularizers a file tells: that none is there is known only where one would be shown."""

from collections.abc import Iterable

from msgspec.structs import replace

from regaudit.keras_semantics.build import activity_unknown
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.hub_classes import is_of_hub
from regaudit.keras_semantics.layer_table import OPTIMIZATION_WRAPPERS, all_slots, is_built_in
from regaudit.keras_semantics.weightless_layers import FOREIGN
from regaudit.model import Layer, Status, Weight


def marked(layers: Iterable[Layer], dialect: Dialect) -> tuple[Layer, ...]:
    """Return layers with a mark on each regularizer of theirs that the file does not tell."""
    return tuple(_marked(layer, dialect) for layer in layers)


def with_freezing_untold(layers: Iterable[Layer]) -> list[Layer]:
    """Return the layers of a custom model that is saved as frozen.

    Whether it is again once loaded depends on what its code does with `trainable`. What is frozen
    by itself is so in any case.
    """
    return [replace(layer, weights=tuple(map(_may_be_frozen, layer.weights))) for layer in layers]


def _may_be_frozen(weight: Weight) -> Weight:
    if not weight.trainable:
        return weight
    regularizer = weight.regularizer
    if regularizer and regularizer.status is Status.IN_FORCE:
        regularizer = replace(regularizer, status=Status.UNKNOWN, why=_MAY_BE_FROZEN)
    return replace(weight, trainable=False, trainable_known=False, regularizer=regularizer)


_MAY_BE_FROZEN = (
    "the model is custom and saved as frozen: its code decides whether it is once loaded"
)


def _marked(layer: Layer, dialect: Dialect) -> Layer:
    own = bool(all_slots(layer.class_name, before_keras_3=dialect.before_keras_3))
    own = own or is_of_hub(layer.class_name)
    told = [regularizer_told(layer, weight, own=own) for weight in layer.weights]
    activity = activity_told(layer, dialect)
    if all(told) and activity:
        return layer
    weights = tuple(
        weight if known else replace(weight, regularizer_known=False)
        for weight, known in zip(layer.weights, told, strict=True)
    )
    return replace(layer, weights=weights, activity_known=activity)


def regularizer_told(layer: Layer, weight: Weight, *, own: bool) -> bool:
    """Whether a file tells what regularizes a weight.

    It does for the weights that Keras's own layers make, if their configuration is there. Custom
    code may give any of its weights a regularizer, whatever its configuration says.

    Args:
        layer: the weight's.
        weight: stored in the file.
        own: whether the class of the layer makes weights itself.
    """
    if weight.regularizer is not None:
        return True
    if layer.class_name and weight.shared_with is not None:
        return True  # the other one carries it
    if layer.known and layer.class_name in {*FOREIGN, *OPTIMIZATION_WRAPPERS}:
        return True  # nobody gives any of these a penalty
    if not layer.known or not layer.claims(weight):
        return False
    return own or (weight.trainable_known and not weight.trainable)


def activity_told(layer: Layer, dialect: Dialect) -> bool:
    """Whether a file tells if the output of a layer has a regularizer."""
    if layer.activity_regularizer is not None or "activity_regularizer" in layer.config:
        return True
    if not layer.class_name or not layer.known:
        return False
    if not is_built_in(layer.class_name) and not is_of_hub(layer.class_name):
        return False
    return not activity_unknown({"class_name": layer.class_name, "config": layer.config}, dialect)
