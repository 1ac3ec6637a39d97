"""Quantized layers: in which mode, and what they store besides their own weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.group_names import variables_of
from regaudit.keras_semantics.layer_table import Slot, last_axis
from regaudit.tensors.tensor import Tensor, TensorGroup

MATRICES = ("kernel", "embeddings", "reverse_embeddings")
"""Roles that Keras quantizes."""

OUTPUTS_FIRST = frozenset({"gptq", "awq"})
"""Modes that store a kernel as a matrix with its outputs first."""

FLOAT8_ROLES = tuple(
    f"{tensor}_{kind}"
    for tensor in ("inputs", "kernel", "outputs_grad")
    for kind in ("scale", "amax_history")
)
"""What a float8 layer stores besides its own weights."""

_MODES = ("int8", "int4", "float8", "gptq", "awq")


def quantization(serialized: Serialized, slots: tuple[Slot, ...], group: TensorGroup | None) -> str:
    """The mode a layer was quantized in: by its dtype policy, else by what is stored."""
    mode = policy_mode(serialized)
    if mode:
        return mode
    own, stored = _first_sublayer(slots, group)
    if any(tensor.dtype == np.uint8 for _, tensor in stored):
        floats = sum(tensor.dtype.kind == "f" for _, tensor in stored)
        return "awq" if floats == len(own) + 2 else "gptq"
    if stored and stored[0][1].dtype == np.int8:
        kernels = {slot.at: _first_of(slot.at, group) for slot in slots if slot.at}
        return "int4" if packs_attention(serialized, kernels) else "int8"
    return "float8" if own and len(stored) == len(own) + len(FLOAT8_ROLES) else ""


def policy_mode(serialized: Serialized) -> str:
    """Return the mode that a layer's dtype policy names; empty if it names none."""
    policy = config_of(serialized).get("dtype")
    name = policy if isinstance(policy, str) else ""
    if isinstance(policy, Mapping):
        inner = config_of(policy)
        name = str(inner.get("mode") or inner.get("name") or "")
        if policy.get("class_name") == "QuantizedFloat8DTypePolicy":
            name = "float8"
    return next((mode for mode in _MODES if name.startswith(mode)), "")


def packs_attention(serialized: Serialized, kernels: Mapping[str, Tensor | None]) -> bool:
    """Whether the projections of an attention layer are packed: no policy of theirs is in a file.

    Args:
        serialized: the attention layer.
        kernels: of its projections, by attribute.
    """
    shapes = {at.strip("_"): kernel.shape for at, kernel in kernels.items() if kernel is not None}
    if any(len(shape) == 2 for shape in shapes.values()):  # three axes, until packed as a matrix
        return True
    heads = heads_of(config_of(serialized))
    output = shapes.get("output_dense")
    if output and isinstance(heads, int) and heads > 1:
        return output[0] == -(-heads // 2)
    query = shapes.get("query_dense")
    if query is None or not output or config_of(serialized).get("output_shape") is not None:
        return False
    return query[0] == -(-output[-1] // 2) and output[-1] > 1  # as wide as the input, by default


def heads_of(config: Mapping[str, Any]) -> Any:
    """Return how many heads an attention layer has; None for other layers."""
    return config.get("num_heads", config.get("num_query_heads"))


def has_zero_points(slots: tuple[Slot, ...], mode: str, group: TensorGroup | None) -> bool:
    """Whether zero points follow the scales.

    They do where int4 was quantized in groups. GPTQ and AWQ always have them, but Keras 3.14 and
    3.15 do not store them.
    """
    own, stored = _first_sublayer(slots, group)
    scales = {"gptq": 2, "awq": 3}.get(mode, sum(slot.role in MATRICES for slot in own))
    return len(stored) > len(own) + scales


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


def _first_of(at: str, group: TensorGroup | None) -> Tensor | None:
    """Return the first variable of a sublayer."""
    return next(
        (tensor for _, tensor in variables_of(group.groups.get(at) if group else None)), None
    )


def quantized(slots: tuple[Slot, ...], mode: str, *, grouped: bool) -> tuple[Slot, ...]:
    """The slots of a layer after `quantize(mode)`: scales and, where codes have them, zero points.

    Integer kernels are constants that no regularizer governs; a float8 kernel stays float32 and
    regularized. Measured on Keras 3.15; the order is the same for every layer that can be
    quantized.
    """
    result: list[Slot] = []
    for at in dict.fromkeys(slot.at for slot in slots):
        own = [slot for slot in slots if slot.at == at]
        if mode == "float8":
            result += [*own, *(Slot(role, at=at, below=own[0].below) for role in FLOAT8_ROLES)]
        elif mode in OUTPUTS_FIRST:
            own.sort(key=lambda slot: slot.role in MATRICES)  # the bias comes first
            result += map(_constant, own)
            dense = own[-1].units is last_axis and not at
            scales = {
                "kernel_scale": True,
                "kernel_zero" if dense else "zero_point": grouped,
                "awq_scales": mode == "awq",
                "g_idx": True,
            }
            below = own[-1].below
            result += [
                Slot(role, at=at, below=below, trainable=False) for role in scales if scales[role]
            ]
        else:
            result += _with_scales(own, grouped=grouped)
    return tuple(result)


def _with_scales(own: list[Slot], *, grouped: bool) -> list[Slot]:
    """Add to the slots of one layer or sublayer what integers need next to them."""
    result: list[Slot] = []
    scales: list[Slot] = []
    embedding = any(slot.role.endswith("embeddings") for slot in own)
    for slot in own:
        result.append(_constant(slot))
        if slot.role not in MATRICES:
            continue
        names = [f"{slot.role}_scale"]
        if grouped:
            names.append(f"{slot.role}_zero")
            if slot.role != "reverse_embeddings":
                names.append("g_idx")
        made = [Slot(name, at=slot.at, below=slot.below, trainable=False) for name in names]
        (result if embedding else scales).extend(made)
    return [*result, *scales]


def _constant(slot: Slot) -> Slot:
    return replace(slot, trainable=False) if slot.role in MATRICES else slot
