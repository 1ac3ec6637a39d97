"""REG321: an activity regularizer that keeps a recurrent model from being trained."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.keras_semantics.activity import IN_A_LOOP, IN_A_LOOP_AT_TIMES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class ActivityInRecurrentLoop(Rule):
    about: ClassVar[About] = About(
        code="REG321",
        name="activity-in-recurrent-loop",
        title="Activity regularizer on a cell, with which Keras cannot train",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for activity regularizers on the cells of an RNN, or on layers inside of these, "
            "unless the RNN is unrolled; and, in Keras 2, for those of custom and of stateful "
            "layers in a TimeDistributed."
        ),
        rationale=(
            "They run in a loop of TensorFlow's graph, and the penalty of a step is not to be had "
            "outside of it: `fit` and `evaluate` fail with InaccessibleTensorError. The model "
            "predicts all the same, so that it may be saved before anyone notices."
        ),
        source=(
            "each version of Keras from 3.0 to 3.15, and tf.keras 2.12 to 2.15, was measured on "
            "TensorFlow; keras-team/keras issues #2745 and #7827 ask for such regularizers"
        ),
        fix=(
            "Give the regularizer to the RNN itself: it then acts on what the layer puts out. For "
            "a penalty in each step, unroll the loop: `RNN(cell, unroll=True)`."
        ),
        false_positives="A model that only predicts, or one that another backend trains.",
        bad="""
cell = keras.layers.LSTMCell(2, activity_regularizer=keras.regularizers.L1(1e-4))
model = keras.Sequential([
    keras.layers.Input((3, 4)),
    keras.layers.RNN(cell),
])
""",
        good="""
cell = keras.layers.LSTMCell(2)
model = keras.Sequential([
    keras.layers.Input((3, 4)),
    keras.layers.RNN(cell, activity_regularizer=keras.regularizers.L1(1e-4)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer in evidence.model.layers:
            activity = layer.activity_regularizer
            if activity and activity.why in {IN_A_LOOP, IN_A_LOOP_AT_TIMES}:
                yield self.item(
                    layer, f"activity regularizer {activity.class_name}: {activity.why}"
                )
