"""The outputs of a model with their losses: what a model that has learned nothing would lose."""

from collections.abc import Mapping
from math import log, prod
from typing import Any

from msgspec import Struct

from regaudit.evidence.graph import Graph
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.layer_table import NORMALIZATIONS
from regaudit.keras_semantics.weightless_layers import ACTIVATIONS, POOLING, RANDOM_REGULARIZERS
from regaudit.model import Node


class ChanceLoss(Struct, frozen=True):
    """The loss of a model that has learned nothing: the yardstick for penalties."""

    value: float
    """In units of the loss."""
    basis: str
    """Where it comes from: `ln 10, a cross-entropy over 10 classes`."""
    variance: bool = False
    """Whether it is that of the targets of a regression."""


_SQUARED = {"mse", "meansquarederror"}
_BINARY = {"binarycrossentropy", "bce"}
_CATEGORICAL = {"categoricalcrossentropy", "sparsecategoricalcrossentropy"}
_OPERATIONS = {"Softmax", "LogSoftmax", "Sigmoid", "Relu", "Tanh", "Cast"}
"""Operations of `keras.ops` that keep the number of channels; more than these are not needed."""
_KEEPING = frozenset(
    {*ACTIVATIONS, *POOLING, *NORMALIZATIONS, *RANDOM_REGULARIZERS, *_OPERATIONS, "Identity"}
)
_HUGE = 1e30
"""Weights of losses below it can be multiplied and added up."""
_UNCOMPILED, _NO_LOSS = "the model is not compiled", "the file tells no loss"
_CHANNELS = ("units", "filters", "output_dim", "nb_filter")


class Head(Struct, frozen=True):
    """One output of a model and its loss."""

    name: str
    path: str
    """Of the graph node that makes the output."""
    loss: str
    """As stored: a name or a class; empty where the output has none."""
    classes: int | None
    """Values per prediction; None where the file does not say."""
    chance: ChanceLoss | None
    why: str = ""
    """What would have to be there for a chance loss; empty when it is known."""
    weight: float = 1.0
    """Factor of this loss in the total."""


def heads_of(graph: Graph, facts: Facts) -> tuple[Head, ...]:
    """Return the outputs of a model with their losses."""
    model = graph.model
    found = []
    for number, output in enumerate(model.outputs):
        node = graph.nodes.get(output.path)
        loss = _of(model.loss, number, output.name, len(model.outputs))
        name, config = _name_and_config(loss)
        classes = _classes(graph, node)
        if model.loss is None:
            untold = _UNCOMPILED if model.compiled is False else _NO_LOSS
            chance, why = _by_activation(_activation(graph, node), classes, untold)
        else:
            chance, why = _by_loss(name, config, classes, facts)
        weight = _of(model.loss_weights, number, output.name, len(model.outputs))
        factor = weight if isinstance(weight, int | float) else 1.0
        if not abs(factor) < _HUGE:
            chance, why, factor = None, "a loss weight that is finite", 1.0
        found.append(Head(output.name, output.path, name, classes, chance, why, float(factor)))
    return tuple(found)


def total_chance(heads: tuple[Head, ...]) -> tuple[ChanceLoss | None, str]:
    """Return the chance loss of all outputs together; None and why where one is not known."""
    counted = [head for head in heads if head.loss or head.chance or len(heads) == 1]
    if not counted:
        return None, "an output with a loss"
    unknown = next((head for head in counted if head.chance is None), None)
    if unknown is not None:
        return None, unknown.why
    if len(counted) == 1 and counted[0].weight == 1 and counted[0].chance is not None:
        return counted[0].chance, ""
    value = sum(head.weight * head.chance.value for head in counted if head.chance)
    if value <= 0:
        return None, "loss weights whose total is above zero"
    bases = " + ".join(
        f"{f'{head.weight:g} x ' if head.weight != 1 else ''}{head.chance.basis} ({head.name})"
        for head in counted
        if head.chance
    )
    squared = all(head.chance.variance for head in counted if head.chance)
    return ChanceLoss(value, bases, variance=squared), ""


