"""How strong a regularizer should be: estimators, and the loss they are measured against."""

from math import floor, inf, log10

from regaudit.evidence.outputs import ChanceLoss

BUDGET = 0.05
"""Share of the chance loss that the budget rule gives to the whole penalty."""
CAREFUL = 0.5
"""Share of the gap that the gap rule gives to all penalties together."""
NO_CHANGE = 0.05
"""The gap rule has no effect on gaps up to this share of the chance loss."""
FEW = 200
"""With fewer validation samples than this, the gap is mostly noise."""


def budget_strength(chance: ChanceLoss, norm: float) -> float | None:
    """Return one strength for all kernels that costs `BUDGET` of the chance loss today.

    Measured on 12 held-out tasks: the log test loss changed by +0.020 [-0.020, +0.058], better in
    31 % of the runs and worse by over 10 % in 14 % (docs/strengths.md). Without losses, nothing
    in a file identifies the best strength: this is where a sweep should start.

    Args:
        chance: the yardstick.
        norm: sum of ||W||^2 over the kernels for L2, of |w| for L1.
    """
    return usable(BUDGET * chance.value / norm) if norm > 0 else None


def overfits(gap: float, chance: ChanceLoss) -> bool:
    """Whether the gap between validation and training loss is large enough to act on."""
    return gap > NO_CHANGE * chance.value


def gap_strength(gap: float, share: float, norm: float) -> float | None:
    """Return the strength of some kernels by the gap between validation and training loss.

    lambda = 1/2 gap share / ||W||^2: MacKay's gamma / (2 N ||w||^2) with Moody's gamma = N gap, so
    that N cancels, and half of that to be careful. Measured on 12 held-out tasks: the log test
    loss changed by -0.115 [-0.195, -0.039], better in 75 % of the runs and worse by over 10 % in
    8 %; early stopping does more, -0.240 (docs/strengths.md).

    Source: MacKay (1992), Bayesian Interpolation; Moody (1991), Note on Generalization,
    Regularization and Architecture Selection in Nonlinear Learning Systems.

    Args:
        gap: validation loss less training loss.
        share: of all kernels that one is 1 / n, where there are n.
        norm: sum of ||W||^2 over the kernels for L2, of |w| for L1.
    """
    return usable(CAREFUL * gap * share / norm) if gap > 0 and share > 0 and norm > 0 else None


def usable(strength: float) -> float | None:
    """Round a strength; None for one outside the range of float32, which no real model needs."""
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
