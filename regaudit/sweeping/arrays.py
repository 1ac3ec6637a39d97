"""Arrays of whatever library as those of NumPy, and the parts of lists and dictionaries of them."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import numpy as np

from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.tensors.tensor import Array


def as_array(value: Any, name: str, source: str) -> Array:
    """Return an array, tensor, data frame or list of numbers as an array of NumPy.

    Text is kept as objects, `str` or `bytes`, as TensorFlow has it.

    Raises:
        DataError: it is none, or has objects.
    """
    try:
        if hasattr(value, "detach"):  # of torch: on another device, or with a gradient
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
    except Exception as error:
        raise DataError(f"{source}: {name} is no array: {one_line(error)}") from error
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype.hasobject and not all(isinstance(one, str | bytes) for one in array.flat):
        raise DataError(f"{source}: {name} has objects ({_kind(value)}): give arrays of numbers")
    return array


def is_dense(value: Any) -> bool:
    """Whether an array or a tensor has all its values in rows of one length."""
    return type(value).__name__ not in {"RaggedTensor", "SparseTensor"}


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether values of a type are real numbers, those of `ml_dtypes` among them."""
    return dtype.kind in "biuf" or dtype.name.startswith(("bfloat", "float"))


def each(values: Any, change: Callable[[Any], Any]) -> Any:
    """Return what `fit` takes with every part changed: one, or a list, tuple or dict of them."""
    if isinstance(values, Mapping):
        return {key: each(value, change) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [each(value, change) for value in values]
    return None if values is None else change(values)


def parts(values: Any, name: str) -> list[tuple[str, Any]]:
    """Return the parts by name: `x`, or `x_0`, `x_1`, ... of a list, or the keys of a dict."""
    if isinstance(values, Mapping):
        return [(str(key), value) for key, value in values.items()]
    if isinstance(values, list | tuple):
        return [(f"{name}_{number}", value) for number, value in enumerate(values)]
    return [] if values is None else [(name, values)]


def digest(named: list[tuple[str, Array]], *, values: bool = True) -> str:
    """Return the SHA-256 of arrays: names, types, shapes, and the values unless told otherwise."""
    total = sha256()
    for name, array in named:
        total.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
        if values and array.dtype.hasobject:
            texts = (one.encode() if isinstance(one, str) else one for one in array.flat)
            total.update(b"\0".join(texts))
        elif values:
            total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def _kind(value: Any) -> str:
    return type(value).__name__
