"""REG202: penalties that outweigh what the model can learn."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.strength import FAR_OVER_BUDGET, MOST_OF_GAP, OVER_BUDGET
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CHANCE_LOSS, REGULARIZERS, VALUES
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.proposal import StrengthChange
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
            "learned nothing: ln C for C classes. Without both losses it warns; with them it is an "
            "error, and silent where the penalties are at most half of H, or at most twice the gap "
            "between the losses."
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
            "Give --train-loss and --val-loss, which tell how large a penalty may be. Without "
            "them, multiply every strength by 0.05 H / R, where R is the penalty today, and "
            "continue training: a starting point. `regaudit sweep` compares several by validation."
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
    about_strength: ClassVar[bool] = True

    error_share: Threshold = FAR_OVER_BUDGET
    """Of the chance loss: penalties above it, and above twice the gap, are an error."""
    warning_share: Threshold = OVER_BUDGET
    """Of the chance loss: without both losses, penalties above it are a warning."""

    def cured_by(self, change: StrengthChange) -> bool:
        return change.after < change.before

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        paying = [
            (layer, weight)
            for layer, weight in evidence.regularized()
            if weight.role in KERNEL_ROLES
            and evidence.penalty(weight)
            and not evidence.graph.may_be_normalized(layer)
        ]
        total = sum(evidence.penalty(weight) for _, weight in paying)
        chance, gap = evidence.chance, evidence.facts.gap
        if chance is None:
            return
        # Two losses may ask for much: what they chose is right by them, REG206 says what is not.
        allowed = self.warning_share * chance.value
        if gap is not None:
            allowed = max(self.error_share * chance.value, MOST_OF_GAP * gap)
        if total <= allowed:
            return
        judged = (
            "" if gap is not None else "; --train-loss and --val-loss would tell if it is right"
        )
        for _layer, weight in paying:
            own = evidence.penalty(weight)
            yield self.item(
                weight,
                f"its penalty is {own:.3g}; all kernels together add {total:.3g} to the loss, "
                f"{total / chance.value:.0%} of the chance loss ({chance.basis}){judged}",
                severity=Severity.WARNING if gap is None else Severity.ERROR,
                rank=own,
                penalty=own,
                total_penalty=total,
                chance_loss=chance.value,
            )
