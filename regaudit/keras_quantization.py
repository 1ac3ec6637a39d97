"""Quantized layers: in which mode, what else they store, and what their codes stand for."""

from collections.abc import Mapping
from dataclasses import replace

from regaudit.dequantized import MATRICES, dequantized
from regaudit.keras_graph import Serialized, config_of
from regaudit.keras_groups import variables_of
from regaudit.keras_layers import Slot
from regaudit.model import Skip, Weight
from regaudit.tensor import Tensor, TensorGroup

FLOAT8_ROLES = tuple(
    f"{tensor}_{kind}"
    for tensor in ("inputs", "kernel", "outputs_grad")
    for kind in ("scale", "amax_history")
)
"""What a float8 layer stores besides its own weights."""


def quantization(config: Serialized, slots: tuple[Slot, ...], group: TensorGroup | None) -> str:
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
    own, stored = _first_sublayer(slots, group)
    if stored and stored[0][1].dtype.name == "int8":
        # Attention's projections have three axes, but two once they are packed.
        return "int4" if slots[0].at and len(stored[0][1].shape) == 2 else "int8"
    return "float8" if own and len(stored) == len(own) + len(FLOAT8_ROLES) else ""


def has_zero_points(slots: tuple[Slot, ...], group: TensorGroup | None) -> bool:
    """Whether int4 was quantized in groups: then zero points follow the scales."""
    own, stored = _first_sublayer(slots, group)
    matrices = sum(slot.role in MATRICES for slot in own)
    return len(stored) > len(own) + matrices


def _first_sublayer(
    slots: tuple[Slot, ...], group: TensorGroup | None
) -> tuple[list[Slot], list[tuple[str, Tensor]]]:
    """Return the slots of the first sublayer, and what is stored for it.

    The sublayers of attention are quantized alike, and their policies are not in the file.
    """
    at = slots[0].at if slots else ""
    if at:
        group = group.groups.get(at) if group else None
    return [slot for slot in slots if slot.at == at], variables_of(group)


def quantized(slots: tuple[Slot, ...], mode: str, *, grouped: bool) -> tuple[Slot, ...]:
    """The slots of a layer after `quantize(mode)`: scales and, for grouped int4, zero points.

    Int8 and int4 kernels are constants that no regularizer governs; a float8 kernel stays float32
    and regularized. Measured on Keras 3.15; the order is the same for every layer that can be
    quantized.
    """
    result: list[Slot] = []
    for at in dict.fromkeys(slot.at for slot in slots):
        own = [slot for slot in slots if slot.at == at]
        if mode == "float8":
            result += [*own, *(Slot(role, at=at, below=own[0].below) for role in FLOAT8_ROLES)]
            continue
        embedding = any(slot.role.endswith("embeddings") for slot in own)
        scales: list[Slot] = []
        for slot in own:
            if slot.role not in MATRICES:
                result.append(slot)
                continue
            result.append(replace(slot, trainable=False))
            names = [f"{slot.role}_scale"]
            if grouped:
                names.append(f"{slot.role}_zero")
                if slot.role != "reverse_embeddings":
                    names.append("g_idx")
            made = [Slot(name, at=at, below=slot.below, trainable=False) for name in names]
            (result if embedding else scales).extend(made)
        result.extend(scales)
    return tuple(result)


def scaled_back(
    weights: tuple[Weight, ...],
    slots: tuple[Slot, ...],
    config: Serialized,
    mode: str,
    tensors: dict[str, Tensor],
) -> tuple[tuple[Weight, ...], list[Skip]]:
    """Let quantized weights be measured as the numbers they stand for.

    Args:
        weights: of one layer.
        slots: of the layer.
        config: of the layer.
        mode: `int8` or `int4`.
        tensors: by stored path; those of quantized weights are replaced.

    Returns:
        The weights, and those whose codes are measured instead, with the reason.
    """
    result, skipped = [], []
    for weight in weights:
        if weight.role not in MATRICES:
            result.append(weight)
            continue
        sublayer = weight.path.rpartition("/")[0]
        siblings = {
            other.role: tensors[other.stored_path]
            for other in weights
            if other.path.rpartition("/")[0] == sublayer
        }
        tensor = dequantized(weight.role, siblings, mode, config)
        if tensor is None:
            reason = f"{mode} in a layout that cannot be scaled back: the codes are measured"
            skipped.append(Skip(weight.path, reason))
            result.append(weight)
            continue
        tensors[weight.stored_path] = tensor
        slot = next(slot for slot in slots if slot.role == weight.role)
        result.append(replace(weight, units=slot.units(tensor.shape, config)))
    return tuple(result), skipped
