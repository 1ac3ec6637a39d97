"""REG318: a frozen attention layer that every load makes trainable again."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.hub_classes import is_of_hub
from regaudit.keras_semantics.layer_table import THAWED_BY_LOADING
from regaudit.model import Layer
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class FrozenAttentionThaws(Rule):
    about: ClassVar[About] = About(
        code="REG318",
        name="frozen-attention-thaws",
        title="Frozen attention layer that loading makes trainable",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for MultiHeadAttention, GroupQueryAttention and ConvLSTM layers, and layers of "
            "KerasHub that make other layers, that a Keras 3 saved as frozen (trainable=False)."
        ),
        rationale=(
            "The layer's weights belong to layers that it creates itself and that are not in the "
            "file. load_model creates them again as trainable: the flag is stored but has no "
            "effect, so further training changes weights that were meant to stay."
        ),
        source=(
            "keras/src/layers/attention/multi_head_attention.py: sublayers are made in build() "
            "and not given the flag; measured on Keras 3.0.5 to 3.15.1, and KerasHub 0.32.0"
        ),
        fix='Set it again after every load: model.get_layer("...").trainable = False.',
        false_positives="A model that only predicts, or that code freezes after each load.",
        bad="""
inputs = keras.layers.Input((4, 8))
hidden = keras.layers.MultiHeadAttention(2, 4, trainable=False)(inputs, inputs)
model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
""",
        good="""
inputs = keras.layers.Input((4, 8))
hidden = keras.layers.MultiHeadAttention(2, 4)(inputs, inputs)
model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        if Dialect.of(evidence.model.keras_version).before_keras_3:
            return
        for layer, thawed in _thawed(evidence.model.layers):
            yield self.item(
                layer,
                f"{layer.class_name} is stored as frozen, but its {thawed:,} parameters are "
                "trainable once loaded",
                rank=thawed,
                parameters=thawed,
            )


def _thawed(layers: Iterable[Layer]) -> Iterator[tuple[Layer, int]]:
    """Yield the frozen layers whose own layers are trainable, with the number of parameters.

    Attention keeps the weights of its layers as its own; KerasHub's layers are listed with theirs.
    """
    around: dict[str, Layer] = {}
    found: dict[str, int] = {}
    for layer in layers:
        if layer.trainable or not layer.known:
            pass
        elif layer.class_name in THAWED_BY_LOADING or is_of_hub(layer.class_name):
            around[layer.path] = layer
        thawed = sum(weight.size for weight in layer.weights if weight.trainable)
        parts = layer.path.split("/") if thawed and around else []
        paths = ("/".join(parts[: count + 1]) for count in range(len(parts)))
        outermost = next((path for path in paths if path in around), None)
        if outermost is not None:
            found[outermost] = found.get(outermost, 0) + thawed
    yield from ((around[path], thawed) for path, thawed in found.items())
