"""REG309: a penalty on the scale or shift of a normalization."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.suggestions import remove
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.model import Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class NormScaleRegularized(Rule):
    about: ClassVar[About] = About(
        code="REG309",
        name="norm-scale-regularized",
        title="Penalty on the scale or shift of a normalization",
        severity=Severity.NOTE,
        confidence="medium",
        what=(
            "Looks for regularizers in force on gamma and beta of normalizations. An L1 penalty "
            "alone on gamma is not reported: network slimming uses it to find channels to prune."
        ),
        rationale=(
            "Training recipes leave gamma and beta out of the decay, like biases: each channel "
            "has one of each, and a penalty pulls the layer's output towards zero instead of "
            "simplifying what it computes."
        ),
        source=(
            "He et al. (2019), Bag of Tricks for Image Classification with Convolutional Neural "
            "Networks, arXiv:1812.01187, section 3.1; Liu et al. (2017), Learning Efficient "
            "Convolutional Networks through Network Slimming, arXiv:1708.06519"
        ),
        fix="Remove gamma_regularizer and beta_regularizer; penalize the kernels.",
        false_positives=(
            "Networks in which every kernel is normalized: there gamma carries the scale of each "
            "channel, and some people penalize it on purpose."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
    keras.layers.BatchNormalization(gamma_regularizer=keras.regularizers.L2(1e-4),
                                    beta_regularizer=keras.regularizers.L2(1e-4)),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
    keras.layers.BatchNormalization(),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.regularized():
            if weight.role in {"gamma", "beta"} and weight.regularizer and not _slims(weight):
                yield self.item(
                    weight,
                    f"{weight.regularizer.class_name} on {weight.role}, {evidence.adds(weight)}",
                    suggestion=remove(layer, weight, "gamma and beta are better left free"),
                    penalty=evidence.known_penalty(weight),
                )


def _slims(weight: Weight) -> bool:
    """Whether it is a pure L1 on gamma."""
    regularizer = weight.regularizer
    return weight.role == "gamma" and bool(regularizer and regularizer.l1 and not regularizer.l2)