def _by_loss(
    name: str, config: Mapping[str, Any], classes: int | None, facts: Facts
) -> tuple[ChanceLoss | None, str]:
    """Return the chance loss by the loss of an output, or why there is none."""
    loss = name.lower().replace("_", "")
    if not name:
        return None, "a loss for every output"
    if config.get("reduction") == "sum":
        return None, f"a loss that is a mean: {name} is a sum over the batch"
    if config.get("axis", -1) != -1:
        return None, f"classes on the last axis, unlike {name}"
    if loss in _BINARY:
        return ChanceLoss(log(2), "ln 2, a binary cross-entropy"), ""
    if loss in _CATEGORICAL and classes and classes > 1:
        return ChanceLoss(log(classes), f"ln {classes}, a cross-entropy over {classes} classes"), ""
    if loss in _CATEGORICAL:
        return None, "an output whose number of classes can be read"
    if loss in _SQUARED and facts.target_variance is not None:
        basis = f"{facts.target_variance:g}, the variance of the targets"
        return ChanceLoss(facts.target_variance, basis, variance=True), ""
    if loss in _SQUARED:
        return None, "--target-variance"
    return None, f"a loss whose chance level is known, unlike {name}"


def _by_activation(
    activation: str, classes: int | None, untold: str
) -> tuple[ChanceLoss | None, str]:
    """Judge a model without a loss by the activation of its output.

    Args:
        activation: of the output.
        classes: values per prediction.
        untold: why there is no loss.
    """
    if activation == "softmax" and classes and classes > 1:
        basis = f"ln {classes}, for a softmax over {classes} classes ({untold})"
        return ChanceLoss(log(classes), basis), ""
    if activation == "sigmoid":
        return ChanceLoss(log(2), f"ln 2, for a sigmoid output ({untold})"), ""
    return None, "a compiled model: the file contains no loss"


def _of(value: Any, number: int, name: str, count: int) -> Any:
    """Return what a setting of `compile` says of one output."""
    if isinstance(value, Mapping) and "class_name" not in value:
        return value.get(name)
    if isinstance(value, list):
        return value[number] if len(value) == count else None
    return value


def _name_and_config(loss: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the name of a loss, and its configuration."""
    if isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    if not isinstance(loss, Mapping):
        return (loss, {}) if isinstance(loss, str) else ("", {})
    config, name = loss.get("config"), loss.get("class_name")
    if name == "function" and isinstance(config, str):
        return config, {}
    registered = loss.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return registered, {}  # a custom loss, whatever its class is called
    return str(name or ""), config if isinstance(config, Mapping) else {}


def _classes(graph: Graph, node: Node | None) -> int | None:
    """Return the channels of an output: of the layer that makes them, through what keeps them."""
    for _ in graph.nodes:
        if node is None:
            return None
        for layer in graph.layers(node):
            for key in _CHANNELS:
                value = layer.config.get(key)
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
        shape = [layer.config.get("target_shape") for layer in graph.layers(node)]
        if node.class_name == "Reshape" and shape and isinstance(shape[0], list) and shape[0]:
            last = shape[0][-1]
            return last if isinstance(last, int) and last > 0 else None
        if node.class_name == "Flatten" and node.built_for:
            return prod(node.built_for) or None
        feeding = graph.feeding(node)
        if not graph.classes(node) <= _KEEPING or len(feeding) != 1:
            return None
        node = feeding[0]
    return None


def _activation(graph: Graph, node: Node | None) -> str:
    if node is None:
        return ""
    if "Softmax" in graph.classes(node):
        return "softmax"
    for layer in graph.layers(node):
        activation = layer.config.get("activation")
        if isinstance(activation, Mapping):
            config = activation.get("config")
            activation = config if isinstance(config, str) else activation.get("class_name")
        if isinstance(activation, str):
            return activation.lower()
    return "sigmoid" if node.class_name == "Sigmoid" else ""
