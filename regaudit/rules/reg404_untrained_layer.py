"""REG404: a kernel that is still as it was initialized, in a model that was trained."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.initializers import is_untouched
from regaudit.evidence.needs import CONFIGURATION, VALUES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class UntrainedLayer(Rule):
    about: ClassVar[About] = About(
        code="REG404",
        name="untrained-layer",
        title="Trainable kernel that still matches its initializer",
        severity=Severity.NOTE,
        confidence="medium",
        what=(
            "Looks for trainable kernels whose values could have been drawn by their initializer "
            "(mean, standard deviation, mean size and largest value within sampling error, and "
            "all biases of the layer as at the start), while other kernels of the model have "
            "changed."
        ),
        rationale=(
            "A few training steps move some values beyond the bounds of the initializer, and "
            "change every bias. A layer without any such change was not trained: it was frozen "
            "then and is not now, no gradient reached it, or the weights of another run were not "
            "loaded."
        ),
        source=(
            "keras/src/initializers/random_initializers.py: distribution, scale and bounds of "
            "each initializer"
        ),
        fix=(
            "Train the layer, load the weights that are missing, or set trainable=False "
            "permanently."
        ),
        false_positives=(
            "A new head on a pretrained model before its training; random features that are "
            "meant to stay."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(16, activation="relu", name="trained"),
    keras.layers.Dense(10, activation="softmax", name="untrained"),
])
model.layers[0].kernel.assign(2.0 * model.layers[0].kernel)  # as training would
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(16, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("sgd", "sparse_categorical_crossentropy")
inputs = np.random.default_rng(0).normal(size=(64, 20))
model.fit(inputs, (inputs[:, 0] > 0).astype("int32"), epochs=5, verbose=0)
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES, CONFIGURATION)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        training = evidence.training
        if training is not None and training.steps == 0:
            return
        kernels = [
            (weight, is_untouched(layer, weight, evidence.moments))
            for layer, weight in evidence.kernels()
        ]
        if not any(untouched is False for _, untouched in kernels):
            return
        for weight, untouched in kernels:
            if untouched:
                yield self.item(
                    weight,
                    f"its {weight.size:,} values still match their initializer, "
                    "while other kernels have changed",
                )
