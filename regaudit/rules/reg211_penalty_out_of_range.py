"""REG211: a penalty that the weight's dtype cannot hold."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, ClassVar

import numpy as np

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS, VALUES
from regaudit.keras_semantics.dialect import Dialect
from regaudit.measures.moments import Moments
from regaudit.model import Regularizer, Status, Weight
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
            "weight, and looks for those that overflow to infinity (an error), by themselves or "
            "added up, or underflow to 0 (a warning). Keras 2 doubles the strength of L2 and "
            "halves the sum of squares; Keras 3.0 to 3.13 on TensorFlow cannot compute L1 in any "
            "dtype but float32 (an error). float16 ends at 65,504 and at 6e-8, float32 at 3.4e38 "
            "and at 1.4e-45. The penalties that reports show are sums in float64."
        ),
        rationale=(
            "After an overflow the loss is infinite from the first step, and the weights become "
            "NaN. After an underflow the regularizer adds nothing to the loss: a strength below "
            "3e-8 is 0 in float16."
        ),
        source=(
            "keras/src/regularizers/regularizers.py: L1, L2 and L1L2 sum in the dtype of the "
            "weight; tensorflow/tensorflow#38457, NaN loss with dtype float16; measured with Keras "
            "2.12 to 3.15"
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
        dialect = Dialect.of(evidence.model.keras_version)
        totals: dict[str, float] = {}
        for weight, regularizer in _paying(evidence, dialect):
            if _is_tensor_of_another_dtype(weight, regularizer, dialect):
                yield self.item(
                    weight,
                    f"L1 of Keras 3.0 to 3.13 fails on {weight.dtype} weights with TensorFlow: an "
                    "error",
                )
                continue
            measured, number = evidence.measured(weight), _ARITHMETIC.get(weight.dtype)
            if not measured or number is None:
                continue
            penalty = _in_dtype(regularizer, measured, number, dialect)
            if penalty is None:
                continue
            if isfinite(penalty) and penalty:
                totals[weight.dtype] = totals.get(weight.dtype, 0.0) + penalty
                continue
            wide = evidence.known_penalty(weight)
            real = "" if wide is None else f" (in float64 it is {wide:.3g})"
            if penalty:
                text = f"its penalty overflows {weight.dtype}{real}: the loss is infinite or NaN"
                yield self.item(weight, text)
            else:
                text = f"its penalty underflows to 0 in {weight.dtype}{real}: it adds nothing"
                yield self.item(weight, text, severity=Severity.WARNING)
        for dtype, total in totals.items():
            if not isfinite(_rounded(total, _ARITHMETIC[dtype])):
                text = f"the penalties of its {dtype} weights overflow {dtype} together"
                yield self.item(None, f"{text} ({total:.3g}): the loss is infinite or NaN")


def _paying(evidence: Evidence, dialect: Dialect) -> Iterator[tuple[Weight, Regularizer]]:
    """Yield the weights whose penalty Keras computes."""
    paying = {Status.IN_FORCE}
    if dialect.frozen_weights_penalized:
        paying.add(Status.FROZEN)
    for _, weight in evidence.model.weights():
        regularizer = weight.regularizer
        if weight.shared_with is None and regularizer and regularizer.status in paying:
            yield weight, regularizer


def _is_tensor_of_another_dtype(weight: Weight, regularizer: Regularizer, dialect: Dialect) -> bool:
    """Whether Keras made a tensor of float32 of the strength, which it does not multiply."""
    tensor = regularizer.class_name == "L1" and not dialect.casts_strengths
    return tensor and weight.dtype in _ARITHMETIC and weight.dtype != "float32"


def _in_dtype(
    regularizer: Regularizer,
    measured: Moments,
    number: type[np.floating[Any]],
    dialect: Dialect,
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
        squares = norm * norm if largest * largest else np.float64(0)
        if dialect.casts_strengths:
            l1, l2 = float(np.float32(l1)), float(np.float32(l2))
        if dialect.before_keras_3:
            l2, squares = 2 * l2, squares / 2
        penalty = number(0)
        if l1:
            penalty += number(l1) * number(measured.l1_norm)
        if l2:
            penalty += number(l2) * number(squares)
    return float(penalty)


def _rounded(value: float, number: type[np.floating[Any]]) -> float:
    with np.errstate(all="ignore"):
        return float(number(value))
