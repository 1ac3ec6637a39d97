"""REG205: a gap between the losses that the penalties are far too weak for."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import NO_CHANGE, Evidence
from regaudit.evidence.needs import CHANCE_LOSS, TOTAL_PENALTY
from regaudit.evidence.training_facts import Facts
from regaudit.report.proposal import StrengthChange
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class Underregularized(Rule):
    about: ClassVar[About] = About(
        code="REG205",
        name="underregularized",
        title="Penalties far weaker than the gap between the losses",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Compares the gap between validation and training loss, which you pass, with what "
            "all regularizers add to the loss, and with the chance loss H (ln C for C classes)."
        ),
        rationale=(
            "Penalties of the right strength are about as large as the gap that they are meant "
            "to close. Measured on 41 small tasks: where the gap was over ten times the penalty, "
            "a stronger penalty lowered the test loss in 92 to 99% of the runs."
        ),
        source=(
            "MacKay (1992), Bayesian Interpolation, Neural Computation 4; the shares were "
            "measured by a benchmark of this project"
        ),
        fix=(
            "First train with EarlyStopping(restore_best_weights=True), which often does as much "
            "or more by itself; then add the strengths shown."
        ),
        false_positives=(
            "A validation set of few samples, or of other data than the training set: the gap "
            "then does not measure generalization."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(50, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-5)),
    keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-5)),
])
model.compile("sgd", "sparse_categorical_crossentropy")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(50, activation="relu", kernel_regularizer=keras.regularizers.L2(2e-3)),
    keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(2e-3)),
])
model.compile("sgd", "sparse_categorical_crossentropy")
""",
        facts=Facts(train_loss=0.2, val_loss=0.9),
    )
    needs: ClassVar[tuple[str, ...]] = ("train_loss", "val_loss", CHANCE_LOSS, TOTAL_PENALTY)
    about_strength: ClassVar[bool] = True

    ratio: Threshold = 10.0
    """Gaps of at most so many times the penalty pass."""
    min_share: Threshold = NO_CHANGE
    """Of the chance loss: gaps up to it pass."""

    def cured_by(self, change: StrengthChange) -> bool:
        return change.after > change.before

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        gap, chance, penalty = evidence.facts.gap, evidence.chance, evidence.total_penalty
        if gap is None or chance is None:
            return
        if gap <= self.ratio * penalty or gap <= self.min_share * chance.value:
            return
        added = "no penalty adds to the loss"
        if penalty:
            added = f"all penalties together add only {penalty:.3g}"
        for _, weight in evidence.kernels():
            training = evidence.training_of(weight)
            if training is not None and training.weight_decay > 0:
                continue  # what that does is in no penalty
            untold = training is None  # then a weight decay may have done what no penalty does
            yield self.item(
                weight,
                f"the validation loss is {gap:.3g} above the training loss, but {added}",
                severity=Severity.NOTE if untold else None,
                gap=gap,
                total_penalty=penalty,
                chance_loss=chance.value,
            )
