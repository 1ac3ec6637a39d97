"""One model and its data, trained on and judged with real Keras."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from math import ceil, inf, isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from regaudit.errors import RegauditError, UnreadableModelError
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.live.keras_package import backend_of, compiled, opens_arrays_twice
from regaudit.live.variables import layers_of
from regaudit.sweeping import data as sets
from regaudit.sweeping.data import Data
from regaudit.sweeping.loading import loaded, steps_of, with_new_weights
from regaudit.sweeping.losses import Judged, Losses
from regaudit.sweeping.outcome import Epoch
from regaudit.sweeping.shared import Shared
from regaudit.sweeping.state import assign, optimizer_variables, values_of
from regaudit.sweeping.task import BEST, LAST, LOSSES, Opened, Opening, Task, Trained
from regaudit.sweeping.user_code import imported
from regaudit.sweeping.watch import Tell, Watch
from regaudit.tensors.tensor import Array

HIGHER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "cosine", "dice")
"""What the names of metrics contain that are better the higher they are."""

AT_ONCE = 256
"""Samples that are run at once where nothing is trained, unless a batch is larger."""


Step = Callable[[Any, Sequence[Array]], tuple[list[Any], Array]]
"""Takes the inputs and the truths of a batch, returns its outputs and the loss of each sample."""


class _Ran(NamedTuple):
    """What a model makes of data."""

    losses: Array
    """Of each sample, times its weight, such that their mean is the loss; shape (samples,)."""
    outputs: list[list[Array]]
    """Of each batch; empty where they were not wanted."""
    truths: list[list[Array]]


class Trainer:
    """Opens a model and its data once, and does tasks with them.

    Args:
        keras: the package, `keras` or `tf_keras`.
        opening: what to open.
        given: the training and the validation set as objects, in place of `opening.data`.

    Raises:
        DataError: the data cannot be had, or do not fit the model.
        UnreadableModelError: Keras cannot load the model.
    """

    def __init__(
        self, keras: Any, opening: Opening, given: tuple[Any, Any | None] | None = None
    ) -> None:
        """Load the model, then the data, and hold one against the other."""
        self._keras, self._opening = keras, opening
        for module in opening.custom_objects:
            imported(module, "--custom-objects")
        model = self._loaded(opening.file)
        self._loss = Losses(keras, model)
        self._train, self._val = self._sets(model, given)
        self._samples = sets.check(self._train, model, model.loss, "--data")
        sets.check(self._val, model, model.loss, "--val-data")
        self._batch = opening.batch_size
        self._model, self._shared = model, Shared(keras, model)
        self._step: Step | None = None
        self._forms: Sequence[Any] = ()
        """Outputs of some batch, for their shapes and types."""

    def open(self) -> Opened:
        """Run the model as it is on all the data."""
        opening, model = self._opening, self._model
        judged = self._judged(model, self._val)
        as_it_is = self._worth(model, judged, opening.out, Trained(epochs=0, best_epoch=0))
        backend = backend_of(self._keras)
        return Opened(
            keras=self._keras.__version__,
            backend=backend,
            loss=self._loss.name,
            measure=judged.measure,
            train_samples=self._samples,
            val_samples=len(judged.losses),
            steps=steps_of(model),
            data=f"{self._train.fingerprint()}{self._val.fingerprint()}",
            as_it_is=as_it_is,
            target_variance=_variance(self._train),
            activity=self._activity(model),
            no_soup=_no_soup(model),
        )

    def do(self, task: Task, tell: Tell = lambda *_: None) -> Trained:
        """Do a task, and write its files.

        Raises:
            UnreadableModelError: Keras fails at it.
        """
        self._keras.utils.set_random_seed(task.seed)
        try:
            return self._averaged(task) if task.soup else self._trained(task, tell)
        except (RegauditError, DataError, MemoryError):
            raise
        except Exception as error:
            raise UnreadableModelError(f"training {task.name} failed: {one_line(error)}") from error

    def export(self, source: str, out: str) -> None:
        """Save a model that a task made under a name whose ending says in which format."""
        self._loaded(source).save(out)

    # One stretch of training ---------------------------------------------------------------------

    def _trained(self, task: Task, tell: Tell) -> Trained:
        model = self._loaded(task.start)
        if task.fresh:
            model = with_new_weights(model, self._opening)
        trained = self._shared.like(model)
        before = task.so_far.epochs if task.so_far else 0
        watch = Watch(self.score_now, trained, partial(self._state, trained), task, tell)
        with np.errstate(all="ignore"):
            trained.fit(
                **self._train.anew().for_fit(),
                **self._batches(),
                epochs=task.epochs,
                verbose=0,
                callbacks=[watch.callback(self._keras)],
            )
        curve = (*(task.so_far.curve if task.so_far else ()), *watch.curve)
        epochs = before + len(watch.curve)
        if watch.diverged:
            return Trained(epochs=epochs, best_epoch=0, diverged=True, curve=curve)
        self._shared.give_back(trained, model)
        model.save(task.out + LAST)
        if watch.state is None:  # nothing better than before
            if task.so_far is None or task.before is None:
                raise UnreadableModelError(f"training {task.name} failed: it had no epoch")
            for ending in (BEST, LOSSES):
                Path(task.out + ending).write_bytes(Path(task.before + ending).read_bytes())
            return _replaced(task.so_far, epochs, curve)
        assign(self._state(model), watch.state)
        model.save(task.out + BEST)
        way = Trained(epochs=epochs, best_epoch=watch.best_epoch, curve=curve)
        return self._worth(model, None, task.out, way)

    def _batches(self) -> dict[str, int]:
        """Return how `fit` goes through arrays; a data set has its own way."""
        if self._train.dataset is not None:
            return {}
        if not opens_arrays_twice(self._keras):
            return {"batch_size": self._batch}
        return {
            "batch_size": self._batch,
            "steps_per_epoch": ceil(self._samples / self._batch),
        }

    def _worth(self, model: Any, judged: Judged | None, out: str, way: Trained) -> Trained:
        """Add what a model is worth to how it was made, and keep the loss of each sample."""
        judged = judged or self._judged(model, self._val)
        score, monitored = self._score(model, float(judged.losses.mean()))
        np.save(Path(out + LOSSES), judged.losses)
        return replace(
            way,
            score=score,
            monitored=monitored,
            val_loss=float(judged.losses.mean()),
            tempered=judged.tempered,
            temperature=judged.temperature,
            accuracy=judged.accuracy,
            train_loss=float(self._run(model, self._train).losses.mean()),
        )

    def _state(self, model: Any) -> list[Any]:
        """Return the weights of a model and the variables of its optimizer."""
        return [*self._shared.weights_of(model), *optimizer_variables(model)]

    # The mean of weights -------------------------------------------------------------------------

    def _averaged(self, task: Task) -> Trained:
        """Add model after model to a mean of weights, where that lowers the score (greedily)."""
        model = self._loaded(task.soup[0])
        states = [self._weights_in(file, model) for file in task.soup]
        members, best = [0], inf
        judged: Judged | None = None
        for number in range(len(states)):
            tried = members if number == 0 else [*members, number]
            assign(model.weights, _mean([states[one] for one in tried]))
            found = self._judged(model, self._val)
            score, _ = self._score(model, float(found.losses.mean()))
            if score < best:
                members, best, judged = tried, score, found
        assign(model.weights, _mean([states[one] for one in members]))
        model.save(task.out + BEST)
        way = Trained(epochs=0, best_epoch=0, members=tuple(members))
        return self._worth(model, judged, task.out, way)

    def _weights_in(self, file: str, model: Any) -> list[Array]:
        """Return the weights of a file that holds the same model with other ones."""
        if hasattr(self._keras, "ops") and file.endswith(".keras"):
            model.load_weights(file)  # which makes no new model
            return values_of(model.weights)
        return values_of(self._loaded(file).weights)

    # Judging -------------------------------------------------------------------------------------

    def score_now(self, model: Any) -> tuple[float, float]:
        """Return the validation loss of a model, and what is chosen by."""
        loss = float(self._run(model, self._val).losses.mean())
        return loss, self._score(model, loss)[0]

    def _judged(self, model: Any, data: Data) -> Judged:
        ran = self._run(model, data, keep=True)
        return self._loss.judge(ran.losses, _joined(ran.outputs), _joined(ran.truths))

    def _run(self, model: Any, data: Data, *, keep: bool = False) -> _Ran:
        """Run a model on data, a batch at a time; keep its outputs, if they are wanted.

        One model is run with the weights of all of them: a graph is made once.
        """
        if model is not self._model:
            weights_of = self._shared.weights_of
            assign(weights_of(self._model), values_of(weights_of(model)))
        step = self._step = self._step or self._compiled(self._model)
        losses, weights, outputs, truths = [], [], [], []
        for x, truth, weight in data.batches(max(self._batch, AT_ONCE)):
            try:
                output, loss = step(x, truth)
            except DataError:
                raise
            except Exception as error:
                raise DataError(
                    f"the model does not run on {data.source}: {one_line(error)}"
                ) from error
            losses.append(loss)
            weights.append(np.ones(len(loss)) if weight is None else np.ravel(weight))
            if keep:
                outputs.append([self._loss.numpy(one) for one in output])
                truths.append(truth)
        share = np.concatenate(weights)
        return _Ran(np.concatenate(losses) * share * (len(share) / share.sum()), outputs, truths)

    def _compiled(self, model: Any) -> Step:
        """Return what gives the outputs of a batch, and the loss of each of its samples."""
        loss, keras = self._loss, self._keras

        def forward(x: Any, truths: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            outputs = loss.flat(model(x, training=False))
            return outputs, loss.of_outputs(outputs, truths)

        graph = compiled(keras, forward)

        def step(x: Any, truths: Sequence[Array]) -> tuple[list[Any], Array]:
            if graph is forward:  # the backend compiles what predicts, not what is made of it
                outputs = loss.flat(model.predict_on_batch(x))
                found = loss.of_outputs(outputs, loss.typed(truths, outputs))
            else:
                self._forms = self._forms or loss.flat(model(x, training=False))
                outputs, found = graph(x, loss.typed(truths, self._forms))
            return outputs, loss.of_samples(found)

        return step

    def _activity(self, model: Any) -> dict[str, float]:
        """Measure what layers put out on some of the training data."""
        found: dict[str, list[float]] = {}
        wanted = {path: layer for path, layer in layers_of(model) if path in self._opening.activity}
        if not wanted:
            return {}
        for path, layer in wanted.items():
            squares = found.setdefault(path, [])
            layer.call = _measured(layer.call, squares, self._loss.numpy)
        x = next(iter(self._train.batches(AT_ONCE)))[0]
        model(x, training=False)
        for layer in wanted.values():
            del layer.call  # the class has it
        return {path: float(np.sum(squares)) for path, squares in found.items()}

    def _score(self, model: Any, loss: float) -> tuple[float, float | None]:
        """Return what is chosen by, lower is better, and the metric as it is."""
        name = self._opening.monitor.removeprefix("val_")
        if not name:
            return (loss if isfinite(loss) else inf), None
        found = model.evaluate(
            **self._val.for_fit(),
            **({} if self._val.dataset is not None else {"batch_size": max(self._batch, AT_ONCE)}),
            verbose=0,
            return_dict=True,
        )
        if name not in found:
            known = ", ".join(key for key in found if key != "loss") or "none"
            raise DataError(f"--monitor {name}: the model has no such metric; it has {known}")
        value = float(found[name])
        higher = any(part in name.lower() for part in HIGHER)
        return (inf if not isfinite(value) else -value if higher else value), value

    # Opening -------------------------------------------------------------------------------------

    def _loaded(self, file: str) -> Any:
        return loaded(self._keras, file, self._opening)

    def _sets(self, model: Any, given: tuple[Any, Any | None] | None) -> tuple[Data, Data]:
        opening = self._opening
        if given is not None:
            train = sets.from_object(given[0], model, "the training data")
            other = None if given[1] is None else given[1]
            val = None if other is None else sets.from_object(other, model, "the validation data")
        else:
            train = sets.load(opening.data, model, what="--data")
            val = (
                sets.load(opening.val_data, model, what="--val-data") if opening.val_data else None
            )
        if val is None:
            return sets.split(train, opening.val_split or 0.0, opening.seed)
        sets.refuse_same(train, val)
        return train, val


def _measured(
    call: Callable[..., Any], squares: list[float], numpy: Callable[[Any], Array]
) -> Callable[..., Any]:
    """Return the `call` of a layer that notes the mean sum of squares of what it returns."""

    @wraps(call)
    def measured(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        with suppress(Exception):  # inside a compiled loop there are no values
            values = numpy(output).astype(np.float64)
            squares.append(float((values**2).sum()) / len(values))
        return output

    return measured


def _replaced(before: Trained, epochs: int, curve: tuple[Epoch, ...]) -> Trained:
    return replace(before, epochs=epochs, curve=curve)


def _joined(batches: list[list[Array]]) -> list[Array]:
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _variance(data: Data) -> float | None:
    """Return the mean squared deviation of targets from their mean: the loss of a constant."""
    truths = [truth for _, truth, _ in data.batches(AT_ONCE)]
    if len(truths[0]) != 1 or truths[0][0].dtype.kind not in "fiu":
        return None
    values = np.concatenate([truth[0] for truth in truths]).astype(np.float64)
    spread = float(values.var(axis=0).mean())
    return spread if spread > 0 and isfinite(spread) else None


def _mean(states: list[list[Array]]) -> list[Array]:
    return [
        (sum(parts) / len(parts)).astype(parts[0].dtype) if parts[0].dtype.kind == "f" else parts[0]
        for parts in zip(*states, strict=True)
    ]


def _no_soup(model: Any) -> str:
    """Say why the mean of several trainings' weights is no model."""
    if not model.non_trainable_weights:
        return ""
    for layer in model._flatten_layers():  # noqa: SLF001 - nothing public lists nested layers
        if "Normalization" in type(layer).__name__ and layer.non_trainable_weights:
            return (
                "no mean of weights was tried: the statistics of batch normalization belong to "
                "one training each"
            )
    return ""
