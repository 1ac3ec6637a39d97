"""REG202: penalties that outweigh what the model can learn."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.strength import BUDGET
from regaudit.advice.suggestions import scale
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CHANCE_LOSS, REGULARIZERS, VALUES
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class PenaltyOverBudget(Rule):
    about: ClassVar[About] = About(
        code="REG202",
        name="penalty-over-budget",
        title="Penalties that are a large share of the chance loss",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Adds up what the kernels add to the loss today, except kernels that a normalization "
            "rescales, and compares the sum with the chance loss H, the loss of a model that has "
            "learned nothing: ln C for C classes."
        ),
        rationale=(
            "A model can always predict a constant with all weights at zero, which costs H. "
            "Where the penalty alone comes close to H, shrinking the weights lowers the total "
            "loss more than fitting the data does."
        ),
        source=(
            "Measured: 162 runs on 41 small tasks; all 19 runs with a penalty over H / 2 were "
            "far from their best strength"
        ),
        fix=(
            "Multiply every strength by 0.05 H / R, where R is the penalty today, and continue "
            "training. This is a starting point: sweep around it."
        ),
        false_positives="A model at the start of its training: its weights will still shrink.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(50, activation="relu", kernel_regularizer=keras.regularizers.L2(0.05)),
    keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.05)),
])
model.compile("sgd", "sparse_categorical_crossentropy")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(50, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
    keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-3)),
])
model.compile("sgd", "sparse_categorical_crossentropy")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CHANCE_LOSS, VALUES, REGULARIZERS)

    error_share: Threshold = 0.5
    """Of the chance loss: penalties above it are an error."""
    warning_share: Threshold = 0.25
    """Of the chance loss: penalties above it are a warning."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        paying = [
            (layer, weight)
            for layer, weight in evidence.regularized()
            if weight.role in KERNEL_ROLES
            and evidence.penalty(weight)
            and not evidence.graph.may_be_normalized(layer)
        ]
        total = sum(evidence.penalty(weight) for _, weight in paying)
        chance = evidence.chance
        if chance is None or total <= self.warning_share * chance.value:
            return
        severe = total > self.error_share * chance.value
        for layer, weight in paying:
            own = evidence.penalty(weight)
            factor = BUDGET * chance.value / total
            reason = f"the penalty of all kernels is then 5 % of the chance loss ({chance.basis})"
            yield self.item(
                weight,
                f"its penalty is {own:.3g}; all kernels together add {total:.3g} to the loss, "
                f"{total / chance.value:.0%} of the chance loss ({chance.basis})",
                severity=Severity.ERROR if severe else Severity.WARNING,
                rank=own,
                suggestion=scale(evidence, layer, weight, factor, reason),
                penalty=own,
                total_penalty=total,
                chance_loss=chance.value,
            )
