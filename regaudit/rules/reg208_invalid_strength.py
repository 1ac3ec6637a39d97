"""REG208: a regularizer that Keras refuses, or whose strength is negative."""

from collections.abc import Iterator
from reprlib import repr as shortened
from typing import ClassVar

from regaudit.advice.suggestions import remove
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.regularizers import is_refused
from regaudit.model import Layer, Regularizer, Status, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.report.spelling import regularizer as spelled
from regaudit.rules.interface import About, Rule

_STRENGTHS = ("l1", "l2", "factor", "mode")


class InvalidStrength(Rule):
    about: ClassVar[About] = About(
        code="REG208",
        name="invalid-strength",
        title="Regularizer that Keras refuses to load, or with a negative strength",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Looks for built-in regularizers, of weights and of outputs, whose strength is NaN, "
            "infinite, negative, not a number, or too large for a floating-point number, or whose "
            "configuration has keys that the class does not take; and for names and values that "
            "are not regularizers where a regularizer is expected. What is valid is what the Keras "
            "that saved the file accepts. A negative strength that it accepts is an error too, and "
            "a warning where it does not act."
        ),
        rationale=(
            "Keras 3 checks strengths when it loads a model and raises an error for these: the "
            "file cannot be loaded. Keras 2 accepts negative strengths, with which training "
            "enlarges the weights or outputs instead of shrinking them: the loss falls without "
            "limit. Keras 3 does not load such a file."
        ),
        source=(
            "keras/src/regularizers/regularizers.py: validate_float_arg; keras-team/keras#4394; "
            "measured by loading files with Keras 2.12 to 3.15"
        ),
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
    about_strength: ClassVar[bool] = True

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer in evidence.model.layers:
            for weight in layer.weights:
                regularizer = weight.regularizer
                if weight.shared_with is None and regularizer:
                    yield from self._items(layer, weight, regularizer)
            # What a custom layer reads out of its configuration, nobody knows.
            unplaced = layer.unplaced if layer.known else {}
            others = {"activity_regularizer": layer.activity_regularizer, **unplaced}
            for key, regularizer in others.items():
                if regularizer:
                    yield from self._items(layer, None, regularizer, f"{key}: ")

    def _items(
        self, layer: Layer, weight: Weight | None, regularizer: Regularizer, key: str = ""
    ) -> Iterator[Occurrence]:
        at = weight or layer
        if is_refused(regularizer):
            yield self.item(at, f"{key}{_described(regularizer)}{regularizer.why}")
        elif regularizer.negative:
            acts = regularizer.status is Status.IN_FORCE
            effect = f"training enlarges the {'weights' if weight else 'outputs'}, and " * acts
            yield self.item(
                at,
                f"{key}{spelled(regularizer)} has a negative strength: {effect}Keras 3 refuses to "
                "load it",
                severity=Severity.ERROR if acts else Severity.WARNING,
                suggestion=remove(layer, weight, "its strength is negative") if weight else None,
            )


def _described(regularizer: Regularizer) -> str:
    stored = regularizer.config
    given = ", ".join(f"{key}={shortened(stored[key])}" for key in _STRENGTHS if key in stored)
    name = f"{regularizer.class_name}({given})" if given else regularizer.class_name
    return f"{name}: " if name else ""
