"""REG310: an activity penalty whose scale depends on the version of Keras."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Status
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class ActivityPenaltyScale(Rule):
    about: ClassVar[About] = About(
        code="REG310",
        name="activity-penalty-scale",
        title="Activity penalty that other versions of Keras scale differently",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for activity regularizers in force in files that Keras 3.0 to 3.13 saved. "
            "These versions add the penalty of a whole batch; Keras 2, and Keras 3 from 3.14 on, "
            "divide it by the batch size."
        ),
        rationale=(
            "If Keras 3.14 or later loads the model and trains it further, the penalty is "
            "smaller by a factor of the batch size, without a warning."
        ),
        source=(
            "keras-team/keras issue #22018 and pull request #22021 (2026), Fix: activity "
            "regularizer not normalized by batch size; each version was measured"
        ),
        fix=(
            "To continue training in Keras 3.14 or later as before, multiply the strength by the "
            "batch size. To use a strength from there (or from Keras 2) in Keras 3.0 to 3.13, "
            "divide it by the batch size. Predictions do not change."
        ),
        false_positives=(
            "A model that is only used for predictions, or only with the Keras that saved it."
        ),
        bad="""
keras_version = "3.13.2"  # that saved it
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, activity_regularizer=keras.regularizers.L1(1e-4)),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, activity_regularizer=keras.regularizers.L1(32 * 1e-4)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        if Dialect.of(evidence.model.keras_version).divides_activity:
            return
        batch_size = evidence.facts.batch_size
        factor = f"{batch_size:,}" if batch_size else "the batch size"
        for layer in evidence.model.layers:
            activity = layer.activity_regularizer
            if activity is None or activity.status not in {Status.IN_FORCE, Status.OPAQUE}:
                continue
            yield self.item(
                layer,
                f"Keras {evidence.model.keras_version} does not divide the penalty of the "
                f"activity regularizer {activity.class_name} by the batch size; from 3.14 on, "
                f"{factor} times the strength has the same effect",
                batch_size=batch_size or "unknown",
            )
