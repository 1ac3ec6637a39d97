"""REG204: a strength of 0.01, which Keras takes when none is given."""

from collections.abc import Iterator
from math import isclose
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.keras_semantics.regularizers import DEFAULT_STRENGTH
from regaudit.model import Regularizer, Status
from regaudit.report import spelling
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class DefaultStrength(Rule):
    about: ClassVar[About] = About(
        code="REG204",
        name="default-strength",
        title="Regularizer with Keras's default strength of 0.01",
        severity=Severity.WARNING,
        confidence="medium",
        what=(
            "Looks for regularizers in force, of weights and of outputs, with a strength of "
            'exactly 0.01: that of L1(), L2(), the strings "l1" and "l2" and '
            "OrthogonalRegularizer()."
        ),
        rationale=(
            "The default was not chosen for this model. On 41 small tasks, L2(0.01) had no clear "
            "effect on average: the log test loss changed by -0.014 [-0.251, +0.213], and in "
            "33% of the runs it was worse by over 10%, against 6% for L2(0.001)."
        ),
        source=(
            "keras/src/regularizers/regularizers.py: L2.__init__(l2=0.01); the effect was "
            "measured on the held-out tasks of a benchmark of this project"
        ),
        fix=(
            "Choose the strength by validation: `regaudit sweep` trains and compares several, "
            "`regaudit suggest` proposes one by --train-loss and --val-loss. Where both are given, "
            "REG205 and REG206 judge the kernels, not this rule."
        ),
        false_positives="A strength of 0.01 that is the result of a sweep.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(16, activation="relu", kernel_regularizer="l2"),
    keras.layers.Dense(
        10,
        activation="softmax",
        kernel_regularizer=keras.regularizers.L2(0.002),
        activity_regularizer=keras.regularizers.L1(),
    ),
])
model.compile("sgd", "sparse_categorical_crossentropy")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(
        16, activation="relu", kernel_regularizer=keras.regularizers.L2(0.002)
    ),
    keras.layers.Dense(
        10, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.002)
    ),
])
model.compile("sgd", "sparse_categorical_crossentropy")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for _, weight in evidence.regularized():
            by_losses = evidence.facts.gap is not None and weight.role in KERNEL_ROLES
            if by_losses and evidence.chance is not None:
                continue  # the two losses say what is right: REG205 and REG206 do
            if weight.regularizer and _is_default(weight.regularizer):
                yield self.item(
                    weight,
                    f"{spelling.penalty(weight.regularizer)} with the default strength of 0.01",
                    # With a chance loss the two losses might say that it is right.
                    severity=Severity.NOTE if by_losses else None,
                    penalty=evidence.known_penalty(weight),
                )
        for layer in evidence.model.layers:
            activity = layer.activity_regularizer
            if activity and activity.status is Status.IN_FORCE and _is_default(activity):
                yield self.item(
                    layer,
                    f"activity regularizer {spelling.penalty(activity)} with the default "
                    "strength of 0.01",
                )


def _is_default(regularizer: Regularizer) -> bool:
    """Whether a strength is 0.01, also after the float32 that some versions store."""
    if regularizer.negative:
        return False
    strengths = (regularizer.l1, regularizer.l2, regularizer.config.get("factor"))
    given = [value for value in strengths if isinstance(value, int | float) and value]
    return any(isclose(value, DEFAULT_STRENGTH, rel_tol=1e-6) for value in given)
