"""What the codes of a quantized layer stand for: its scales, laid out next to them.

Every version that quantizes has a layout of its own; all were held against the layers' own
answers to one-hot inputs, in Keras 3.2 to 3.15.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import (
    Equation,
    Shape,
    Slot,
    equation_of,
    first_axis,
    last_axis,
)
from regaudit.keras_semantics.quantization import MATRICES, OUTPUTS_FIRST, heads_of
from regaudit.model import Skip, Weight
from regaudit.tensors.dequantized import DequantizedTensor
from regaudit.tensors.tensor import BLOCK, Array, Tensor

_INTEGERS = {"int8", "uint8"}


class Codes(Struct, frozen=True):
    """One quantized weight and what is stored with it."""

    role: str
    mode: str
    siblings: Mapping[str, Tensor]
    """All that is stored for its sublayer, by role."""
    serialized: Serialized
    """The layer."""
    dialect: Dialect
    sublayer: str = ""
    """Attribute of the sublayer that stores it; empty for the layer."""

    @property
    def codes(self) -> Tensor:
        return self.siblings[self.role]

    @property
    def _zero(self) -> Tensor | None:
        return self.siblings.get(f"{self.role}_zero", self.siblings.get("zero_point"))

    @property
    def is_matrix(self) -> bool:
        """Whether it is a kernel of four bits as a matrix packed along its outputs: Keras 3.14."""
        scale = self.siblings.get("kernel_scale")
        if self.mode != "int4" or self.role != "kernel" or len(self.codes.shape) != 2 or not scale:
            return False
        if self._zero is not None:
            return True
        policy = config_of(self.serialized).get("dtype")
        blocks = isinstance(policy, Mapping) and "/" in str(config_of(policy).get("mode"))
        many = self.codes.shape[1:] != scale.shape
        return len(scale.shape) == 1 and (many or (blocks and scale.shape[0] == 1))

    def dequantized(self) -> DequantizedTensor | None:
        """Return the weight scaled back; None where the file does not say how."""
        codes, stored = self.codes, self.siblings.get(f"{self.role}_scale")
        integers = codes.dtype in {np.dtype(np.int8), np.dtype(np.uint8)}
        if stored is None or not integers or not codes.shape or not prod(codes.shape):
            return None
        scale = _values(stored)
        if not scale.size or not scale.ndim:
            return None
        zero = self._zero
        if self.mode in OUTPUTS_FIRST:
            return self._outputs_first(scale, zero)
        if self.role == "embeddings":
            return self._table(scale, zero)
        if zero is not None or self.is_matrix:
            return self._matrix(scale, zero)
        return self._tensor(scale)

    def _outputs_first(self, scale: Array, zero: Tensor | None) -> DequantizedTensor | None:
        """GPTQ and AWQ: a matrix (outputs, inputs), four bits packed along the outputs."""
        codes, groups = self.codes, self.siblings.get("g_idx")
        if zero is None or groups is None or len(codes.shape) != 2 or scale.ndim != 2:
            return None
        shape = (scale.shape[0], codes.shape[1])
        packed = 0 if codes.shape[0] != shape[0] else None
        divisor = self.siblings.get("awq_scales")
        if divisor is not None and divisor.shape != shape[1:]:
            return None
        return _fitting(
            DequantizedTensor(
                codes,
                shape,
                scale,
                _values(zero),
                packed,
                _values(groups),
                grouped=1,
                divisor=None if divisor is None else _values(divisor).reshape(1, -1),
            )
        )

    def _table(self, scale: Array, zero: Tensor | None) -> DequantizedTensor | None:
        """Embeddings: a scale a row (in Keras 3.2 a column), or one for each group of columns."""
        codes, groups = self.codes, self.siblings.get("g_idx")
        if len(codes.shape) != 2:
            return None
        columns, packed = codes.shape[1], None
        if self.mode == "int4":
            columns, packed = self._length(1, prod(groups.shape) if groups else None), 1
        shape = (codes.shape[0], columns)
        if zero is None:
            by_column = self.dialect.version < (3, 3, 0)
            if scale.size != (columns if by_column else codes.shape[0]):
                by_column = not by_column
            scale = scale.reshape((1, -1) if by_column else (-1, 1))
            return _fitting(DequantizedTensor(codes, shape, scale, packed=packed))
        if groups is None:
            return None
        found = DequantizedTensor(codes, shape, scale, _values(zero), packed, _values(groups), 1)
        return _fitting(found)

    def _matrix(self, scale: Array, zero: Tensor | None) -> DequantizedTensor | None:
        """A kernel (inputs, outputs) of four bits, packed along its outputs, perhaps in groups."""
        codes, groups = self.codes, self.siblings.get("g_idx")
        if len(codes.shape) != 2:
            return None
        if self.role == "reverse_embeddings":  # packed along its inputs all the same
            shape, packed = (
                (self._length(0, prod(groups.shape) if groups else None), scale.shape[-1]),
                0,
            )
        else:
            shape, packed = (codes.shape[0], scale.shape[-1]), 1
        if zero is None:
            return _fitting(DequantizedTensor(codes, shape, scale.reshape(1, -1), packed=packed))
        if groups is None:
            return None
        return _fitting(
            DequantizedTensor(codes, shape, scale, _values(zero), packed, _values(groups), 0)
        )

    def _tensor(self, scale: Array) -> DequantizedTensor | None:
        """A kernel of its own shape with a scale for each output; reverse embeddings too."""
        codes = self.codes
        order = _output_axes(codes.shape, scale.size, equation_of(config_of(self.serialized)))
        reduced = [axis for axis in range(len(codes.shape)) if axis not in order]
        shape, packed = list(codes.shape), None
        if self.mode == "int4":
            packed = reduced[0] if reduced else 0
            shape[packed] = self._length(packed, None)
        outputs = [shape[axis] for axis in order]
        if prod(outputs) != scale.size:
            return None
        laid_out = scale.reshape(outputs).transpose(np.argsort(order))
        laid_out = np.expand_dims(laid_out, tuple(reduced))
        return _fitting(DequantizedTensor(codes, tuple(shape), laid_out, packed=packed))

    def _length(self, axis: int, known: int | None) -> int:
        """Return how many codes are packed along an axis: an odd one leaves half a byte empty."""
        size = self.codes.shape[axis]
        for length in (known, *self._lengths(axis)):
            if isinstance(length, int) and -(-length // 2) == size:
                return length
        return 2 * size - _half_empty(self.codes, axis)

    def _lengths(self, axis: int) -> Iterator[Any]:
        """Yield what the layer says of the length of an axis of its weight."""
        config, build = config_of(self.serialized), self.serialized.get("build_config")
        if self.role != "kernel":
            yield config.get("output_dim")
        elif self.sublayer.endswith("output_dense"):
            yield heads_of(config)
        elif isinstance(build, Mapping):
            shapes = build.get("shapes_dict")
            attention = shapes.values() if isinstance(shapes, Mapping) else ()
            for shape in (build.get("input_shape"), *attention):
                yield _dimension(equation_of(config), axis, shape)


def _output_axes(codes: Shape, scales: int, equation: Equation | None) -> list[int]:
    """Return the axes of a kernel that have scales, in the order of the scales."""
    if equation is not None and len(equation.kernel) == len(codes):
        return [equation.kernel.index(x) for x in equation.outputs if x in equation.kernel]
    first = len(codes) - 1  # without an equation, inputs come first
    while first > 0 and prod(codes[first:]) < scales:
        first -= 1
    return list(range(first, len(codes)))


def _dimension(equation: Equation | None, axis: int, inputs: Any) -> Any:
    """Return the length of a kernel's axis by the shape of the layer's inputs."""
    if not isinstance(inputs, list) or not inputs:
        return None
    if equation is None:
        return inputs[-1]
    if axis >= len(equation.kernel):
        return None
    letter = equation.kernel[axis]
    at = equation.inputs.find(letter)
    if at >= 0 and equation.elided_first:
        at -= len(equation.inputs)
    return inputs[at] if letter in equation.inputs and -len(inputs) <= at < len(inputs) else None


def _half_empty(codes: Tensor, axis: int) -> bool:
    """Whether all bytes at the end of an axis leave their upper bits empty."""
    width = prod(codes.shape[1:])
    first = codes.shape[0] - 1 if axis == 0 else 0
    step = max(BLOCK // width, 1)
    for row in range(first, codes.shape[0], step):
        last = min(row + step, codes.shape[0])
        found = [np.array(block) for block in codes.blocks(row * width, last * width)]
        rows = np.concatenate(found).reshape(-1, *codes.shape[1:])
        if (rows.take(-1, axis=axis) >> 4).any():
            return False
    return True


def _fitting(tensor: DequantizedTensor) -> DequantizedTensor | None:
    """Return a tensor if its parts fit each other: a file may contain anything."""
    stored, shape = list(tensor.codes.shape), list(tensor.shape)
    if tensor.packed is not None:
        shape[tensor.packed] = -(-shape[tensor.packed] // 2)
    if stored != shape or not prod(shape):
        return None
    expected = list(tensor.shape)
    if tensor.groups is not None:
        groups, axis = tensor.groups, tensor.grouped
        if groups.ndim != 1 or len(groups) != expected[axis] or tensor.scale.ndim != len(expected):
            return None
        expected[axis] = tensor.scale.shape[axis]
        if not np.all((groups >= 0) & (groups < expected[axis])):
            return None
        tensor = replace(tensor, groups=groups.astype(np.int64))
    if tensor.zero is not None and tensor.zero.shape != tensor.scale.shape:
        return None
    fits = zip(tensor.scale.shape, expected, strict=False)
    if tensor.scale.ndim != len(expected) or not all(own in {1, size} for own, size in fits):
        return None
    return tensor


def _values(tensor: Tensor) -> Array:
    """Return a small tensor as a float64 array."""
    blocks = [np.array(block, np.float64) for block in tensor.blocks()]
    flat = np.concatenate(blocks) if blocks else np.empty(0)
    return flat.reshape(tensor.shape)


def scaled_back(
    weights: tuple[Weight, ...],
    slots: tuple[Slot, ...],
    serialized: Serialized,
    mode: str,
    *,
    tensors: dict[str, Tensor],
    dialect: Dialect,
) -> tuple[tuple[Weight, ...], list[Skip]]:
    """Let quantized weights be measured as the numbers they stand for.

    Args:
        weights: of one layer.
        slots: of the layer.
        serialized: the layer.
        mode: one in which weights are integers.
        tensors: by stored path; those of quantized weights are replaced.
        dialect: of the Keras that saved the file.

    Returns:
        The weights, and those whose codes are measured instead, with the reason.
    """
    result, skipped = [], []
    for weight in weights:
        if weight.role not in MATRICES or weight.dtype not in _INTEGERS:
            result.append(weight)
            continue
        sublayer, _, role = weight.path.rpartition("/")
        siblings = {
            other.role: tensors[other.stored_path]
            for other in weights
            if other.path.rpartition("/")[0] == sublayer
        }
        slot = next(s for s in slots if s.role == role and sublayer.endswith(s.below))
        codes = Codes(role, mode, siblings, serialized, dialect, slot.at)
        tensor = codes.dequantized()
        if tensor is None:
            why = "without its zero points" if mode in OUTPUTS_FIRST else "in an unknown layout"
            reason = f"{mode} {why}, so it cannot be scaled back: the codes are measured"
            skipped.append(Skip(weight.path, reason))
            result.append(weight)
            continue
        tensors[weight.stored_path] = tensor
        units = last_axis if codes.is_matrix else slot.units
        units = first_axis if mode in OUTPUTS_FIRST else units
        view = units(tensor.shape, config_of(serialized))
        result.append(replace(weight, units=view, dequantized_from=mode))
    return tuple(result), skipped
