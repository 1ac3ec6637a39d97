"""How strong a regularizer should be: estimators, and the loss they are measured against."""

from collections.abc import Mapping
from math import floor, inf, log10

from regaudit.evidence.outputs import ChanceLoss
from regaudit.keras_semantics.regularizers import DEFAULT_STRENGTH
from regaudit.report.proposal import Purpose

BUDGET = 0.05
"""Share of the chance loss that the budget rule gives to the whole penalty."""
FACTORS: Mapping[Purpose, float] = {"going-on": 1.0, "new-weights": 1.0}
"""Share of the gap that the gap rule gives to all penalties together, by what they are for."""
OVER_BUDGET, FAR_OVER_BUDGET = 0.25, 0.5
"""Shares of the chance loss above which penalties are too large, or far too large."""
MOST_OF_GAP = 2.0
"""Penalties up to this many gaps may have been chosen by the losses."""
OVER_GAP = 10.0
"""Penalties above this many gaps are far too large."""
FEW = 200
"""With fewer validation samples than this, the gap is mostly noise."""


def budget_strength(chance: ChanceLoss, norm: float) -> float | None:
    """Return one strength for all kernels that costs `BUDGET` of the chance loss today.

    Measured on 12 held-out tasks: the log test loss changed by +0.020 [-0.020, +0.058], better in
    31% of the runs and worse by over 10% in 14% (docs/explanation/strengths.md).
    Without losses, nothing in a file identifies the best strength: this is where a sweep should
    start.

    Args:
        chance: the yardstick.
        norm: sum of ||W||^2 over the kernels for L2, of |w| for L1.
    """
    return BUDGET * chance.value / norm if norm > 0 else None


def gap_strength(part: float, norm: float) -> float | None:
    """Return the strength with which some kernels cost their part of the gap between the losses.

    lambda = part / ||W||^2; the parts of all kernels together are `FACTORS` times the gap. MacKay's
    gamma / (2 N ||w||^2) with Moody's gamma = N gap, so that N cancels, would make it half of it:
    why it is more, and what that does, was measured (docs/explanation/strengths.md).

    Source: MacKay (1992), Bayesian Interpolation; Moody (1991), Note on Generalization,
    Regularization and Architecture Selection in Nonlinear Learning Systems.

    Args:
        part: of the gap, in units of the loss.
        norm: sum of ||W||^2 over the kernels for L2, of |w| for L1.
    """
    return part / norm if part > 0 and norm > 0 else None


def asked_for(penalty: float, gap: float | None) -> bool:
    """Whether two losses may have asked for a penalty: it is at most twice the gap between them."""
    return gap is not None and penalty <= MOST_OF_GAP * gap


def chosen(strength: float | None) -> float | None:
    """Round a strength to propose; None for none, and for one that no real model needs.

    Keras's default of 0.01 is passed over: nobody would know it for a choice.
    """
    if strength is None or not 1e-30 < strength < 1e30:
        return None
    found = rounded(strength)
    if found == DEFAULT_STRENGTH:
        return 0.02 if strength > DEFAULT_STRENGTH else 0.005
    return found


def rounded(strength: float) -> float:
    """Round to 1, 2 or 5 times a power of ten, the nearest by ratio, the lower one on a tie.

    Zero and what is not finite stay as they are.
    """
    if not 0 < strength < inf:
        return strength
    exponent = floor(log10(strength))
    steps = [(step, power) for power in (exponent, exponent + 1) for step in (1, 2, 5)]
    best = min(steps, key=lambda pair: abs(log10(strength) - log10(pair[0]) - pair[1]))
    return float(f"{best[0]}e{best[1]}")
