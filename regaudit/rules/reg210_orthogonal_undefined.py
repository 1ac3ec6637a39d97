"""REG210: an orthogonality penalty on a weight for which it is not defined."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.suggestions import remove
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Regularizer, Status, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class OrthogonalUndefined(Rule):
    about: ClassVar[About] = About(
        code="REG210",
        name="orthogonal-undefined",
        title="OrthogonalRegularizer where it is not defined",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Looks for OrthogonalRegularizer in force on weights that are not matrices, whose "
            "matrix has a single row (or a single column, depending on the mode), or that are of "
            "another dtype than float32 in a file of Keras 3."
        ),
        rationale=(
            "The regularizer averages over pairs of rows or columns of a matrix. For a weight of "
            "another rank, Keras raises an error when it computes the loss. A single row gives "
            "no pair, and the average is 0 / 0: the loss is NaN, and after one step so is every "
            "weight. Keras 3 keeps the factor in float32, which TensorFlow does not multiply with "
            "a sum in float16, bfloat16 or float64: an error. Mixed precision keeps weights in "
            "float32."
        ),
        source=(
            "keras/src/regularizers/regularizers.py: OrthogonalRegularizer.__call__; dtypes were "
            "measured with Keras 2.12 to 3.15"
        ),
        fix=(
            "Remove it from these weights; use the other mode where a matrix has one row or one "
            "column; use L2 for convolutions; keep weights in float32 (dtype='mixed_float16')."
        ),
        false_positives=(
            "None known for a model that will be trained; other models never compute this penalty."
        ),
        bad="""
orthogonal = keras.regularizers.OrthogonalRegularizer(0.001)
model = keras.Sequential([
    keras.layers.Input((8, 8, 1)),
    keras.layers.Conv2D(4, 3, kernel_regularizer=orthogonal),
    keras.layers.GlobalAveragePooling2D(),
    keras.layers.Dense(2, kernel_regularizer=orthogonal),
])
""",
        good="""
orthogonal = keras.regularizers.OrthogonalRegularizer(0.001)
model = keras.Sequential([
    keras.layers.Input((8, 8, 1)),
    keras.layers.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L2(1e-4)),
    keras.layers.GlobalAveragePooling2D(),
    keras.layers.Dense(2, kernel_regularizer=orthogonal),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        dialect = Dialect.of(evidence.model.keras_version)
        paying = {Status.IN_FORCE}
        if dialect.frozen_weights_penalized:
            paying.add(Status.FROZEN)
        for layer, weight in evidence.model.weights():
            regularizer = weight.regularizer
            if regularizer is None or weight.shared_with is not None:
                continue
            if regularizer.class_name != "OrthogonalRegularizer":
                continue
            if regularizer.status not in paying:
                continue
            fault = _fault(weight, regularizer, dialect)
            if fault:
                reason = "it is not defined on this weight"
                yield self.item(weight, fault, suggestion=remove(layer, weight, reason))


_OTHER_DTYPES = frozenset({"float16", "bfloat16", "float64"})
"""In which Keras 3 does not multiply a factor, whatever its own default dtype."""


def _fault(weight: Weight, regularizer: Regularizer, dialect: Dialect) -> str:
    """Say what Keras makes of it; nothing where it is defined."""
    shape = " x ".join(map(str, weight.shape))
    if len(weight.shape) != 2:
        rank = len(weight.shape)
        return f"OrthogonalRegularizer needs a matrix; this has rank {rank} ({shape}): an error"
    mode = "columns" if regularizer.config.get("mode") == "columns" else "rows"
    if weight.shape[mode == "columns"] < 2:
        return (
            f"OrthogonalRegularizer compares {mode}; this has only one ({shape}): the loss is NaN"
        )
    if weight.dtype in _OTHER_DTYPES and not dialect.before_keras_3:
        return (
            f"OrthogonalRegularizer of Keras 3 fails on {weight.dtype} weights with TensorFlow: an "
            "error"
        )
    return ""
