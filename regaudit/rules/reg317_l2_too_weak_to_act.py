"""REG317: an L2 penalty too weak to have moved its weights under SGD."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.evidence.optimizer_state import EFFECTIVE_DECAY
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.report.spelling import count
from regaudit.rules.interface import About, Rule, Threshold


class L2TooWeakToAct(Rule):
    about: ClassVar[About] = About(
        code="REG317",
        name="l2-too-weak-to-act",
        title="L2 penalty too weak to have had an effect",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks at kernels with an L2 penalty in models trained by SGD and computes how far "
            "the penalty alone has shrunk them: 2 x rate / (1 - momentum) x strength x steps, "
            "with the rate and the steps from the file; with a schedule, at its largest rate."
        ),
        rationale=(
            "A weight without another gradient shrinks by exp(-2 rate x strength x steps). Where "
            "that is close to one, the model was trained as if it had no penalty: strength, rate "
            "or steps are too small."
        ),
        source=(
            "The gradient of s w^2 is 2 s w: Goodfellow, Bengio and Courville (2016), Deep "
            "Learning, section 7.1.1. The limit is that measured for weight decay: below it the "
            "test loss changed by less than 1.7% in 90% of 240 runs"
        ),
        fix=(
            "Train longer, or use a stronger penalty: `regaudit suggest` with --train-loss and "
            "--val-loss says how strong."
        ),
        false_positives=(
            "A file saved early in a longer training, or a model trained further after its "
            "optimizer was reset."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-5)),
])
model.compile(keras.optimizers.SGD(0.01), "mse")
rng = np.random.default_rng(0)
model.fit(rng.random((64, 8)), rng.random((64, 4)), batch_size=1, verbose=0)
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(2e-3)),
])
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
rng = np.random.default_rng(0)
model.fit(rng.random((64, 8)), rng.random((64, 4)), batch_size=1, verbose=0)
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    effective: Threshold = EFFECTIVE_DECAY
    """Shrinkage from it on passes."""
    max_share: Threshold = 0.02
    """Of the chance loss: penalties that cost more are not too weak; the training is too short."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        chance = evidence.chance
        if chance is not None and evidence.facts.gap is not None:
            return  # REG205 and REG206 judge by the losses
        if chance is not None and evidence.total_penalty > self.max_share * chance.value:
            return
        for _, weight in evidence.regularized():
            training = evidence.training_of(weight)
            if training is None or training.class_name != "SGD" or not training.steps:
                continue
            regularizer = weight.regularizer
            if weight.role not in KERNEL_ROLES or regularizer is None:
                continue
            if not regularizer.l2 or regularizer.l1:
                continue
            shrinkage = training.penalty_shrinkage(regularizer.l2)
            if shrinkage is None or shrinkage >= self.effective:
                continue
            most = "at most " if training.schedule else ""
            yield self.item(
                weight,
                f"L2 of {regularizer.l2:.3g} shrank it by {most}{shrinkage:.2g} over "
                f"{count(training.steps, 'step')} of SGD",
                l2=regularizer.l2,
                shrinkage=shrinkage,
                steps=training.steps,
            )
