"""REG301: a regularizer on a weight that training does not change."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Status
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class RegularizerOnFrozenWeight(Rule):
    about: ClassVar[About] = About(
        code="REG301",
        name="regularizer-on-frozen-weight",
        title="Regularizer on a frozen weight",
        severity=Severity.NOTE,
        confidence="high",
        what="Looks for regularizers on weights that are frozen once the model is loaded.",
        rationale=(
            "A penalty acts through its gradient, and a frozen weight gets none. Keras 3 leaves "
            "the penalty of a frozen weight out of the loss; Keras 2 adds it as a constant."
        ),
        source="keras/src/layers/layer.py: Layer._get_regularization_losses",
        fix="Unfreeze the layer, or remove its regularizer until you do.",
        false_positives="A backbone that is frozen only for the first stage of training.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4), trainable=False),
    keras.layers.Dense(2),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4)),
    keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.model.weights():
            regularizer = weight.regularizer
            if layer.config.get("lora_rank") and weight.role in KERNEL_ROLES:
                continue  # REG319's: loading froze it, not the user
            if weight.shared_with is None and regularizer and regularizer.status is Status.FROZEN:
                yield self.item(weight, f"{regularizer.class_name} does nothing: {regularizer.why}")
