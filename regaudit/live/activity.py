"""What the layers of a loaded model put out on data: measured penalties, and zeros."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins

from regaudit.live.confidence import Confidence, confidence
from regaudit.live.data_file import DataError, read_arrays
from regaudit.live.variables import layers_of
from regaudit.tensors.tensor import Array

_LONGEST = 300
"""Characters of a list of names in a message."""


class _Watch(Struct):
    """What one layer has put out so far."""

    path: str
    layer: Any
    zeros: int = 0
    values: int = 0
    penalties: list[float] = []
    """One for each batch."""

    def take(self, outputs: Any) -> None:
        """Count the zeros of an output; inside a compiled loop there are no values to count."""
        for output in _flat(outputs):
            try:
                values = np.asarray(output)
            except Exception:  # noqa: BLE001, S112 - each backend refuses in its own way
                continue
            if values.dtype != object:
                self.values += values.size
                self.zeros += int(np.count_nonzero(values == 0))

    def close_batch(self) -> None:
        """Collect what the layer's calls added to the loss."""
        losses = [
            *getattr(self.layer, "_losses", ()),
            *getattr(self.layer, "_eager_losses", ()),  # Keras 2
        ]
        try:
            self.penalties += [sum(float(loss) for loss in losses)]
        except Exception:  # noqa: BLE001 - symbolic, inside a compiled loop
            self.penalties += [float("nan")]

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        regularized = getattr(self.layer, "activity_regularizer", None) is not None
        paid = regularized or any(self.penalties)
        return {
            "path": self.path,
            "class_name": type(self.layer).__name__,
            "penalty": float(np.mean(self.penalties)) if paid else None,
            "sparsity": self.zeros / self.values if self.values else None,
        }


def measure_activity(
    model: Any, file: str, batch_size: int, loss: Callable[..., Any] | None, name: Any = None
) -> dict[str, Any]:
    """Run a model on the arrays of an NPZ file, layer by layer, without training it.

    Args:
        model: of Keras 3 or tf-keras, run eagerly.
        file: with an array for each input, and `y` for the loss.
        batch_size: samples run at once.
        loss: of the compiled model; None if it is not known.
        name: of the loss, as the file has it.

    Raises:
        DataError: the arrays are not what the model takes.
    """
    inputs, truth = _arrays(model, Path(file))
    watches: dict[int, _Watch] = {}
    for path, layer in layers_of(model):
        if path and type(layer).__name__ != "InputLayer":
            watches.setdefault(id(layer), _Watch(path, layer))
    samples, batches = len(inputs[0]), range(0, len(inputs[0]), batch_size)
    data_loss = 0.0
    predictions = []
    for watch in watches.values():
        watch.layer.call = _watched(watch)
    for start in batches:
        batch = [array[start : start + batch_size] for array in inputs]
        model._clear_losses()  # noqa: SLF001 - a call inside a call does not
        try:
            output = model(batch[0] if len(batch) == 1 else batch, training=False)
        except Exception as error:
            shapes = ", ".join(str(array.shape) for array in batch)
            text = " ".join(str(error).split())[:300]
            raise DataError(f"the model does not run on data of shape {shapes}: {text}") from error
        for watch in watches.values():
            watch.close_batch()
        if loss is not None and truth is not None:
            real = truth[start : start + batch_size]
            predictions.append(np.asarray(output))
            data_loss += float(np.mean(np.asarray(loss(real, output)))) * len(real) / samples
    return {
        "samples": samples,
        "batches": len(batches),
        "batch_size": batch_size,
        "confidence": to_builtins(_confidence(predictions, truth, name)),
        "loss": data_loss if loss is not None and truth is not None else None,
        "layers": [watch.record() for watch in watches.values()],
    }


def _confidence(predictions: list[Array], truth: Array | None, name: Any) -> Confidence | None:
    if truth is None or not predictions or any(one.dtype == object for one in predictions):
        return None
    return confidence(np.concatenate(predictions), truth, name)


def _watched(watch: _Watch) -> Callable[..., Any]:
    """Return the layer's `call` with an eye on what it returns."""
    call = watch.layer.call

    @wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        watch.take(outputs)
        return outputs

    return watched


def _arrays(model: Any, file: Path) -> tuple[list[Array], Array | None]:
    """Return the model's inputs in order, and the truth, if the file has it."""
    arrays = read_arrays(file)
    names = [str(tensor.name).partition(":")[0] for tensor in getattr(model, "inputs", None) or ()]
    inputs = [_pick(arrays, name, number, len(names)) for number, name in enumerate(names)]
    inputs = inputs or [_pick(arrays, "x", 0, 1)]
    everything = [*inputs, arrays["y"]] if "y" in arrays else inputs
    if any(array.ndim == 0 for array in everything):
        raise DataError(f"{file} contains a single number instead of samples")
    if len({len(array) for array in everything}) != 1 or not len(inputs[0]):
        counts = ", ".join(f"{key}: {len(array)}" for key, array in arrays.items() if array.ndim)
        raise DataError(
            f"the arrays of {file} must have the same number of samples ({counts[:_LONGEST]})"
        )
    return inputs, arrays.get("y")


def _pick(arrays: Mapping[str, Array], name: str, number: int, count: int) -> Array:
    for key in (name, f"x_{number}", *(["x"] if count == 1 else [])):
        if key in arrays:
            return arrays[key]
    held = ", ".join(arrays)[:_LONGEST] or "nothing"
    wanted = "'x'" if count == 1 else f"'x_{number}'"
    raise DataError(
        f"the data have no array {wanted} (or {name!r}) for the input; they contain {held}"
    )


def _flat(outputs: Any) -> Iterator[Any]:
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    if isinstance(outputs, list | tuple):
        for output in outputs:
            yield from _flat(output)
    elif outputs is not None:
        yield outputs
