"""REG905: a legacy HDF5 file whose weights Keras loads into the wrong places."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class OrderLoadedH5(Rule):
    about: ClassVar[About] = About(
        code="REG905",
        name="order-loaded-h5",
        title="HDF5 file whose weights come back swapped",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Looks for .h5 files in which the weights of a nested model or a wrapper are stored in "
            "another order than Keras loads them by."
        ),
        rationale=(
            "Both orders put trainable weights first: those that were trainable when the file "
            "was saved, and those that are trainable once it is loaded. A layer unfrozen inside "
            "a frozen nested model does not count as trainable when the file is saved, but does "
            "when it is loaded. This is so in Keras 3, and in Keras 2 where the flag of a "
            "Sequential, which is in no file, decided it. Weights of the same shape are then "
            "swapped without a warning; weights of different shapes keep the file from loading."
        ),
        source=(
            "keras/src/legacy/saving/legacy_h5_format.py: load_weights_from_hdf5_group, "
            '"topological (order-based) weight loading"; hdf5_format.py of Keras 2; measured on TF '
            "2.15, tf-keras 2.21 and Keras 3.3.3 to 3.15.1"
        ),
        fix=(
            "Save as .keras, which loads by path. To rescue a file, set the flags in the code as "
            "they were when it was saved, then load it."
        ),
        false_positives="Weights of one shape with equal values.",
        bad="""
inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
inner.trainable = False
inner.layers[-1].trainable = True
model = keras.Sequential([keras.layers.Input((4,)), inner, keras.layers.Dense(2)])
# saved as "model.h5"
""",
        good="""
inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
inner.trainable = False
inner.layers[-1].trainable = True
model = keras.Sequential([keras.layers.Input((4,)), inner, keras.layers.Dense(2)])
# saved as "model.keras"
""",
        bad_file="corpus/keras-3.15.1/swapped.h5",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        weights = [weight for _, weight in evidence.model.weights()]
        stored = {weight.stored_path: weight for weight in weights}
        for weight in weights:
            if weight.named_for is not None:
                effect = f"loading gives it the values stored as {weight.named_for}"
                yield self.item(weight, f"stored in another order than Keras loads it: {effect}")
            other = stored.get(weight.loads_from or "")
            if other is None:
                continue
            effect = f"loading gives it the values of {other.path}"
            if other.shape != weight.shape:
                effect = (
                    f"loading fails: it gets the values of {other.path}, which have another shape"
                )
            yield self.item(weight, f"stored in another order than Keras loads it: {effect}")
