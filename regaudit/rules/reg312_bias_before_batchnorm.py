"""REG312: a bias that batch normalization takes out again."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.graph import Graph
from regaudit.evidence.needs import CONFIGURATION
from regaudit.model import Layer, Node, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_ADDED_LAST = frozenset(
    {"Dense", "EinsumDense"}
    | {f"{kind}Conv{rank}D" for kind in ("", "Depthwise", "Separable") for rank in (1, 2, 3)}
    | {f"Conv{rank}DTranspose" for rank in (1, 2, 3)}
)
"""Layers that add their bias to the output, before their activation."""


class BiasBeforeBatchnorm(Rule):
    about: ClassVar[About] = About(
        code="REG312",
        name="bias-before-batchnorm",
        title="Bias directly before a batch normalization",
        severity=Severity.NOTE,
        confidence="high",
        what=(
            "Looks for trainable biases of dense and convolution layers without an activation "
            "whose output goes directly, and only, to trainable batch normalizations of the same "
            "channels."
        ),
        rationale=(
            "The normalization subtracts the mean of each channel, and the bias with it. The "
            "gradient of the bias is zero in training, so its values are parameters without "
            "effect. The normalization's own beta does their work."
        ),
        source=(
            "Ioffe and Szegedy (2015), Batch Normalization: Accelerating Deep Network Training "
            "by Reducing Internal Covariate Shift, arXiv:1502.03167, section 3.2"
        ),
        fix="Pass use_bias=False to the layer before the normalization.",
        false_positives=(
            "Layers that receive weights from a model with biases; the bias costs little."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(16),
    keras.layers.BatchNormalization(),
    keras.layers.ReLU(),
    keras.layers.Dense(3, activation="softmax"),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(16, use_bias=False),
    keras.layers.BatchNormalization(),
    keras.layers.ReLU(),
    keras.layers.Dense(3, activation="softmax"),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        graph = evidence.graph
        outputs = {output.path for output in evidence.model.outputs}
        for layer in evidence.model.layers:
            bias = _bias(layer)
            if bias is None or layer.config.get("activation") not in (None, "linear"):
                continue
            calls = graph.calls(layer)
            followers = [node for call in calls for node in _next(graph, call)]
            ends = any(call.path in outputs or not graph.fed(call) for call in calls)
            if followers and not ends and all(_centres(graph, n, bias) for n in followers):
                yield self.item(
                    bias,
                    f"{bias.size:,} parameters without effect: {followers[0].class_name} "
                    f"{followers[0].layer} subtracts them again",
                    parameters=bias.size,
                )


def _bias(layer: Layer) -> Weight | None:
    if layer.class_name not in _ADDED_LAST:
        return None
    for weight in layer.weights:
        if weight.role == "bias" and weight.trainable and weight.shared_with is None:
            return weight
    return None


def _next(graph: Graph, node: Node) -> Iterator[Node]:
    """Yield what follows a node, beyond activations that do nothing."""
    todo, seen = [node], set()
    while todo:
        for following in graph.fed(todo.pop()):
            idle = following.class_name == "Identity" or (
                following.class_name == "Activation"
                and all(one.config.get("activation") == "linear" for one in graph.layers(following))
            )
            if not idle:
                yield following
            elif following.path not in seen:
                seen.add(following.path)
                todo.append(following)


def _centres(graph: Graph, node: Node, bias: Weight) -> bool:
    """Whether a node subtracts the batch's mean from each channel that a bias shifts."""
    for layer in graph.layers(node):
        if layer.class_name in {"BatchNormalization", "SyncBatchNormalization"}:
            same = any(weight.size == bias.size for weight in layer.weights)
            learned = [w.trainable for w in layer.weights if w.role in {"gamma", "beta"}]
            return same and layer.trainable and (any(learned) or not learned)
    return False
