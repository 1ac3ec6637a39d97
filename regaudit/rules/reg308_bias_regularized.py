"""REG308: a penalty on a bias."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.suggestions import remove
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class BiasRegularized(Rule):
    about: ClassVar[About] = About(
        code="REG308",
        name="bias-regularized",
        title="Penalty on a bias",
        severity=Severity.WARNING,
        confidence="medium",
        what="Looks for regularizers in force on biases.",
        rationale=(
            "A bias controls a single variable and needs little data to be fitted, so leaving it "
            "free adds little variance, while a penalty pulls the layer's output towards zero "
            "and can make the model underfit."
        ),
        source=(
            "Goodfellow, Bengio and Courville (2016), Deep Learning, section 7.1; He et al. "
            "(2019), Bag of Tricks for Image Classification with Convolutional Neural Networks, "
            "arXiv:1812.01187, section 3.1: no decay on biases"
        ),
        fix="Remove bias_regularizer; penalize the kernel.",
        false_positives="A bias that is known to be near zero, such as that of a centred target.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4),
                       bias_regularizer=keras.regularizers.L2(1e-4)),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.regularized():
            if weight.role == "bias" and weight.regularizer:
                yield self.item(
                    weight,
                    f"{weight.regularizer.class_name} on a bias of {weight.size:,} values, "
                    f"{evidence.adds(weight)}",
                    suggestion=remove(layer, weight, "biases are better left free"),
                    penalty=evidence.known_penalty(weight),
                )
