"""REG306: an L2 penalty under an optimizer that rescales its gradient."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class AdaptiveOptimizerWithL2(Rule):
    about: ClassVar[About] = About(
        code="REG306",
        name="adaptive-optimizer-with-l2",
        title="L2 penalty under an adaptive optimizer",
        severity=Severity.NOTE,
        confidence="high",
        what=(
            "Looks for kernels with an L2 penalty in force in a model compiled with Adam or "
            "another optimizer that scales steps by past gradients. Where the optimizer has a "
            "weight decay as well, decayed-twice (REG303) speaks instead."
        ),
        rationale=(
            "Such optimizers divide the penalty's gradient like any other: weights with large "
            "gradients are shrunk less than others, and a strength tuned for SGD, or taken from a "
            "paper's weight decay, means something else. The penalty does act; it is no weight "
            "decay."
        ),
        source=(
            "Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, which also "
            "found Adam with decoupled decay to generalize better than Adam with L2 on the image "
            "tasks it tried"
        ),
        fix=(
            "Keep the penalty if it was tuned with this optimizer. For weight decay use AdamW "
            "instead and tune its decay anew: the numbers do not carry over."
        ),
        false_positives="A strength that a sweep with this very optimizer has found.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
model.compile("adam", "mse")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
model.compile("sgd", "mse")
""",
    )

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        training = evidence.training
        if training is None or not training.adaptive or training.weight_decay > 0:
            return
        for _, weight in evidence.regularized():
            l2 = weight.regularizer.l2 if weight.regularizer else None
            if weight.role in KERNEL_ROLES and l2:
                yield self.item(
                    weight,
                    f"L2 of {l2:.3g} under {training.class_name} is no weight decay of "
                    f"{2 * l2:.3g}: weights with large gradients are shrunk less",
                    l2=l2,
                )
