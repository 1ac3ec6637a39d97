"""What each regularizer adds to the loss, by Keras's own formulas."""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from regaudit.keras_semantics.dialect import Dialect
from regaudit.measures.moments import Moments
from regaudit.model import Model, Regularizer, Status, Weight
from regaudit.tensors.tensor import Tensor

_ROWS = 512
"""Rows of the Gram matrix computed at once."""


def penalties(
    model: Model, moments: Mapping[str, Moments], tensors: Mapping[str, Tensor]
) -> dict[str, float | None]:
    """Return what each weight adds to `sum(model.losses)`, by stored path.

    None where the file does not say: a regularizer that it does not tell, or a custom one, or
    values that were not measured.
    A weight that shares its variable with another leaves the penalty to that one.
    """
    result: dict[str, float | None] = {}
    paying = {Status.IN_FORCE}
    if Dialect.of(model.keras_version).frozen_weights_penalized:
        paying.add(Status.FROZEN)
    for _, weight in model.weights():
        regularizer = weight.regularizer
        shared = weight.shared_with is not None
        free = {Status.FROZEN, Status.INERT} - paying
        if regularizer is None and not shared and not weight.regularizer_known:
            result[weight.stored_path] = None
        elif regularizer is None or shared or regularizer.status in free:
            result[weight.stored_path] = 0.0
        elif regularizer.status not in paying or weight.stored_path not in moments:
            result[weight.stored_path] = None
        else:
            value = _penalty(weight, regularizer, moments, tensors)
            result[weight.stored_path] = value if value is not None and isfinite(value) else None
    return result


def _penalty(
    weight: Weight,
    regularizer: Regularizer,
    moments: Mapping[str, Moments],
    tensors: Mapping[str, Tensor],
) -> float | None:
    if regularizer.class_name == "OrthogonalRegularizer":
        return _orthogonal(regularizer, tensors[weight.stored_path])
    measured = moments[weight.stored_path]
    if measured.l1_norm is None or measured.l2_norm is None:
        return None
    l1, l2 = regularizer.l1 or 0.0, regularizer.l2 or 0.0
    return l1 * measured.l1_norm + l2 * measured.l2_norm**2


def _orthogonal(regularizer: Regularizer, tensor: Tensor) -> float | None:
    """Factor * 0.5 * sum|offdiagonal of N N^T| / (n(n-1)/2), N the normalized rows or columns.

    None where Keras itself fails: for a weight that is not a matrix, or has one row only (0/0).
    Source: keras/src/regularizers/regularizers.py, OrthogonalRegularizer.
    """
    if len(tensor.shape) != 2:
        return None
    blocks = [np.array(block, np.float64) for block in tensor.blocks()]
    matrix = np.concatenate(blocks).reshape(tensor.shape) if blocks else np.zeros(tensor.shape)
    if regularizer.config["mode"] == "columns":
        matrix = matrix.T
    count = len(matrix)
    if count < 2:
        return None
    norms = np.sqrt(np.sum(np.square(matrix), axis=1, keepdims=True))
    matrix = matrix / np.maximum(norms, _EPSILON)
    total = 0.0
    for start in range(0, count, _ROWS):
        gram = np.abs(matrix[start : start + _ROWS] @ matrix.T)
        rows = np.arange(len(gram))
        gram[rows, rows + start] = 0.0
        total += float(gram.sum())
    factor = float(regularizer.config["factor"])
    return factor * 0.5 * total / (count * (count - 1) / 2)


_EPSILON = 1e-7
"""Keras normalizes with this floor under the norm."""
