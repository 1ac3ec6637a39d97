"""REG206: penalties far larger than the gap they could close."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CHANCE_LOSS, REGULARIZERS, TOTAL_PENALTY, VALUES
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.proposal import StrengthChange
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class Overregularized(Rule):
    about: ClassVar[About] = About(
        code="REG206",
        name="overregularized",
        title="Penalties far stronger than the gap between the losses",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Compares what the kernels add to the loss today, except kernels that a "
            "normalization rescales, with the gap between validation and training loss, which "
            "you pass. A gap below 1% of the chance loss H (ln C for C classes) counts as 1% "
            "of H."
        ),
        rationale=(
            "Penalties are meant to close the gap between validation and training loss. "
            "Penalties far larger than the gap raise the training loss without a gain in return. "
            "Measured on 41 small tasks: where the penalty was over ten times the gap, a weaker "
            "penalty lowered the test loss in 93 to 99% of the runs."
        ),
        source="Measured: a benchmark of this project on 41 small tasks, 16 of them held out",
        fix=(
            "Multiply every strength by gap / R, where R is the penalty today, and continue "
            "training."
        ),
        false_positives=(
            "Losses measured on few samples, where the gap is mostly noise; a penalty that is "
            "meant to give sparse or small weights rather than a lower validation loss."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(50, activation="relu", kernel_regularizer=keras.regularizers.L2(8e-3)),
    keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(8e-3)),
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
        facts=Facts(train_loss=0.8, val_loss=0.81),
    )
    needs: ClassVar[tuple[str, ...]] = ("train_loss", "val_loss", CHANCE_LOSS, VALUES, REGULARIZERS)
    about_strength: ClassVar[bool] = True
    # What is known of the penalties is less than all of them: a finding stays true.
    wants: ClassVar[tuple[str, ...]] = (TOTAL_PENALTY,)

    ratio: Threshold = 10.0
    """Penalties of at most so many times the gap pass."""
    least_share: Threshold = 0.01
    """Of the chance loss: smaller gaps count as this much."""

    def cured_by(self, change: StrengthChange) -> bool:
        return change.after < change.before

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        gap, chance = evidence.facts.gap, evidence.chance
        if gap is None or chance is None:
            return
        paying = [
            (layer, weight)
            for layer, weight in evidence.regularized()
            if weight.role in KERNEL_ROLES
            and evidence.penalty(weight) > 0
            and not evidence.graph.may_be_normalized(layer)
        ]
        total = sum(evidence.penalty(weight) for _, weight in paying)
        allowed = max(gap, self.least_share * chance.value)
        if total <= self.ratio * allowed:
            return
        for _layer, weight in paying:
            own = evidence.penalty(weight)
            yield self.item(
                weight,
                f"its penalty is {own:.3g}; all kernels together add {total:.3g} to the loss, over "
                f"{self.ratio:g} times the gap of {gap:.3g} between validation and training loss",
                rank=own,
                penalty=own,
                total_penalty=total,
                gap=gap,
                chance_loss=chance.value,
            )
