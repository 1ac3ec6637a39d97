"""The values of a model's and an optimizer's variables, as arrays."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from regaudit.tensors.tensor import Array


def optimizer_variables(model: Any) -> list[Any]:
    """Return the variables of a model's optimizer."""
    found = getattr(model.optimizer, "variables", ())
    return list(found() if callable(found) else found)


def values_of(variables: Iterable[Any]) -> list[Array]:
    """Return copies of the values of variables."""
    return [
        np.array(variable.numpy() if hasattr(variable, "numpy") else variable)
        for variable in variables
    ]


def assign(variables: Iterable[Any], values: Iterable[Array]) -> None:
    """Give variables the values that `values_of` returned."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
