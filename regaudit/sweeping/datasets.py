"""Data sets that come in batches: of `tf.data`, of Keras, of torch, told by their classes' names.

None of these libraries is imported: whoever made a data set did that.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

from regaudit.errors import shown
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.sweeping.arrays import as_array, each, is_dense

Kind = Literal["tf.data", "PyDataset", "DataLoader"]

_CLASSES: Mapping[tuple[str, str], Kind] = {
    ("tensorflow", "DatasetV2"): "tf.data",
    ("keras", "PyDataset"): "PyDataset",
    ("keras", "Sequence"): "PyDataset",  # of Keras 2
    ("tf_keras", "Sequence"): "PyDataset",
    ("torch", "DataLoader"): "DataLoader",
}

ENDLESS = -1
"""What `tf.data` says the number of batches is where there is no end."""


def kind_of(given: object) -> Kind | None:
    """Return what kind of data set something is; None if it is none."""
    homes = ((base.__module__.partition(".")[0], base.__name__) for base in type(given).__mro__)
    return next((_CLASSES[home] for home in homes if home in _CLASSES), None)


def samples_of(dataset: Any, source: str) -> int | None:
    """Return how many samples a data set says it has; None where it only counts batches, or none.

    Raises:
        DataError: it has no end, or no batches.
    """
    kind = kind_of(dataset)
    count = _batches_of(dataset, kind, source)
    if count == 0:
        raise DataError(f"{source}: the data set is empty")
    if count == ENDLESS:
        raise DataError(f"{source}: the data set has no end: bound it with take(n)")
    if kind != "DataLoader" or getattr(dataset, "drop_last", False):
        return None
    try:
        return len(dataset.sampler)
    except (AttributeError, TypeError):  # of a data set that can only be read in order
        return None


def read(dataset: Any, source: str) -> Iterator[tuple[Any, Any, Any]]:
    """Yield x, y and the weights of every batch, as the data set has them; None for no weights.

    Tensors become arrays of NumPy, for models of any backend, but those that have no such.

    Raises:
        DataError: a batch cannot be read, or has no y.
    """
    kind = kind_of(dataset)
    numbers = iter(dataset) if kind != "PyDataset" else _items(dataset, source)
    number = 0
    while True:
        number += 1
        try:
            batch = next(numbers)
        except StopIteration:
            return
        except DataError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {one_line(error)}"
            raise DataError(f"{source}: batch {number} cannot be read: {why}") from error
        if not isinstance(batch, tuple | list) or len(batch) not in {2, 3}:
            raise DataError(
                f"{source}: batch {number} is no (x, y) or (x, y, sample_weight): "
                f"{_described(batch)}"
            )
        if kind != "PyDataset":
            batch = each(batch, partial(_plain, source=source))
        x, y, *weights = batch
        if y is None:
            raise DataError(f"{source}: batch {number} has no y")
        yield x, y, weights[0] if weights else None


def _batches_of(dataset: Any, kind: Kind | None, source: str) -> int | None:
    """Return how many batches there are; None where that is not known, -1 for no end."""
    if kind == "tf.data":
        count = int(dataset.cardinality())
        return count if count >= ENDLESS else None
    try:
        return int(dataset.num_batches if hasattr(dataset, "num_batches") else len(dataset))
    except (TypeError, NotImplementedError, AttributeError):
        if kind == "DataLoader":
            return None
        raise DataError(f"{source}: the data set has no length: give it __len__") from None


def _items(dataset: Any, source: str) -> Iterator[Any]:
    for number in range(_batches_of(dataset, "PyDataset", source) or 0):
        yield dataset[number]


def _plain(tensor: Any, source: str) -> Any:
    return as_array(tensor, "a batch", source) if is_dense(tensor) else tensor


def _described(batch: Any) -> str:
    if isinstance(batch, tuple | list):
        return f"it has {len(batch)} parts"
    return f"it is of type {type(batch).__name__}" if hasattr(batch, "shape") else shown(batch)
