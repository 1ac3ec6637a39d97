"""A model as Keras itself holds it, taken down as plain data. Keras need not be imported for it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from regaudit.model import Layer, Model, Regularizer, Status, Weight

_STRENGTHS = {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")}


class Variable(Struct, frozen=True):
    """One variable of a model in memory."""

    names: tuple[str, ...]
    """The ways that lead to it, each the names of the layers and its own, joined by `/`."""
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    regularizer: Regularizer | None
    penalty: float | None = None
    """What Keras adds for it to the loss; None if that was not computed, or cannot be."""
    numbers: Mapping[str, float] | None = None
    """Sums over its values in float64, named as in `Moments`; None if not taken."""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Variable":
        """Rebuild a variable from its record in JSON."""
        return msgspec.convert(record, cls)


class Pair(NamedTuple):
    """An audited weight and the variable that it is."""

    layer: Layer
    weight: Weight
    variable: Variable | None


def regularizer_of_record(record: Mapping[str, Any] | None) -> Regularizer | None:
    """Rebuild a regularizer from its record in JSON."""
    return msgspec.convert(record, Regularizer | None)


def variables_of(model: Any, *, measured: bool = False) -> list[Variable]:
    """Take down the weights of a Keras model.

    Args:
        model: of Keras 3 or tf-keras.
        measured: whether to take sums of the values, and to let Keras compute each penalty.
    """
    names: dict[int, list[str]] = defaultdict(list)
    regularizers: dict[int, Any] = {}
    for path, layer in layers_of(model):
        for number, variable in enumerate(_own_variables(layer)):
            own = variable.name.rpartition("/")[2].partition(":")[0]
            names[id(variable)] += [f"{path}/{own}".lstrip("/")]
            names[id(variable)] += [f"{path}/variable_{number}".lstrip("/")]
            regularizers.setdefault(id(variable), getattr(variable, "regularizer", None))
        regularizers.update(_keras_2_regularizers(layer))
    trainable = {id(variable) for variable in model.trainable_weights}
    pays_frozen = hasattr(model, "_trainable_weights")  # Keras 2
    found = []
    for variable in model.weights:
        regularizer = regularizers.get(id(variable))
        pays = pays_frozen or id(variable) in trainable
        found.append(
            Variable(
                names=tuple(names[id(variable)]),
                shape=tuple(int(size) for size in variable.shape),
                dtype=getattr(variable.dtype, "name", None) or str(variable.dtype),
                trainable=id(variable) in trainable,
                regularizer=regularizer_of(regularizer),
                penalty=_penalty(regularizer if pays else None, variable) if measured else None,
                numbers=_numbers(variable) if measured else None,
            )
        )
    return found


def layers_of(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the model and every layer below it, by each path that leads to it."""

    def visit(layer: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        yield path, layer
        if any(base.__name__ == "Sequential" for base in type(layer).__mro__):
            below = layer.layers
        elif hasattr(layer, "_layers"):
            below = layer._layers  # noqa: SLF001 - the public list leaves out the layers inside wrappers
        else:
            below = layer._flatten_layers(recursive=False, include_self=False)  # noqa: SLF001
        for inner in below:
            if id(inner) not in above and hasattr(inner, "name"):
                yield from visit(inner, f"{path}/{inner.name}".lstrip("/"), (*above, id(inner)))

    return visit(model, "", (id(model),))


def regularizer_of(value: Any) -> Regularizer | None:
    """Describe a regularizer object of Keras; one that is not Keras's own is opaque."""
    if value is None:
        return None
    kind = type(value)
    name = kind.__name__ if kind.__name__ != "function" else str(value.__name__)
    keras_own = kind.__module__.partition(".")[0] in {"keras", "tf_keras", "tensorflow"}
    if keras_own and name in _STRENGTHS:
        l1, l2 = (float(getattr(value, key)) if key in _STRENGTHS[name] else 0.0 for key in _KEYS)
        return Regularizer(name, l1, l2, {}, Status.IN_FORCE)
    if keras_own and name == "OrthogonalRegularizer":
        config = {"factor": float(value.factor), "mode": str(value.mode)}
        return Regularizer(name, 0.0, 0.0, config, Status.IN_FORCE)
    return Regularizer(name, None, None, {}, Status.OPAQUE)


_KEYS = ("l1", "l2")


def matched(
    model: Model,
    variables: Iterable[Variable],
    same_values: Callable[[Weight, Variable], bool] = lambda *_: False,
) -> tuple[list[Pair], list[Variable]]:
    """Pair audited weights with variables: by name, and what that leaves over by value.

    Returns:
        A pair for each weight, and the variables that no weight is.
    """
    by_name: dict[str, list[Variable]] = defaultdict(list)
    for variable in variables:
        for name in variable.names:
            by_name[name].append(variable)
    free = {id(variable): variable for variable in variables}
    pairs: list[Pair] = []
    for layer, weight in model.weights():
        fitting = [v for v in by_name[weight.path] if v.shape == weight.shape]
        found = next((v for v in fitting if id(v) in free), fitting[0] if fitting else None)
        free.pop(id(found), None)
        pairs.append(Pair(layer, weight, found))
    for number, (layer, weight, named) in enumerate(pairs):
        if named is not None:
            continue
        alike = (v for v in free.values() if v.shape == weight.shape and same_values(weight, v))
        found = next(alike, None)
        free.pop(id(found), None)
        pairs[number] = Pair(layer, weight, found)
    left = [v for v in free.values() if not any("/lora_" in name for name in v.names)]
    return pairs, left


def _own_variables(layer: Any) -> list[Any]:
    """A layer's own variables, in the order in which they are stored."""
    if hasattr(layer, "_trainable_variables"):
        return [*layer._trainable_variables, *layer._non_trainable_variables]  # noqa: SLF001
    return [*layer._trainable_weights, *layer._non_trainable_weights]  # noqa: SLF001


def _keras_2_regularizers(layer: Any) -> dict[int, Any]:
    """By variable: Keras 2 keeps a regularizer in the closure of a loss, bound to its variable."""
    found = {}
    for loss in getattr(layer, "_callable_losses", ()):
        bound: Any = next(iter(getattr(loss, "args", ())), None)
        function = getattr(bound, "func", None)
        if function is None or not bound.args or function.__closure__ is None:
            continue
        cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
        found[id(bound.args[0])] = dict(cells)["regularizer"].cell_contents
    return found


def _penalty(regularizer: Any, variable: Any) -> float | None:
    try:
        return float(regularizer(variable)) if regularizer is not None else 0.0
    except Exception:  # noqa: BLE001 - whatever Keras or a custom class raises: there is no number
        return None


def _numbers(variable: Any) -> dict[str, float]:
    values = np.asarray(variable.numpy()).astype(np.float64).reshape(-1)
    sizes = np.abs(values)
    return {
        "nonfinite": int(np.count_nonzero(~np.isfinite(values))),
        "zeros": int(np.count_nonzero(values == 0)),
        "l1_norm": float(sizes.sum()),
        "l2_norm": float(np.sqrt(np.square(values).sum())),
        "max_abs": float(sizes.max(initial=0.0)),
    }
