"""REG201: a regularizer whose strengths are all zero."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.model import Regularizer
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class ZeroStrengthRegularizer(Rule):
    about: ClassVar[About] = About(
        code="REG201",
        name="zero-strength-regularizer",
        title="Regularizer with a strength of zero",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for regularizers of weights and of outputs that Keras loads with all "
            "strengths at zero."
        ),
        rationale=(
            "The layer looks regularized, but it is not: a penalty with a strength of zero adds "
            'nothing. Besides an explicit zero, the string "L1L2", in Keras 3 also "l1l2", and '
            "L1L2() without arguments mean zero, although the documentation says 0.01."
        ),
        source="keras/src/regularizers/regularizers.py: L1L2.__init__(l1=0.0, l2=0.0)",
        fix="Set a strength above zero, or remove the regularizer.",
        false_positives="A sweep that includes zero on purpose.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer="L1L2", bias_regularizer=keras.regularizers.L2(0.0)),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L1L2(1e-5, 1e-4)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer in evidence.model.layers:
            for weight in layer.weights:
                regularizer = weight.regularizer
                if weight.shared_with is None and regularizer and _is_zero(regularizer):
                    yield self.item(weight, _message(regularizer))
            activity = layer.activity_regularizer
            if activity and _is_zero(activity):
                yield self.item(layer, f"activity regularizer: {_message(activity)}")


def _is_zero(regularizer: Regularizer) -> bool:
    if regularizer.class_name == "OrthogonalRegularizer":
        return regularizer.config.get("factor") == 0
    return regularizer.l1 == 0 and regularizer.l2 == 0


def _message(regularizer: Regularizer) -> str:
    return f"{regularizer.class_name} adds nothing: {regularizer.why}"
