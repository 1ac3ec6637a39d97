"""REG208: a strength that is not a finite number of zero or more."""

from collections.abc import Iterator
from reprlib import repr as shortened
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.regularizers import is_refused
from regaudit.model import Regularizer
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_STRENGTHS = ("l1", "l2", "factor", "mode")


class InvalidStrength(Rule):
    about: ClassVar[About] = About(
        code="REG208",
        name="invalid-strength",
        title="Regularizer that Keras refuses to load",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Looks for built-in regularizers, of weights and of outputs, whose strength is NaN, "
            "infinite, negative, not a number, or too large for a floating-point number; and for "
            "values that are not regularizers where a regularizer is expected."
        ),
        rationale=(
            "Keras 3 checks strengths when it loads a model and raises an error for these: the "
            "file cannot be loaded. Keras 2 accepts negative strengths, which make training "
            "increase the weights without limit."
        ),
        source="keras/src/regularizers/regularizers.py: validate_float_arg",
        fix="Use a finite number of zero or more, or remove the regularizer.",
        false_positives=(
            "None known. A value from which a strength could be computed does not help: Keras "
            "expects a number in the file."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
    keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1e-3)),
])

def edit(config):
    first, last = config["config"]["layers"][1:]
    first["config"]["kernel_regularizer"]["config"]["l2"] = float("nan")
    last["config"]["kernel_regularizer"]["config"]["l2"] = -0.001
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3)),
    keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1e-3)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer in evidence.model.layers:
            for weight in layer.weights:
                regularizer = weight.regularizer
                if weight.shared_with is None and regularizer and is_refused(regularizer):
                    yield self.item(weight, _message(regularizer))
            # What a custom layer reads out of its configuration, nobody knows.
            unplaced = layer.unplaced if layer.known else {}
            others = {"activity_regularizer": layer.activity_regularizer, **unplaced}
            for key, regularizer in others.items():
                if regularizer and is_refused(regularizer):
                    yield self.item(layer, f"{key}: {_message(regularizer)}")


def _message(regularizer: Regularizer) -> str:
    stored = regularizer.config
    given = ", ".join(f"{key}={shortened(stored[key])}" for key in _STRENGTHS if key in stored)
    described = f"{regularizer.class_name}({given}): " if regularizer.class_name else ""
    return f"{described}{regularizer.why}"
