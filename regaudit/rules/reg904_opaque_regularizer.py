"""REG904: a regularizer that only its own code could explain."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.model import Regularizer, Status
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class OpaqueRegularizer(Rule):
    about: ClassVar[About] = About(
        code="REG904",
        name="opaque-regularizer",
        title="Custom regularizer whose strength is not in the file",
        severity=Severity.NOTE,
        confidence="high",
        what="Looks for regularizers, of weights and of outputs, that are not built into Keras.",
        rationale=(
            "What a custom regularizer adds to the loss depends on its code, which is not in the "
            "file and which an audit never runs. The penalty shown for the model does not "
            "include it, and rules that compare penalties are silent where it matters."
        ),
        source="keras/src/regularizers/regularizers.py: get() takes any callable",
        fix=(
            "Compute sum(model.losses) in Keras with the class available, or use L1, L2 or L1L2 "
            "where they do the same."
        ),
        false_positives="A custom regularizer that is known and wanted: ignore it with a reason.",
        bad="""
@keras.saving.register_keras_serializable("example")
class Cubic(keras.regularizers.Regularizer):
    def __call__(self, weight):
        return 1e-4 * keras.ops.sum(keras.ops.abs(weight) ** 3)

    def get_config(self):
        return {}

model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=Cubic()),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer in evidence.model.layers:
            for weight in layer.weights:
                if weight.shared_with is None and _is_opaque(weight.regularizer):
                    yield self.item(weight, _message(weight.regularizer))
            if _is_opaque(layer.activity_regularizer):
                message = _message(layer.activity_regularizer)
                yield self.item(layer, f"activity regularizer: {message}")


def _is_opaque(regularizer: Regularizer | None) -> bool:
    return regularizer is not None and regularizer.status is Status.OPAQUE


def _message(regularizer: Regularizer | None) -> str:
    name = regularizer.class_name if regularizer else ""
    return f"{name} is not built into Keras: the file does not say what it adds to the loss"
