"""REG302: L2 penalties that act only on kernels whose scale a normalization undoes."""

from collections.abc import Iterator
from typing import Any, ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.graph import Graph
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.keras_semantics.weightless_layers import POOLING, RESHAPING
from regaudit.model import Layer, Node
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold

_LINEAR = frozenset(
    {"Dense", "EinsumDense", "Embedding"}
    | {f"{kind}Conv{rank}D" for kind in ("", "Depthwise", "Separable") for rank in (1, 2, 3)}
    | {f"Conv{rank}DTranspose" for rank in (1, 2, 3)}
)
"""Layers whose output doubles when a kernel and the bias double."""

_SCALING = frozenset({"linear", "relu", "leaky_relu"})
"""Activations that pass a scale on."""

_DROPOUT = frozenset({"Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"})


class L2BeforeNormalization(Rule):
    about: ClassVar[About] = About(
        code="REG302",
        name="l2-before-normalization",
        title="L2 penalties only on kernels whose scale a normalization undoes",
        severity=Severity.NOTE,
        confidence="high",
        what=(
            "Looks for L2 penalties in force on kernels whose output goes only to a "
            "normalization, through nothing but layers that keep the scale (ReLU, pooling, "
            "reshaping, dropout). By default it reports them only where all L2 penalties of the "
            "model are of this kind: recipes that decay every kernel are common and sound."
        ),
        rationale=(
            "The normalization divides the kernel's scale out again: a smaller kernel gives the "
            "same output, so the penalty does not limit what the layer can compute. It keeps the "
            "kernel small, which makes training steps larger relative to the kernel: it sets the "
            "effective learning rate. That is useful, but it does not limit the fit."
        ),
        source=(
            "van Laarhoven (2017), L2 Regularization versus Batch and Weight Normalization, "
            "arXiv:1706.05350; Zhang et al. (2019), Three Mechanisms of Weight Decay "
            "Regularization, arXiv:1810.12281"
        ),
        fix=(
            "Tune this strength together with the learning rate. Also penalize the kernels "
            "without a normalization after them, such as the output kernel."
        ),
        false_positives=(
            "Models in which the penalty is meant for the learning rate, and something else, "
            "such as dropout or augmentation, limits the fit."
        ),
        bad="""
layers, decay = keras.layers, keras.regularizers.L2(1e-4)
model = keras.Sequential([
    layers.Input((8, 8, 1)),
    layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=decay),
    layers.BatchNormalization(),
    layers.ReLU(),
    layers.Conv2D(3, 3, use_bias=False, kernel_regularizer=decay),
    layers.BatchNormalization(),
    layers.GlobalAveragePooling2D(),
    layers.Softmax(),
])
""",
        good="""
layers, decay = keras.layers, keras.regularizers.L2(1e-4)
model = keras.Sequential([
    layers.Input((8, 8, 1)),
    layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=decay),
    layers.BatchNormalization(),
    layers.ReLU(),
    layers.Conv2D(3, 3, kernel_regularizer=decay),
    layers.GlobalAveragePooling2D(),
    layers.Softmax(),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    min_share: Threshold = 1.0
    """Of the kernels with L2: where fewer are before a normalization, the rule is silent."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        penalized = [
            (layer, weight)
            for layer, weight in evidence.regularized()
            if weight.role in KERNEL_ROLES and weight.regularizer and weight.regularizer.l2
        ]
        undone = [(layer, weight) for layer, weight in penalized if _is_undone(evidence, layer)]
        if len(undone) < self.min_share * len(penalized):
            return
        for layer, weight in undone:
            l2 = weight.regularizer.l2 if weight.regularizer else None
            normalization = evidence.next_normalization(layer)
            yield self.item(
                weight,
                f"L2 of {l2:.3g} before {normalization}, which undoes the scale: the penalty "
                "sets the effective learning rate and does not limit the fit",
                rank=evidence.penalty(weight),
                kernels=len(penalized),
                before_normalization=len(undone),
                penalty=evidence.known_penalty(weight),
            )


def _is_undone(evidence: Evidence, layer: Layer) -> bool:
    """Whether a normalization divides the kernel's scale out again on every way."""
    normalization = evidence.next_normalization(layer)
    if normalization is None or layer.class_name not in _LINEAR or not _scales(layer):
        return False
    between = list(_between(evidence.graph, layer))
    # Beside other features, only a normalization of each channel by itself undoes the scale.
    joined = any(node.class_name == "Concatenate" for node in between)
    if joined and normalization != "BatchNormalization":
        return False
    return all(_passes_on(evidence.graph, node) for node in between)


def _between(graph: Graph, layer: Layer) -> Iterator[Node]:
    """Yield what lies between a layer and the normalizations after it."""
    todo, seen = list(graph.calls(layer)), set()
    while todo:
        for node in graph.fed(todo.pop()):
            if node.path not in seen and not graph.is_normalization(node):
                seen.add(node.path)
                todo.append(node)
                yield node


def _passes_on(graph: Graph, node: Node) -> bool:
    classes = graph.classes(node)
    if classes <= POOLING | RESHAPING | _DROPOUT | {"Concatenate"}:
        return True
    if classes == {"ReLU"}:
        return all(
            layer.config.get("max_value") is None and not layer.config.get("threshold")
            for layer in graph.layers(node)
        )
    if classes == {"Activation"}:
        return all(_scales(layer) for layer in graph.layers(node))
    return classes <= {"LeakyReLU", "PReLU"}


def _scales(layer: Layer) -> bool:
    """Whether a layer's own activation passes a scale on."""
    activation: Any = layer.config.get("activation")
    if isinstance(activation, dict):
        activation = activation.get("config")
    return activation is None or (isinstance(activation, str) and activation in _SCALING)
