"""REG303: an L2 penalty on a kernel that the optimizer decays as well."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.evidence.optimizer_state import Training
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.proposal import StrengthChange
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class DecayedTwice(Rule):
    about: ClassVar[About] = About(
        code="REG303",
        name="decayed-twice",
        title="L2 penalty in addition to the optimizer's weight decay",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for kernels with an L2 penalty in force in a model whose optimizer also has a "
            "weight decay."
        ),
        rationale=(
            "Both shrink the same weights. With SGD they add up: L2(s) is a weight decay of 2 s, "
            "or of 2 s / (1 - momentum) with momentum. With Adam and similar optimizers no fixed "
            "rule combines them: the gradient of the penalty is divided by the size of past "
            "gradients, the decay is not. Tuning one of them changes the best value of the "
            "other."
        ),
        source=(
            "Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization; "
            "keras/src/optimizers/base_optimizer.py: _apply_weight_decay"
        ),
        fix=(
            "Keep one of them: the optimizer's decay if it has had an effect, otherwise the "
            "penalty."
        ),
        false_positives=(
            "Training code that excludes these kernels by `exclude_from_weight_decay`: the file "
            "does not record it."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
model.compile(keras.optimizers.SGD(0.1, weight_decay=5e-4), "mse")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.SGD(0.1, weight_decay=5e-4), "mse")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    def cured_by(self, change: StrengthChange) -> bool:
        return not change.l2

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for _layer, weight in evidence.regularized():
            training = evidence.training_of(weight)
            if training is None or training.weight_decay <= 0:
                continue
            l2 = weight.regularizer.l2 if weight.regularizer else None
            if weight.role not in KERNEL_ROLES or not l2:
                continue
            yield self.item(
                weight,
                f"L2 of {l2:.3g} in addition to {training.class_name}'s weight decay of "
                f"{training.weight_decay:.3g}{_together(training, l2)}",
                l2=l2,
                weight_decay=training.weight_decay,
            )


def _together(training: Training, l2: float) -> str:
    if training.class_name != "SGD" or not 0 <= training.momentum < 1:
        return ", which follow different rules"
    decay = training.weight_decay + 2 * l2 / (1 - training.momentum)
    return f", together a decay of {decay:.3g}"
