"""The slots of quantized layers, whose legacy groups hold scales beside their own weights."""

from regaudit.keras_semantics.config_graph import name_of
from regaudit.keras_semantics.expected_layers import Planned
from regaudit.keras_semantics.quantization import packs_attention, policy_mode, quantized
from regaudit.tensors.tensor import Stored, Tensor


def quantize(planned: Planned, stored: Stored) -> None:
    """Give a quantized layer the slots of its scales."""
    if not planned.slots or not any(t.dtype.kind in "iu" for _, t in stored.values()):
        return
    planned.mode = policy_mode(planned.serialized) or _mode_of_attention(planned, stored)
    if planned.mode:
        grouped = any(name.endswith(("_zero", "_zero:0")) for name in stored)
        planned.slots = quantized(planned.slots, planned.mode, grouped=grouped)


def _mode_of_attention(planned: Planned, stored: Stored) -> str:
    """Return the mode of projections, whose policies are in no file, by their kernels."""
    kernels: dict[str, Tensor | None] = {}
    for slot in planned.slots:
        ending = f"{name_of(planned.serialized)}/{slot.below}/{slot.role}"
        for name, (_, tensor) in stored.items():
            if slot.below and slot.role == "kernel" and f"/{name}".endswith(f"/{ending}"):
                kernels[slot.at] = tensor
    dtypes = {tensor.dtype.name for tensor in kernels.values() if tensor is not None}
    if "uint8" in dtypes:
        return "awq" if any(name.endswith("/awq_scales") for name in stored) else "gptq"
    if "int8" not in dtypes:
        return ""
    return "int4" if packs_attention(planned.serialized, kernels) else "int8"
