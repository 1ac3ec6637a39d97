"""REG211: a penalty that the weight's dtype cannot hold."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, ClassVar

import numpy as np

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS, VALUES
from regaudit.keras_semantics.dialect import Dialect
from regaudit.measures.moments import Moments
from regaudit.model import Regularizer, Status
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_ARITHMETIC: dict[str, type[np.floating[Any]]] = {
    "float16": np.float16,
    "bfloat16": np.float32,  # of the same range, which NumPy does not have
    "float32": np.float32,
    "float64": np.float64,
}


class PenaltyOutOfRange(Rule):
    about: ClassVar[About] = About(
        code="REG211",
        name="penalty-out-of-range",
        title="Penalty that the dtype of its weight cannot hold",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Computes the penalties of L1, L2 and L1L2 in force as Keras does, in the dtype of the "
            "weight, and looks for those that overflow to infinity (an error) or underflow to 0 "
            "(a warning). float16 ends at 65,504 and at 6e-8, float32 at 3.4e38 and at 1.4e-45. "
            "The penalties that reports show are sums in float64."
        ),
        rationale=(
            "After an overflow the loss is infinite from the first step, and the weights become "
            "NaN. After an underflow the regularizer adds nothing to the loss: a strength below "
            "3e-8 is 0 in float16."
        ),
        source=(
            "keras/src/regularizers/regularizers.py: L1, L2 and L1L2 sum in the dtype of the "
            "weight; tensorflow/tensorflow#38457, NaN loss with dtype float16; measured by loading "
            "files"
        ),
        fix=(
            "Keep the weights in float32: dtype='mixed_float16' computes in float16 and sums "
            "penalties in float32. In float32 itself, look for weights or strengths far out of "
            "scale."
        ),
        false_positives=(
            "A model that will not be trained again, or one whose dtype is changed before it is."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((64,)),
    keras.layers.Dense(64, dtype="float16", kernel_regularizer=keras.regularizers.L2(1e-4),
                       kernel_initializer=keras.initializers.RandomNormal(stddev=5, seed=1)),
])
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((64,)),
    keras.layers.Dense(64, dtype="mixed_float16", kernel_regularizer=keras.regularizers.L2(1e-4),
                       kernel_initializer=keras.initializers.RandomNormal(stddev=5, seed=1)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES, REGULARIZERS)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        paying = {Status.IN_FORCE}
        if Dialect.of(evidence.model.keras_version).frozen_weights_penalized:
            paying.add(Status.FROZEN)
        for _, weight in evidence.model.weights():
            regularizer, measured = weight.regularizer, evidence.measured(weight)
            if weight.shared_with is not None or not regularizer or not measured:
                continue
            number = _ARITHMETIC.get(weight.dtype)
            if regularizer.status not in paying or number is None:
                continue
            penalty = _in_dtype(regularizer, measured, number)
            if penalty is None or (isfinite(penalty) and penalty):
                continue
            wide = evidence.known_penalty(weight)
            real = "" if wide is None else f" (in float64 it is {wide:.3g})"
            if penalty:
                text = f"its penalty overflows {weight.dtype}{real}: the loss is infinite or NaN"
                yield self.item(weight, text)
            else:
                text = f"its penalty underflows to 0 in {weight.dtype}{real}: it adds nothing"
                yield self.item(weight, text, severity=Severity.WARNING)


def _in_dtype(
    regularizer: Regularizer, measured: Moments, number: type[np.floating[Any]]
) -> float | None:
    """Return the penalty in the arithmetic of a dtype; None where there is none to lose."""
    l1, l2 = regularizer.l1 or 0.0, regularizer.l2 or 0.0
    if measured.l1_norm is None or measured.l2_norm is None or not measured.max_abs:
        return None
    if not l1 and not l2:
        return None
    with np.errstate(all="ignore"):
        largest = number(measured.max_abs)
        # All squares are 0 where that of the largest value is: so is their sum then.
        norm = np.float64(measured.l2_norm)
        squares = number(norm * norm) if largest * largest else number(0)
        penalty = number(0)
        if l1:
            penalty += number(l1) * number(measured.l1_norm)
        if l2:
            penalty += number(l2) * squares
    return float(penalty)
