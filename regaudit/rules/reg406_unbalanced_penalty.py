"""REG406: neighbours under one L2 strength whose penalties should be equal and are not."""

from collections.abc import Iterator
from math import isclose
from typing import Any, ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.initializers import is_untouched
from regaudit.evidence.needs import REGULARIZERS, VALUES
from regaudit.keras_semantics.weightless_layers import POOLING, RANDOM_REGULARIZERS, RESHAPING
from regaudit.model import Layer, Node, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold

_HOMOGENEOUS = {None, "linear", "relu", "leaky_relu"}
"""Activations f with f(a x) = a f(x) for every a > 0."""

_ADDITIVE = {"GaussianNoise", "AlphaDropout"}
_PASSING = (POOLING | RESHAPING | RANDOM_REGULARIZERS | {"LeakyReLU"}) - _ADDITIVE
"""Layers for which the same is true, with any options."""


class UnbalancedPenalty(Rule):
    about: ClassVar[About] = About(
        code="REG406",
        name="unbalanced-penalty",
        title="Chain of layers with unequal penalties",
        severity=Severity.NOTE,
        confidence="medium",
        what=(
            "Looks for trained Dense and convolution kernels that follow each other through ReLU "
            "alone, without normalization, under the same L2 strength, and compares what each "
            "adds to the loss: the largest is over five times the smallest."
        ),
        rationale=(
            "In such a chain, one kernel can be scaled up and the next one down without changing "
            "the model. So where loss and penalty are at their minimum, the penalties are equal. "
            "If they are far from equal, the penalty has not had its effect: it is too weak, or "
            "the training was too short."
        ),
        source=(
            "Scaling two kernels against each other leaves the loss and must not lower the "
            "penalty at a minimum; Du, Hu and Lee (2018), Algorithmic Regularization in Learning "
            "Deep Homogeneous Models: Layers are Automatically Balanced, arXiv:1806.00900: "
            "without a penalty gradient flow keeps differences of squared norms as they were"
        ),
        fix=(
            "Train longer. How strong the penalty should be is not told by this, but by the "
            "losses: give --train-loss and --val-loss to `regaudit suggest`."
        ),
        false_positives="A model stopped early on purpose.",
        bad="""
regularizer = keras.regularizers.L2(1e-4)
model = keras.Sequential([
    keras.layers.Input((40,)),
    keras.layers.Dense(30, activation="relu", kernel_regularizer=regularizer, name="first"),
    keras.layers.Dense(20, activation="relu", kernel_regularizer=regularizer, name="second"),
])
model.layers[0].kernel.assign(3.0 * model.layers[0].kernel)
model.layers[1].kernel.assign(0.9 * model.layers[1].kernel)
model.layers[1].bias.assign(0.1 + model.layers[1].bias)
""",
        good="""
regularizer = keras.regularizers.L2(1e-4)
model = keras.Sequential([
    keras.layers.Input((40,)),
    keras.layers.Dense(30, activation="relu", kernel_regularizer=regularizer, name="first"),
    keras.layers.Dense(20, activation="relu", kernel_regularizer=regularizer, name="second"),
])
model.layers[0].kernel.assign(1.2 * model.layers[0].kernel)
model.layers[1].kernel.assign(1.3 * model.layers[1].kernel)
model.layers[1].bias.assign(0.1 + model.layers[1].bias)
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES, REGULARIZERS)

    max_ratio: Threshold = 5.0
    """Between the penalties of neighbours; smaller ones pass."""
    min_value: Threshold = 1e-3
    """Kernels without a larger value have collapsed, which is another rule's."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        training = evidence.training
        if training is not None and training.steps == 0:
            return
        penalized = dict(self._penalized(evidence))
        for path, (layer, weight) in penalized.items():
            following = _neighbour(evidence, layer)
            if following is None or following.path not in penalized:
                continue
            other = penalized[following.path][1]
            if not isclose(_l2(weight), _l2(other), rel_tol=1e-6):
                continue
            mine, theirs = evidence.penalty(weight), evidence.penalty(other)
            low, high = sorted((mine, theirs))
            if low <= 0 or high <= self.max_ratio * low:
                continue
            at, other_path = (weight, following.path) if mine > theirs else (other, path)
            yield self.item(
                at,
                f"adds {high:.3g} to the loss, its neighbour {other_path} only {low:.3g}: a "
                f"ratio of {high / low:.3g}; in a chain of ReLU layers that has converged it is 1",
                rank=high / low,
                penalty=high,
                smallest=low,
                ratio=high / low,
            )

    def _penalized(self, evidence: Evidence) -> Iterator[tuple[str, tuple[Layer, Weight]]]:
        """Trained kernels under L2 alone, by the path of their layer."""
        for layer, weight in evidence.regularized():
            plain = layer.class_name == "Dense" or layer.class_name in _CONVOLUTIONS
            alone = plain and weight.role == "kernel" and layer.node == layer.path
            if not alone or not weight.trainable or weight.constraint or not _l2(weight):
                continue
            measured = evidence.measured(weight)
            if measured is None or not measured.max_abs or measured.max_abs < self.min_value:
                continue
            if not is_untouched(layer, weight, evidence.moments):
                yield layer.path, (layer, weight)


_CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D"})


def _l2(weight: Weight) -> float:
    """Return the strength of a penalty of L2 alone; zero for any other."""
    regularizer = weight.regularizer
    return (regularizer.l2 or 0.0) if regularizer and not regularizer.l1 else 0.0


def _neighbour(evidence: Evidence, layer: Layer) -> Layer | None:
    """Return the layer that alone follows, and follows this one alone, through ReLU at most."""
    graph, outputs = evidence.graph, {output.path for output in evidence.model.outputs}
    calls = graph.calls(layer)
    if len(calls) != 1 or not _is_homogeneous(layer.config.get("activation")):
        return None
    node: Node = calls[0]
    while node.path not in outputs and len(graph.fed(node)) == 1:
        node = graph.fed(node)[0]
        if len(graph.feeding(node)) != 1:
            return None
        if graph.has_kernels(node):
            (found,) = graph.layers(node)[:1]
            return found if len(graph.calls(found)) == 1 else None
        if not graph.classes(node) <= _PASSING and not any(map(_is_relu, graph.layers(node))):
            return None
    return None


def _is_relu(layer: Layer) -> bool:
    config = layer.config
    if layer.class_name == "ReLU":
        return config.get("max_value") is None and not config.get("threshold")
    return layer.class_name == "Activation" and _is_homogeneous(config.get("activation"))


def _is_homogeneous(activation: Any) -> bool:
    return isinstance(activation, str | None) and activation in _HOMOGENEOUS
