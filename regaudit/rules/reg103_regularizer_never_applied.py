"""REG103: a regularizer that reaches no weight and no output."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import all_slots
from regaudit.model import Layer, Regularizer, Status
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_SWITCHES = {
    "bias_regularizer": ("use_bias", "bias"),
    "beta_regularizer": ("center", "beta"),
    "gamma_regularizer": ("scale", "gamma"),
}
"""Key of the configuration -> what switches its weight off, and the weight."""


class RegularizerNeverApplied(Rule):
    about: ClassVar[About] = About(
        code="REG103",
        name="regularizer-never-applied",
        title="Regularizer that Keras never applies",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for regularizers in the configuration of built-in layers that Keras never "
            "uses: those of a bias, beta or gamma that the layer's options switch off, "
            "kernel_regularizer of a SeparableConv in Keras 2, and the activity regularizer of a "
            "SimpleRNN in Keras 3, of a MultiHeadAttention in Keras 3.7, of an EinsumDense in "
            "Keras 2, of whatever stands directly in a TimeDistributed of Keras 3 and is no model, "
            "or in a wrapper of TensorFlow's toolkit for pruning, clustering and quantization."
        ),
        rationale=(
            "The code looks as if the layer were regularized, but it is not: Keras accepts the "
            "argument, stores it and never uses it, without an error."
        ),
        source=(
            "tensorflow/tensorflow#41093, DepthwiseConv2D and SeparableConv2D do not handle the "
            "kernel regularizer; the others were measured on saved files by loading them"
        ),
        fix=(
            "Remove the key, or use the one that works: depthwise_regularizer and "
            "pointwise_regularizer for SeparableConv, an ActivityRegularization layer after a "
            "SimpleRNN, an EinsumDense or a TimeDistributed, whose own activity regularizer acts, "
            "too, as do those of layers in a model in it."
        ),
        false_positives=(
            "One set of arguments for many layers, some of which have no bias: the key then has "
            "no effect and does no harm."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False, bias_regularizer=keras.regularizers.L2(1e-4)),
    keras.layers.BatchNormalization(center=False, beta_regularizer=keras.regularizers.L1(1e-4)),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
    keras.layers.BatchNormalization(center=False),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        before_keras_3 = Dialect.of(evidence.model.keras_version).before_keras_3
        for layer in evidence.model.layers:
            activity = layer.activity_regularizer
            if activity and activity.status is Status.INERT and not _is_zero(activity):
                message = f"activity regularizer {activity.class_name} does nothing: {activity.why}"
                yield self.item(layer, message, key="activity")
            if (
                not layer.known
                or all_slots(layer.class_name, before_keras_3=before_keras_3) is None
            ):
                continue
            for key, regularizer in layer.unplaced.items():
                if regularizer.status is Status.INERT and not _is_zero(regularizer):
                    message = f"{key} {regularizer.class_name} does nothing: {_why(layer, key)}"
                    yield self.item(layer, message, key=key)


def _is_zero(regularizer: Regularizer) -> bool:
    """Whether there is nothing to apply: the user sees no regularizer where there is none."""
    return regularizer.l1 == 0 and regularizer.l2 == 0


def _why(layer: Layer, key: str) -> str:
    if key == "kernel_regularizer" and layer.class_name.startswith("Separable"):
        return "the keys that work are depthwise_regularizer and pointwise_regularizer"
    if key == "kernel_regularizer" and layer.class_name.startswith("Depthwise"):
        return "the key that works is depthwise_regularizer"
    switch, weight = _SWITCHES.get(key, ("", ""))
    if switch and layer.config.get(switch) is False:
        return f"{switch}=False leaves the layer without a {weight}"
    if key == "bias_regularizer" and layer.class_name == "EinsumDense":
        return "bias_axes=None leaves the layer without a bias"
    return "the layer has no weight for it"
