"""REG306: an L2 penalty under an optimizer that rescales its gradient."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Layer, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class AdaptiveOptimizerWithL2(Rule):
    about: ClassVar[About] = About(
        code="REG306",
        name="adaptive-optimizer-with-l2",
        title="L2 penalty under an adaptive optimizer",
        severity=Severity.NOTE,
        confidence="high",
        what=(
            "Looks for kernels with an L2 penalty in force in a model compiled with Adam or "
            "another optimizer that scales steps by past gradients. Where the optimizer also has "
            "a weight decay, decayed-twice (REG303) reports it instead. Speaks where both losses "
            "show overfitting, so that the kind of decay matters, and under the preset strict."
        ),
        rationale=(
            "Such optimizers divide the gradient of the penalty like any other gradient: weights "
            "with large gradients shrink less than others. A strength tuned for SGD, or taken "
            "from the weight decay of a paper, therefore means something else. The penalty does "
            "act, but it is not a weight decay."
        ),
        source=(
            "Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, which also "
            "found Adam with decoupled decay to generalize better than Adam with L2 on the image "
            "tasks it tried"
        ),
        fix=(
            "Keep the penalty if it was tuned with this optimizer. For weight decay, use AdamW "
            "instead and tune its decay again: the numbers do not carry over."
        ),
        false_positives="A strength that is the result of a sweep with this optimizer.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.05)),
])
model.compile("adam", "mse")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.05)),
])
model.compile("sgd", "mse")
""",
        facts=Facts(train_loss=0.1, val_loss=0.6, target_variance=1.0),
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    overfitting_only: Threshold = 1
    """1: speaks only where both losses are given and show overfitting; 0: always."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        if self.overfitting_only and not evidence.overfits:
            return
        for _, weight in self.undecayed(evidence):
            training = evidence.training_of(weight)
            l2 = weight.regularizer.l2 if weight.regularizer else None
            if l2 and training and training.weight_decay <= 0 and training.decay_known:
                yield self.item(
                    weight,
                    f"L2 of {l2:.3g} with {training.class_name} does not act like a weight decay "
                    f"of {2 * l2:.3g}: weights with large gradients shrink less",
                    l2=l2,
                )

    def undecayed(self, evidence: Evidence) -> Iterator[tuple[Layer, Weight]]:
        for layer, weight in evidence.regularized():
            training = evidence.training_of(weight)
            l2 = weight.regularizer.l2 if weight.regularizer else None
            if weight.role in KERNEL_ROLES and l2 and training and training.adaptive:
                yield layer, weight
