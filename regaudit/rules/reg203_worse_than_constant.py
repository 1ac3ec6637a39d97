"""REG203: a loss with penalties above that of a model that has learned nothing."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.strength import BUDGET, asked_for
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CHANCE_LOSS, TOTAL_PENALTY
from regaudit.evidence.training_facts import Facts
from regaudit.report.proposal import StrengthChange
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class WorseThanConstant(Rule):
    about: ClassVar[About] = About(
        code="REG203",
        name="worse-than-constant",
        title="Training loss plus penalties above the loss of a constant prediction",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Adds the penalties of all regularizers in force today to the training loss, which "
            "you pass, and compares the sum with the chance loss H, the loss of a model that has "
            "learned nothing: ln C for C classes. With both losses it is silent where the "
            "penalties are at most twice the gap: the losses may have asked for them."
        ),
        rationale=(
            "With all kernels at zero, a model predicts a constant from its biases, has no "
            "penalty and a loss of at most H. A model above H is worse in the very sum that "
            "training minimizes: penalties keep it from learning, or its training went wrong or "
            "is not finished."
        ),
        source=(
            "The minimum of loss plus penalty is at most its value at zero weights, which is H "
            "for penalties by norms; no paper is needed"
        ),
        fix=(
            "If the penalties are a large part of the sum, multiply every strength by 0.05 H / "
            "R, where R is the penalty today, and continue training. If the loss alone is above "
            "H, check the labels and the learning rate first."
        ),
        false_positives=(
            "A loss measured with class weights or sample weights, for which H does not hold, or "
            "the loss that `model.fit` prints, which already contains the penalty."
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
        facts=Facts(train_loss=2.1),
    )
    needs: ClassVar[tuple[str, ...]] = ("train_loss", CHANCE_LOSS)
    about_strength: ClassVar[bool] = True
    # What is known of the penalties is less than all of them: a finding stays true.
    wants: ClassVar[tuple[str, ...]] = (TOTAL_PENALTY,)

    min_excess: Threshold = 0.01
    """Of the chance loss: sums above it by less pass, as do losses that were rounded."""

    def cured_by(self, change: StrengthChange) -> bool:
        return change.after < change.before

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        chance, loss = evidence.chance, evidence.facts.train_loss
        if chance is None or loss is None:
            return
        paying = [
            (layer, weight)
            for layer, weight in evidence.regularized()
            if evidence.penalty(weight) > 0
        ]
        total = sum(evidence.penalty(weight) for _, weight in paying)
        if loss + total <= (1 + self.min_excess) * chance.value:
            return
        if loss < chance.value and asked_for(total, evidence.facts.gap):
            return  # just put there by the losses, and about to shrink the weights
        sum_of = f"the training loss of {loss:.3g} plus penalties of {total:.3g} is"
        if not total:
            sum_of = f"the training loss of {loss:.3g} alone is"
        constant = f"the loss of a constant prediction ({chance.basis})"
        message = f"{sum_of} above {chance.value:.3g}, {constant}"
        # Small penalties are not what is wrong: then it is said of the model.
        blamed = paying if total > BUDGET * chance.value else [(None, None)]
        for _layer, weight in blamed:
            yield self.item(
                weight,
                message,
                rank=evidence.penalty(weight) if weight else None,
                train_loss=loss,
                total_penalty=total if evidence.values else None,
                chance_loss=chance.value,
            )
