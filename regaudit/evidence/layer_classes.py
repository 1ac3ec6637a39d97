"""Classes of layers, by what they do to the values that pass through them."""

from regaudit.keras_semantics.layer_table import (
    KERNEL_ROLES,
    LAYERS,
    LAYERS_OF_KERAS_2,
)
from regaudit.keras_semantics.weightless_layers import (
    ACTIVATIONS,
    POOLING,
    RANDOM_REGULARIZERS,
    RESHAPING,
)

WITH_KERNELS = frozenset(
    name
    for layers in (LAYERS, LAYERS_OF_KERAS_2)
    for name, slots in layers.items()
    if any(slot.role in KERNEL_ROLES for slot in slots)
)
"""Built-in classes that transform what feeds them by weights."""

ONE_BY_ONE = frozenset(
    {*POOLING, *RESHAPING, *ACTIVATIONS, *RANDOM_REGULARIZERS, "ActivityRegularization"}
)
"""Layers that pass on what feeds them, each value by itself or pooled."""
