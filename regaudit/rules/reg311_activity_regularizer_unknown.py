"""REG311: a file of a Keras that did not store activity regularizers."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.keras_semantics.build import activity_unknown
from regaudit.keras_semantics.dialect import Dialect
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class ActivityRegularizerUnknown(Rule):
    about: ClassVar[About] = About(
        code="REG311",
        name="activity-regularizer-unknown",
        title="File that does not record whether layers have activity regularizers",
        severity=Severity.NOTE,
        confidence="high",
        what=(
            "Looks for files of Keras 3.0 to 3.3, which left the activity regularizer out of the "
            "configuration of Dense and all layers that do not list it themselves."
        ),
        rationale=(
            "If a layer had one, it is lost: the file does not contain it, and after every load "
            "the model is trained without it."
        ),
        source=(
            "keras-team/keras issue #19820 (2024): activity_regularizer is omitted from "
            "get_config/serialization"
        ),
        fix=(
            "Build the model from its code in Keras 3.4 or later, load the weights into it and "
            "save it again."
        ),
        false_positives="A model whose code has no activity regularizer: nothing was lost.",
        bad="""
keras_version = "3.3.3"  # that saved it
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4)])
""",
        good="""
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4)])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        model = evidence.model
        dialect = Dialect.of(model.keras_version)
        unknown = [
            layer.path
            for layer in model.layers
            if layer.weights
            and layer.known
            and activity_unknown({"class_name": layer.class_name, "config": layer.config}, dialect)
        ]
        if unknown:
            more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
            yield self.item(
                None,
                f"Keras {model.keras_version} did not store whether {unknown[0]}{more} had an "
                "activity regularizer",
                layers=len(unknown),
            )
