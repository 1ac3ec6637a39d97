"""What a user gave for data, told apart: x, y and the weights of samples, as `fit` takes them."""

from collections.abc import Iterator, Mapping
from typing import Any

from regaudit.errors import shown
from regaudit.live.data_file import DataError
from regaudit.sweeping.arrays import as_array
from regaudit.sweeping.ends import Ends
from regaudit.tensors.tensor import Array


def told_apart(
    given: Any, inputs: Ends, outputs: Ends, source: str
) -> tuple[Any, Any, Array | None]:
    """Return x, y and the weights.

    Args:
        given: `(x, y)`, `(x, y, sample_weight)`, or arrays by name.
        inputs: of the model.
        outputs: of the model.
        source: where it is from, for messages.

    Raises:
        DataError: it is something else, or there are other arrays than the model takes.
    """
    if isinstance(given, Mapping):
        x, y = _by_name(given, inputs, outputs, source)
        return x, y, weights_of(given.get("sample_weight"), source)
    if not isinstance(given, tuple | list) or len(given) not in {2, 3}:
        wanted = "(x, y), (x, y, sample_weight), a dictionary of arrays, or a data set in batches"
        raise DataError(f"{source}: it is {_described(given)}: give {wanted}")
    if all(isinstance(one, tuple) and len(one) == 2 for one in given) and len(inputs.ends) < 2:
        raise DataError(f"{source}: it is pairs, as of training and of test data: give one")
    if given[1] is None:
        raise DataError(f"{source}: there is no y")
    x, y = inputs.taken(given[0], source), outputs.taken(given[1], source)
    return x, y, weights_of(given[2] if len(given) == 3 else None, source)


def weights_of(given: Any, source: str) -> Array | None:
    """Return weights of shape (samples,).

    Raises:
        DataError: they have another shape.
    """
    if given is None:
        return None
    weights = as_array(given, "sample_weight", source)
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim != 1:
        shape = f"sample_weight has the shape {weights.shape}"
        raise DataError(f"{source}: {shape}: give one number for each sample")
    return weights


def count_of(named: list[tuple[str, Any]], source: str) -> int:
    """Return the number of samples that all arrays have.

    Raises:
        DataError: they differ, or there are none.
    """
    alone = next((name for name, one in named if len(one.shape) == 0), None)
    if alone:
        raise DataError(f"{source}: {alone} is a single number instead of samples")
    counts = {name: int(one.shape[0]) for name, one in named}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}: {count:,}" for name, count in counts.items())
        raise DataError(f"{source}: the numbers of samples differ ({listed})")
    if not any(counts.values()):
        raise DataError(f"{source}: there are no samples")
    return next(iter(counts.values()))


def _by_name(given: Mapping[str, Any], inputs: Ends, outputs: Ends, source: str) -> tuple[Any, Any]:
    """Return x and y of `x` and `y`, or of what is named as the inputs and outputs."""
    found = []
    taken = {name for end in inputs.ends for name in end.names} | {"x"}
    for ends, besides in ((inputs, ("y", "sample_weight")), (outputs, tuple(taken))):
        whole = given.get(ends.letter)
        if isinstance(whole, Mapping | list | tuple):
            found.append(ends.taken(whole, source))
        else:
            found.append(ends.named(given, source, besides))
    return found[0], found[1]


def _described(given: Any) -> str:
    if given is None:
        return "nothing (None)"
    if isinstance(given, tuple | list):
        return f"a {type(given).__name__} of {len(given)}"
    if isinstance(given, Iterator):
        return "an iterator, which can be read only once"
    return f"of type {type(given).__name__}" if hasattr(given, "shape") else shown(given)
