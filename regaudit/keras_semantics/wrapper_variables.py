"""What the variables of wrappers are that change the weights of a layer inside them.

Those of TensorFlow's model optimization toolkit and of TensorFlow Addons, in files that number
variables instead of naming them. A wrapper stores the layer's own variables a second time, or takes
them over, and its state besides: masks, thresholds, ranges and counters, which no gradient changes.
`fixtures/nearly_keras.py` has the libraries' own word for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.layer_table import KERNEL_ROLES, Slot
from regaudit.keras_semantics.parent_classes import may_be
from regaudit.tensors.tensor import Tensor


class Kept(NamedTuple):
    """What one variable of a wrapper is."""

    role: str
    of: Slot | None = None
    """The slot of the layer inside whose variable it is; None for one of the wrapper's own."""
    trainable: bool = False


def kept_by(
    wrapper: Serialized, inner: Serialized, slots: Sequence[Slot], tensors: Sequence[Tensor]
) -> list[Kept] | None:
    """Return what the variables of a wrapper are; None where that is not certain.

    Args:
        wrapper: its configuration.
        inner: that of the layer inside.
        slots: of the layer inside.
        tensors: the variables, in stored order.
    """
    class_name, config = str(wrapper.get("class_name")).rpartition(">")[2], config_of(wrapper)
    inside = _Inside(inner, slots)
    if class_name == "PruneLowMagnitude":
        return _of_pruning(inside, tensors)
    if class_name in {"ClusterWeights", "ClusterWeightsRNN"}:
        return _of_clustering(inside, tensors, "_0" if class_name.endswith("RNN") else "")
    if class_name.startswith("QuantizeWrapper"):
        return _of_quantization(config, inside, tensors)
    if class_name == "QuantizeLayer":
        names = ["quantize_layer_min", "quantize_layer_max", "optimizer_step"]
        return [Kept(name) for name in names[-len(tensors) :]] if tensors else []
    if class_name == "WeightNormalization" and len(tensors) == 3:
        held = inside.match(tensors[1:2], last=True)
        return held and [Kept("g", trainable=True), *held, Kept("initialized")]
    if class_name == "SpectralNormalization" and len(tensors) == 2:
        held = inside.match(tensors[:1])
        return held and [*held, Kept("sn_u")]
    return None


class _Inside(NamedTuple):
    """The layer inside a wrapper."""

    layer: Serialized
    slots: Sequence[Slot]

    def match(self, tensors: Sequence[Tensor], *, last: bool = False) -> list[Kept] | None:
        """Return the kernels that variables are, in order; None if there are none for them.

        Args:
            tensors: the variables.
            last: whether the last kernel is meant of several: a recurrent one.
        """
        left = [slot for slot in self.slots if slot.role in KERNEL_ROLES]
        left = left[-len(tensors) :] if last else left
        found = []
        for tensor in tensors:
            while left and not self._may_be(left[0], tensor):
                left.pop(0)
            if not left:
                return None
            found.append(left.pop(0))
        return [Kept(slot.role, slot, slot.trainable) for slot in found]

    def _may_be(self, slot: Slot, tensor: Tensor) -> bool:
        return may_be(slot, tensor.shape, str(self.layer.get("class_name")), config_of(self.layer))


def _of_pruning(inside: _Inside, tensors: Sequence[Tensor]) -> list[Kept] | None:
    """The kernels, a mask and a threshold for each of them, and the step."""
    count, rest = divmod(len(tensors) - 1, 3)
    kernels = inside.match(tensors[:count])
    if rest or kernels is None or not _is_counter(tensors[-1]):
        return None
    numbers = ["", *(f"_{number}" for number in range(1, count))][:count]
    states = [Kept(f"{role}{number}") for number in numbers for role in ("mask", "threshold")]
    return [*kernels, *states, Kept("pruning_step")]


def _of_clustering(inside: _Inside, tensors: Sequence[Tensor], cell: str) -> list[Kept] | None:
    """Each kernel with its centroids, which are trained; then which of these its values are.

    Args:
        inside: the layer inside.
        tensors: the variables.
        cell: the number of the cell, as names end with it; empty for other layers.
    """
    count, rest = divmod(len(tensors), 3)
    kernels = inside.match(tensors[: 2 * count : 2])
    if rest or kernels is None or any(one.dtype.kind != "i" for one in tensors[2 * count :]):
        return None
    pairs = [
        one
        for kernel in kernels
        for one in (kernel, Kept(f"cluster_centroids_{kernel.role}{cell}", trainable=True))
    ]
    return [*pairs, *(Kept(f"pulling_indices_{kernel.role}{cell}") for kernel in kernels)]


def _of_quantization(
    config: Mapping[str, Any], inside: _Inside, tensors: Sequence[Tensor]
) -> list[Kept] | None:
    """All that is trained, what is quantized of it, the step, and ranges from here to there."""
    step = next((at for at, one in enumerate(tensors) if _is_counter(one)), None)
    if step is None:
        return None
    given = config.get("quantize_config")
    options = config_of(given) if isinstance(given, Mapping) else {}
    quantized = _names(options.get("weight_attrs"))
    of_layer = {slot.role: slot for slot in inside.slots}
    trained = [slot for slot in inside.slots if slot.trainable]
    before = [of_layer[name] for name in quantized if name in of_layer]
    before = [*trained, *before] if step > len(quantized) else before
    fitting = len(before) == step and all(
        len(one.shape) >= 2 or slot.role not in KERNEL_ROLES
        for slot, one in zip(before, tensors, strict=False)
    )
    if not fitting:
        return None
    ranges = _ranges(options, quantized, len(tensors) - step - 1)
    return [
        *(Kept(slot.role, slot, slot.trainable) for slot in before),
        Kept("optimizer_step"),
        *(Kept(name) for name in ranges),
    ]


def _ranges(options: Mapping[str, Any], quantized: list[str], count: int) -> list[str]:
    """Name the ranges: of weights, then of activations, before and after, then of the output."""
    activations = _names(options.get("activation_attrs"))
    last = ["output"] * bool(options.get("quantize_output"))
    for sides in (["post_activation"], ["pre_activation", "post_activation"]):
        of = [*quantized, *(side for _ in activations for side in sides), *last]
        names = [f"{one}_{end}" for one in of for end in ("min", "max")]
        if len(names) == count:
            return names
    return [f"range_{number}" for number in range(count)]


def _names(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _is_counter(tensor: Tensor) -> bool:
    return not tensor.shape and tensor.dtype.kind == "i"
