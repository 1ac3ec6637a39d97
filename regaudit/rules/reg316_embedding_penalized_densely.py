"""REG316: an L2 penalty on a large embedding table."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.report.proposal import StrengthChange
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class EmbeddingPenalizedDensely(Rule):
    about: ClassVar[About] = About(
        code="REG316",
        name="embedding-penalized-densely",
        title="L2 penalty on every row of a large embedding",
        severity=Severity.NOTE,
        confidence="medium",
        what="Looks for L2 penalties in force on the tables of large Embedding layers.",
        rationale=(
            "The penalty is computed over the whole table in every step, while a batch trains "
            "only the rows it contains. Rare rows shrink in every step in which they do not "
            "occur, so the penalty is strongest where there is least data. It also turns a "
            "sparse gradient into a dense one of the size of the table."
        ),
        source=(
            "keras/src/layers/layer.py: Layer._get_regularization_losses sums over whole "
            "variables; NVIDIA-Merlin/models#812 replaces such a penalty by one on the batch's "
            "rows after a loss of accuracy"
        ),
        fix=(
            "Put Dropout or SpatialDropout1D after the embedding, or an activity_regularizer on "
            "it, which is computed over the rows of the batch only."
        ),
        false_positives=(
            "A vocabulary in which all rows occur about equally often, or rare rows that should "
            "fall back to zero."
        ),
        bad="""
layers, decay = keras.layers, keras.regularizers.L2(1e-5)
model = keras.Sequential([
    layers.Input((8,)),
    layers.Embedding(6_300, 16, embeddings_regularizer=decay),
    layers.GlobalAveragePooling1D(),
    layers.Dense(3, activation="softmax", kernel_regularizer=decay),
])
""",
        good="""
layers, decay = keras.layers, keras.regularizers.L2(1e-5)
model = keras.Sequential([
    layers.Input((8,)),
    layers.Embedding(1_000, 16),
    layers.SpatialDropout1D(0.3),
    layers.GlobalAveragePooling1D(),
    layers.Dense(3, activation="softmax", kernel_regularizer=decay),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    max_parameters: Threshold = 100_000
    """Tables with no more values pass."""

    def cured_by(self, change: StrengthChange) -> bool:
        return not change.l2

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.regularized():
            regularizer = weight.regularizer
            if layer.class_name != "Embedding" or regularizer is None or not regularizer.l2:
                continue
            if weight.size > self.max_parameters:
                rows = weight.shape[0] if weight.shape else 0
                yield self.item(
                    weight,
                    f"L2 of {regularizer.l2:.3g} on all {rows:,} rows ({weight.size:,} "
                    "parameters), including those that are not in the batch",
                    parameters=weight.size,
                    max_parameters=self.max_parameters,
                    penalty=evidence.known_penalty(weight),
                )
