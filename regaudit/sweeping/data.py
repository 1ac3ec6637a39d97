"""The data of a sweep: what trains a model and what judges it, from files, functions and objects.

Samples come as arrays, all in memory, or as a data set of `tf.data`, Keras or torch. Whatever does
not fit the model is said before anything is trained.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import did_you_mean
from regaudit.live.data_file import DataError, check_arrays, read_arrays
from regaudit.live.in_memory import one_line
from regaudit.sweeping.arrays import as_array, digest, each, is_dense, parts
from regaudit.sweeping.data_checks import (
    LEAST,
    check_amount,
    check_inputs,
    check_truths,
    check_weights,
    losses_of,
)
from regaudit.sweeping.datasets import kind_of, read, samples_of
from regaudit.sweeping.ends import End, Ends, inputs_of, outputs_of
from regaudit.sweeping.given import count_of, told_apart, weights_of
from regaudit.sweeping.user_code import called
from regaudit.tensors.tensor import Array

Batch = tuple[Any, list[Array], Array | None]
"""x as the model takes it, the truth of each output, the weights of the samples."""

_FUNCTION = re.compile(r"[\w.]+:[\w.]+")


class Data(Struct, frozen=True, eq=False):
    """A set of samples, as `fit` takes it."""

    source: str
    """What was given, for messages."""
    x: Any = None
    """An array (samples, ...), or a list or dict of them, as the model takes its inputs."""
    y: Any = None
    """The same, as the model has its outputs."""
    weights: Array | None = None
    """Of the samples, shape (samples,)."""
    dataset: Any = None
    """In place of these, a data set that yields batches."""
    samples: int | None = None
    """None where a data set does not say."""
    outputs: Ends = Ends("y")
    """The model's, in whose order truths come."""
    make: Callable[[], Any] | None = None
    """The user's function that returned the data set, if one did."""

    def for_fit(self) -> dict[str, Any]:
        """Return the keyword arguments for `model.fit`."""
        if self.dataset is not None:
            ordered = kind_of(self.dataset) != "PyDataset"  # then Keras warns that it cannot
            return {"x": self.dataset, **({"shuffle": False} if ordered else {})}
        weights = {} if self.weights is None else {"sample_weight": self.weights}
        return {"x": self.x, "y": self.y, **weights}

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield batches, always in the same order; those of a data set as it yields them.

        Args:
            batch_size: samples of a batch of arrays; a data set has its own.

        Yields:
            x as the model takes it; the truths of all outputs, in the order of `model.outputs`;
            weights of shape (samples,), or None.

        Raises:
            DataError: a batch cannot be read.
        """
        if self.dataset is not None:
            for x, y, weights in read(self.dataset, self.source):
                named = self.outputs.flat(y)
                truths = [as_array(one, name, self.source) for name, one in named]
                yield x, truths, weights_of(weights, self.source)
            return
        truths = [one for _, one in self.outputs.flat(self.y)]
        for start in range(0, self.samples or 0, batch_size):
            picked = itemgetter(slice(start, start + batch_size))
            weights = None if self.weights is None else picked(self.weights)
            yield each(self.x, picked), [picked(one) for one in truths], weights

    def anew(self) -> "Data":
        """Return the data as they are when nobody has read them: the function is called again.

        A data set that shuffles goes on from where it is, whatever seed is set since: only a new
        one has the same order for the same seed. Arrays, and data sets that were given as objects,
        are returned as they are.

        Raises:
            DataError: the function fails, or returns no data set this time.
        """
        if self.dataset is None or self.make is None:
            return self
        made = self.make()
        if not kind_of(made):
            raise DataError(f"{self.source}: it returned a data set before, and none now")
        return replace(self, dataset=made)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the content: names, types, shapes and values of all arrays.

        Of a data set it is that of its source and its first batch, without its values if it
        shuffles.
        """
        if self.dataset is None:
            named = [*self.contents(), *parts(self.weights, "sample_weight")]
            return digest(named)
        first, again = self.first(), self.first()
        content = digest(first, values=digest(first) == digest(again))
        return sha256(f"{self.source}\0{content}".encode()).hexdigest()

    def first(self) -> list[tuple[str, Array]]:
        """Return the arrays of the first batch of a data set, read anew."""
        for x, truths, weights in self.batches(1):
            named = [*parts(x, "x"), *parts(truths, "y"), *parts(weights, "sample_weight")]
            return [
                (name, as_array(one, name, self.source)) for name, one in named if is_dense(one)
            ]
        raise DataError(f"{self.source}: the data set is empty")

    def contents(self) -> list[tuple[str, Array]]:
        """Return all arrays of inputs and outputs by name."""
        return [*parts(self.x, "x"), *self.outputs.flat(self.y)]


def load(spec: str, model: Any, *, what: str) -> Data:
    """Return the data of a file, or those that a function of the user returns.

    Args:
        spec: path of an NPZ file with `x`, `y` and, if need be, `sample_weight`, or with an array
            for each input and output by name; or `package.module:function`.
        model: that takes them.
        what: the option that has it, for messages.

    Raises:
        DataError: the file cannot be read, the function fails, or there are other arrays than the
            model takes.
    """
    if is_file(spec, what):
        return from_object(read_arrays(Path(spec)), model, spec)
    make = partial(called, spec, what)
    return replace(from_object(make(), model, spec), make=make)


def is_file(spec: str, what: str) -> bool:
    """Whether data are in a file, whose headers are read, or come from a function.

    Args:
        spec: as `load` takes it.
        what: the option that has it, for messages.

    Raises:
        DataError: it is neither, or the file holds something else than arrays.
    """
    file = Path(spec)
    if file.exists():
        check_arrays(file)
        return True
    if _FUNCTION.fullmatch(spec):
        return False
    folder = file.parent
    names = [path.name for path in folder.glob("*.npz")] if folder.is_dir() else []
    near = did_you_mean(file.name, names)
    way = near or "; give an NPZ file, or package.module:function"
    raise DataError(f"{what}: there is no file {spec!r}{way}")


