"""REG314: dropout that leaves too little, or falls on the predictions."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.graph import Graph, rate
from regaudit.evidence.needs import CONFIGURATION
from regaudit.model import Layer, Node
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold

_DROPPING = frozenset(
    {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"}
)


class ExtremeDropout(Rule):
    about: ClassVar[About] = About(
        code="REG314",
        name="extreme-dropout",
        title="Dropout that keeps too little",
        severity=Severity.WARNING,
        confidence="medium",
        what=(
            "Looks for dropout with a high rate, either of one dropout or of several with no "
            "layer with kernels between them (including dropout inside recurrent and attention "
            "layers), and for dropout between the last kernel of a classifier and its output."
        ),
        rationale=(
            "What is kept must still tell the classes apart: at a rate of 0.8 a unit sees a "
            "fifth of its inputs in a step, and the fewer are kept, the noisier the gradients "
            "are. Keras expects the share to drop, while papers often give the share to keep. "
            "Dropout on the logits sets predictions themselves to zero, and no weight can make "
            "up for that."
        ),
        source=(
            "Srivastava et al. (2014), Dropout: A Simple Way to Prevent Neural Networks from "
            "Overfitting, JMLR 15, appendix A.4: hidden units are typically kept with a "
            "probability of 0.5 to 0.8, a rate of 0.2 to 0.5 in Keras"
        ),
        fix=(
            "Use rates of 0.1 to 0.5, at most one dropout between two kernels, and none after "
            "the last kernel."
        ),
        false_positives=(
            "Very wide layers, where a tenth of the units is still many; inputs that are hidden "
            "on purpose, as in denoising autoencoders."
        ),
        bad="""
layers = keras.layers
model = keras.Sequential([
    layers.Input((8,)),
    layers.Dense(16, activation="relu"),
    layers.Dropout(0.8),
    layers.Dense(3),
    layers.Dropout(0.2),
    layers.Softmax(),
])
""",
        good="""
layers = keras.layers
model = keras.Sequential([
    layers.Input((8,)),
    layers.Dense(16, activation="relu"),
    layers.Dropout(0.5),
    layers.Dense(3),
    layers.Softmax(),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    max_rate: Threshold = 0.7
    """Rates below it pass, of one dropout and of several in a row together."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        graph = evidence.graph
        on_logits = {
            layer.path: head.name
            for head in evidence.heads
            if head.chance is not None or "entropy" in head.loss.lower()
            for layer in _before_output(graph, head.path)
        }
        kept = _kept(graph)
        for layer in evidence.model.layers:
            for name, own in _rates(layer):
                shares = [kept[call.path] for call in graph.calls(layer) if _drops(layer)]
                together = 1 - min(shares, default=1 - own)
                if layer.path in on_logits:
                    message = (
                        f"drops a share of {own:g} of the predictions of {on_logits[layer.path]}"
                    )
                elif own >= self.max_rate:
                    message = (
                        f"{name.replace('_', ' ')} of {own:g} keeps a share of only {1 - own:.2g}"
                    )
                elif together >= self.max_rate:
                    message = (
                        f"rate of {own:g}, or {together:.2g} together with the dropouts before it"
                    )
                else:
                    continue
                yield self.item(
                    layer, message, rank=together, rate=own, together=together, limit=self.max_rate
                )


def _rates(layer: Layer) -> Iterator[tuple[str, float]]:
    """Yield the rates of a layer that drop anything, by key."""
    if layer.class_name in {*_DROPPING, "GaussianDropout"}:
        strength = rate(layer)
        if strength is not None and strength > 0:
            yield "rate", strength
    elif layer.known and layer.weights:
        for key in ("dropout", "recurrent_dropout"):
            strength = rate(layer, key)
            if strength is not None and strength > 0:
                yield key, strength


def _kept(graph: Graph) -> Mapping[str, float]:
    """Return the share that dropouts in a row keep up to each node, by its path."""
    kept: dict[str, float] = {}
    for start in graph.nodes.values():
        way: dict[str, Node] = {}
        node: Node | None = start
        while node is not None and node.path not in kept and node.path not in way:
            way[node.path] = node
            node = _before(graph, node)
        share = kept.get(node.path, 1.0) if node else 1.0
        for each in reversed(way.values()):
            for layer in graph.layers(each):
                share *= 1 - (rate(layer) or 0.0) if _drops(layer) else 1.0
            kept[each.path] = share
    return kept


def _drops(layer: Layer) -> bool:
    return layer.class_name in _DROPPING


def _before_output(graph: Graph, path: str) -> Iterator[Layer]:
    """Yield the dropouts between an output and the kernel that makes it."""
    node = graph.nodes.get(path)
    way: dict[str, Node] = {}
    while node is not None and not graph.has_kernels(node) and node.path not in way:
        way[node.path] = node
        node = _before(graph, node)
    last = next(reversed(way.values()), None)
    if last is not None and any(graph.has_kernels(source) for source in graph.feeding(last)):
        for passed in way.values():
            yield from (layer for layer in graph.layers(passed) if _drops(layer) and rate(layer))


def _before(graph: Graph, node: Node) -> Node | None:
    """Return what alone feeds a node; None at a merge, and where that has kernels."""
    feeding = graph.feeding(node)
    return feeding[0] if len(feeding) == 1 and not graph.has_kernels(feeding[0]) else None
