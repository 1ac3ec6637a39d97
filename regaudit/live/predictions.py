"""Two models in memory run on the same made-up inputs. Keras need not be imported for it."""

from typing import Any

import numpy as np

_SAMPLES, _UNKNOWN = 2, 4
"""Size of the batch, and of every dimension that a model leaves open."""


def compared(model: Any, other: Any) -> str:
    """Say whether two models put out the same bits: `equal`, or what is not, or why unknown.

    The inputs are uniform on [0, 1); integers are 0 or 1, which any embedding knows.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return "not compared: the model does not say what inputs it takes"
    rng = np.random.default_rng(0)
    made = [_made(tensor, rng) for tensor in inputs]
    given = made[0] if len(made) == 1 else made
    try:
        theirs = _flat(other(given, training=False))
    except Exception as error:  # noqa: BLE001 - some models that Keras loads cannot be run
        return f"not compared: the old model does not run either ({type(error).__name__})"
    ours = _flat(model(given, training=False))
    if len(ours) != len(theirs):
        return f"{len(ours)} outputs, not {len(theirs)}"
    for left, right in zip(ours, theirs, strict=True):
        if left.shape != right.shape or left.tobytes() != right.tobytes():
            apart = np.max(np.abs(left.astype(np.float64) - right.astype(np.float64)))
            return f"differ by up to {apart:.3g}"
    return "equal"


def _made(tensor: Any, rng: np.random.Generator) -> Any:
    shape = [_SAMPLES, *(_UNKNOWN if size is None else int(size) for size in tensor.shape[1:])]
    dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
    if dtype.startswith(("int", "uint", "bool")):
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.random(shape).astype(dtype if dtype.startswith("float") else "float32")


def _flat(output: Any) -> list[Any]:
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, list | tuple):
        return [array for one in output for array in _flat(one)]
    return [np.asarray(output)]