def from_object(given: Any, model: Any, source: str) -> Data:
    """Return as data what a function returned, or what was passed in Python.

    Args:
        given: `(x, y)`, `(x, y, sample_weight)`, a dict of `x`, `y` and `sample_weight` or of
            arrays by the names of inputs and outputs, or a data set of `tf.data`, Keras or torch.
            x and y are arrays of shape (samples, ...), or lists or dicts of them.
        model: that takes them.
        source: where it is from, for messages.

    Raises:
        DataError: it is something else, there is no y, or the numbers of samples differ.
    """
    inputs, outputs = inputs_of(model), outputs_of(model)
    if kind_of(given):
        count = samples_of(given, source)
        return Data(source, dataset=given, samples=count, outputs=outputs)
    x, y, weights = told_apart(given, inputs, outputs, source)
    named = [*inputs.flat(x), *outputs.flat(y), *parts(weights, "sample_weight")]
    return Data(source, x, y, weights, None, count_of(named, source), outputs)


def split(data: Data, share: float, seed: int) -> tuple[Data, Data]:
    """Return a training and a validation set, shuffled by a seed.

    Args:
        data: of arrays.
        share: of the samples that is for validation, between 0 and 1.
        seed: any; the same gives the same sets.

    Raises:
        DataError: it is a data set in batches, or one of the two would have fewer than 2 samples.
    """
    if not 0 < share < 1:
        raise DataError(f"--val-split: {share:g} is no share between 0 and 1; 0.2 is usual")
    if data.dataset is not None or data.samples is None:
        raise DataError(f"{data.source}: a data set in batches cannot be split: give --val-data")
    held = round(share * data.samples)
    if min(held, data.samples - held) < LEAST:
        left = f"{held:,} of {data.samples:,} samples for validation"
        raise DataError(f"--val-split {share:g} leaves {left}: each set needs {LEAST}, better 200")
    order = np.random.default_rng(seed).permutation(data.samples)

    def picked(rows: Array, part: float) -> Data:
        taken = itemgetter(rows)
        x, y, weights = (each(one, taken) for one in (data.x, data.y, data.weights))
        source = f"{data.source} ({part:.3g} of it)"
        return Data(source, x, y, weights, None, len(rows), data.outputs)

    return picked(order[held:], 1 - share), picked(order[:held], share)


def check(data: Data, model: Any, loss: Any, what: str) -> int:
    """Hold data against a model and its loss, all of them: a data set is read once.

    Args:
        data: to train or to validate on.
        model: of Keras 3 or tf-keras; one that does not tell its inputs is run on a few samples.
        loss: as `compile` takes it, or as a file has it; None if it is not known.
        what: what they are, for messages. Where it contains "val", errors are told from them: they
            have to be two samples at least, and come in the same order each time.

    Returns:
        The number of samples.

    Raises:
        DataError: they do not fit.
    """
    where = f"{what} ({data.source})"
    validating = "val" in what.lower()
    inputs, outputs = inputs_of(model), data.outputs
    if not inputs.ends or not outputs.ends:
        outputs = _outputs_by_running(data, model, where)
    losses = losses_of(loss, outputs)
    samples, weight = 0, 0.0
    whole = data.samples if data.dataset is None else None
    for number, (x, truths, weights) in enumerate(data.batches(whole or 1), 1):
        place = where if whole else f"{where}, batch {number}"
        named = inputs.flat(x)
        check_inputs(named, inputs, place)
        if whole and any(array.dtype.hasobject for _, array in named):
            way = "Keras trains on text from a tf.data.Dataset alone: have a function return one"
            raise DataError(f"{place}: {way}")
        check_truths(truths, outputs, losses, place)
        check_weights(weights, place)
        named += parts(truths if len(truths) > 1 else truths[0], "y")
        named += parts(weights, "sample_weight")
        held = count_of([(name, one) for name, one in named if hasattr(one, "shape")], place)
        samples += held
        weight += held if weights is None else float(weights.sum())
    check_amount(samples, weight, where, validating=validating)
    if validating and data.dataset is not None and digest(data.first()) != digest(data.first()):
        fault = "its first batch is another each time it is read"
        raise DataError(f"{where}: {fault}: do not shuffle or augment what validates")
    return samples


def refuse_same(train: Data, val: Data) -> None:
    """Refuse to validate a model on what it was trained on.

    Raises:
        DataError: both have the same arrays, or the same first batch, or one shuffled source.
    """
    if train.dataset is None and val.dataset is None:
        same = digest(train.contents()) == digest(val.contents())
    else:
        same = digest(train.first()) == digest(val.first())
        same = same or train.fingerprint() == val.fingerprint()
    if same:
        what = f"the same data ({train.source}, {val.source})"
        way = "validate on others, or split them with --val-split 0.2"
        raise DataError(f"training and validation have {what}: {way}")


def _outputs_by_running(data: Data, model: Any, where: str) -> Ends:
    """Return what a model puts out on a few samples, for it does not tell."""
    for x, _, _ in data.batches(LEAST):
        shapes = ", ".join(str(tuple(getattr(one, "shape", ()))) for _, one in parts(x, "x"))
        try:
            output = model(x, training=False)
        except Exception as error:
            text = f"the model does not run on x of shape {shapes}: {one_line(error)}"
            raise DataError(f"{where}: {text}") from error
        ends = [End((name,), (None, *map(int, one.shape[1:]))) for name, one in parts(output, "y")]
        return Ends("y", tuple(ends))
    raise DataError(f"{where}: there are no samples")
