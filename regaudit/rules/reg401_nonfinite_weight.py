"""REG401: NaN or infinity among the values of a weight."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import VALUES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class NonfiniteWeight(Rule):
    about: ClassVar[About] = About(
        code="REG401",
        name="nonfinite-weight",
        title="Weight with NaN or infinite values",
        severity=Severity.ERROR,
        confidence="high",
        what="Looks for NaN and infinity among the values of every stored weight.",
        rationale=(
            "One NaN or infinity spreads through every later layer and through the penalty: the "
            "model predicts NaN, and further training does not repair it."
        ),
        source="IEEE 754: arithmetic on NaN gives NaN",
        fix=(
            "Go back to the last checkpoint with finite weights and continue with a lower "
            "learning rate or gradient clipping (clipnorm=1.0). keras.callbacks.TerminateOnNaN "
            "stops training before the damage is saved."
        ),
        false_positives="None known: an infinite weight meant as a mask belongs in a constant.",
        bad="""
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4)])
kernel = model.layers[0].kernel.numpy()
kernel[0, 0] = float("nan")
model.layers[0].kernel.assign(kernel)
""",
        good="""
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4)])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for _, weight in evidence.model.weights():
            measured = evidence.measured(weight)
            if measured and measured.nonfinite:
                yield self.item(
                    weight,
                    f"{measured.nonfinite:,} of {measured.size:,} values are NaN or infinite",
                    rank=measured.nonfinite,
                    nonfinite=measured.nonfinite,
                    size=measured.size,
                )
