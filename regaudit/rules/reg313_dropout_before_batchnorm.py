"""REG313: dropout whose extra variance a batch normalization learns."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.graph import rate
from regaudit.evidence.needs import CONFIGURATION
from regaudit.model import Layer
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold

_DROPOUT = frozenset(
    {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout"}
)
"""Noise that multiplies values and so changes their variance; AlphaDropout keeps it."""


class DropoutBeforeBatchnorm(Rule):
    about: ClassVar[About] = About(
        code="REG313",
        name="dropout-before-batchnorm",
        title="Dropout before a batch normalization",
        severity=Severity.WARNING,
        confidence="medium",
        what=(
            "Looks for Dropout, SpatialDropout and GaussianDropout followed by a trainable "
            "BatchNormalization before the next layer with kernels."
        ),
        rationale=(
            "Dropout raises the variance of its output in training, but not in inference. The "
            "normalization stores the variance of training and divides by it in inference, where "
            "it no longer fits: predictions shift."
        ),
        source=(
            "Li, Chen, Hu and Yang (2019), Understanding the Disharmony between Dropout and Batch "
            "Normalization by Variance Shift, arXiv:1801.05134"
        ),
        fix=(
            "Move the dropout after the normalization and its activation, preferably after the "
            "last normalization of the model."
        ),
        false_positives=(
            "Small rates: at 0.1 the shift is slight. Wide layers after the normalization average "
            "part of it out."
        ),
        bad="""
layers = keras.layers
model = keras.Sequential([
    layers.Input((8,)),
    layers.Dense(16, activation="relu"),
    layers.Dropout(0.5),
    layers.BatchNormalization(),
    layers.Dense(3, activation="softmax"),
])
""",
        good="""
layers = keras.layers
model = keras.Sequential([
    layers.Input((8,)),
    layers.Dense(16, activation="relu"),
    layers.BatchNormalization(),
    layers.Dropout(0.5),
    layers.Dense(3, activation="softmax"),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    min_rate: Threshold = 0.05
    """Smaller rates pass."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        graph = evidence.graph
        for layer in evidence.model.layers:
            strength = rate(layer) if layer.class_name in _DROPOUT else None
            if strength is None or strength < self.min_rate:
                continue
            following = (one for node in graph.downstream(layer) for one in graph.layers(node))
            norm = next((one for one in following if _learns(one)), None)
            if norm is not None:
                yield self.item(
                    layer,
                    f"{layer.class_name} of {strength:g}, then {norm.class_name} {norm.path}, "
                    "which learns a variance that does not hold without dropout",
                    rank=strength,
                    rate=strength,
                    min_rate=self.min_rate,
                )


def _learns(layer: Layer) -> bool:
    """Whether it is a batch normalization whose statistics training moves."""
    return layer.trainable and layer.class_name in {"BatchNormalization", "SyncBatchNormalization"}
