"""One model that trains for all candidates: their strengths are variables of its graph.

To trace and compile a model takes as long as many epochs of a small one. Candidates differ in the
strengths of penalties, which are constants of a graph; with variables in their place one graph does
for all. Nothing of it is saved: what was trained goes back into the model as its file has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from regaudit.live.keras_package import backend_of
from regaudit.sweeping.state import assign, optimizer_variables, values_of

KINDS = ("l1", "l2")

Place = tuple[int, str]
"""Number of what may have a regularizer, and a kind."""


class Shared:
    """Trains in place of models that are the same but for strengths.

    A model of which that is not certain trains itself: one with layers, an optimizer or
    regularizers that are not Keras's own, or with other numbers than float32.

    Args:
        keras: the package.
        model: compiled as the others are.
    """

    def __init__(self, keras: Any, model: Any) -> None:
        """Change nothing yet."""
        self.model, self._keras = model, keras
        self._weights, self._all = list(model.weights), _all(model)
        self._strengths: dict[Place, Any] | None = None
        """Variables; None while the regularizers are the model's own."""
        self._able = _makes_graphs(keras) and _is_plain(model)

    def weights_of(self, model: Any) -> list[Any]:
        """Return the weights of a model: its own, of the shared one."""
        return self._weights if model is self.model else list(model.weights)

    def like(self, model: Any) -> Any:
        """Return what trains in place of a model: the shared one in the state of it, or itself."""
        strengths = self._strengths_of(model) if self._able and self._fits(model) else None
        if strengths is None:
            return model
        for place, variable in self._made(set(strengths)).items():
            variable.assign(strengths.get(place, 0.0))
        assign(self._changing(self.model), values_of(self._changing(model)))
        return self.model

    def give_back(self, trained: Any, model: Any) -> None:
        """Bring a model into the state of what trained in its place."""
        if trained is not model:
            assign(self._changing(model), values_of(self._changing(trained)))

    def _changing(self, model: Any) -> list[Any]:
        """Return all that training changes."""
        own = self._all if model is self.model else _all(model)
        return [*own, *optimizer_variables(model)]

    def _fits(self, model: Any) -> bool:
        """Whether a model is the shared one but for values and regularizers."""
        if not _is_plain(model):
            return False
        for one in (model, self.model):
            if not one.optimizer.built:
                one.optimizer.build(one.trainable_variables)
        return _form(model, self._changing(model)) == _form(self.model, self._changing(self.model))

    def _strengths_of(self, model: Any) -> dict[Place, float] | None:
        """Return the strengths of a model, if it has no other regularizers than L1 and L2."""
        known = self._keras.regularizers
        found: dict[Place, float] = {}
        for number, (holder, attribute) in enumerate(_holders(model)):
            regularizer = getattr(holder, attribute)
            if regularizer is None:
                continue
            if type(regularizer) not in {known.L1, known.L2, known.L1L2}:
                return None
            config = regularizer.get_config()
            found |= {(number, kind): float(config[kind]) for kind in KINDS if config.get(kind)}
        return found

    def _made(self, places: set[Place]) -> dict[Place, Any]:
        """Return the variables, with one for each of some places; new ones need a new graph."""
        there = self._strengths or {}
        if self._strengths is not None and places <= there.keys():
            return there
        self._strengths = there | {
            place: self.model.add_weight(
                name=f"strength_{place[1]}", shape=(), initializer="zeros", trainable=False
            )
            for place in sorted(places - there.keys())
        }
        for number, (holder, attribute) in enumerate(_holders(self.model)):
            own = {kind: one for (at, kind), one in self._strengths.items() if at == number}
            setattr(holder, attribute, _penalty(self._keras, own) if own else None)
        self.model.train_function = self.model.test_function = None
        return self._strengths


def _makes_graphs(keras: Any) -> bool:
    """Whether a graph may be shared.

    tf-keras keeps penalties elsewhere, and torch makes no graph. With JAX the first `fit` of a
    model shuffles once more than later ones: results would depend on what was trained before.
    """
    return hasattr(keras, "ops") and backend_of(keras) == "tensorflow"


def _is_plain(model: Any) -> bool:
    """Whether all that a model does is known, and in the type of the strengths."""
    layers = list(model._flatten_layers())  # noqa: SLF001 - nothing public lists nested layers
    return all(
        type(one).__module__.partition(".")[0] == "keras" for one in (*layers, model.optimizer)
    ) and not any(
        type(layer).__name__ == "Lambda"
        or hasattr(layer, "adapt")
        or layer.compute_dtype != "float32"
        for layer in layers
    )


def _form(model: Any, changing: Sequence[Any]) -> tuple[Any, ...]:
    """Return what models have in common that may share a graph."""
    settings = {**model.optimizer.get_config(), "name": None}
    return (
        [type(layer) for layer in model._flatten_layers()],  # noqa: SLF001
        [(tuple(one.shape), str(one.dtype), one.trainable) for one in changing],
        type(model.optimizer),
        settings,
    )


def _all(model: Any) -> list[Any]:
    """Return the weights of a model and the states of its random numbers."""
    return list(getattr(model, "variables", model.weights))


def _holders(model: Any) -> Iterator[tuple[Any, str]]:
    """Yield what may have a regularizer, and under which name."""
    for variable in model.trainable_variables:
        yield variable, "regularizer"
    for layer in model._flatten_layers():  # noqa: SLF001
        yield layer, "activity_regularizer"


def _penalty(keras: Any, strengths: Mapping[str, Any]) -> Any:
    """Return a regularizer of variable strengths, by their kinds; as Keras computes its own."""
    ops = keras.ops

    class Penalty(keras.regularizers.Regularizer):  # type: ignore[misc]
        def __call__(self, x: Any) -> Any:
            sizes = {"l1": ops.absolute, "l2": ops.square}
            parts = [
                ops.cast(strengths[kind], x.dtype) * ops.sum(sizes[kind](x))
                for kind in KINDS
                if kind in strengths
            ]
            return sum(parts[1:], parts[0])

    return Penalty()
