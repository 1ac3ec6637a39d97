"""How strong a regularizer should be: estimators, and the loss they are measured against."""

from collections.abc import Iterable
from math import floor, inf, log10

from regaudit.evidence.outputs import ChanceLoss

BUDGET = 0.05
"""Share of the chance loss that the budget rule gives to the whole penalty."""


def budget_strength(chance: ChanceLoss, squared_norms: Iterable[float]) -> float | None:
    """One L2 strength for all kernels that costs `BUDGET` of the chance loss today.

    Measured on 12 held-out tasks: the log test loss changed by +0.020 [-0.020, +0.058], better in
    31 % of the runs and worse by over 10 % in 14 % (docs/strengths.md). Nothing in a file
    without losses identifies the best strength: it is where a sweep should start.
    """
    total = sum(squared_norms)
    return usable(BUDGET * chance.value / total) if total > 0 else None


def gap_strength(gap: float, kernels: int, squared_norm: float) -> float | None:
    """The L2 strength of one kernel by the gap between validation and training loss.

    lambda = 1/2 gap / (kernels * ||W||^2): MacKay's gamma / (2 N ||w||^2) with Moody's
    gamma = N gap, so that N cancels, and half of that to be careful. Measured on 12 held-out
    tasks: the log test loss changed by -0.115 [-0.195, -0.039], better in 75 % of the runs and
    worse by over 10 % in 8 %; early stopping does more, -0.240 (docs/strengths.md).

    Source: MacKay (1992), Bayesian Interpolation; Moody (1991), Note on Generalization,
    Regularization and Architecture Selection in Nonlinear Learning Systems.
    """
    known = gap > 0 and kernels > 0 and squared_norm > 0
    return usable(0.5 * gap / (kernels * squared_norm)) if known else None


def usable(strength: float) -> float | None:
    """Round a strength; None for one that float32 does not hold: such weights are no model's."""
    return rounded(strength) if 1e-30 < strength < 1e30 else None


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
