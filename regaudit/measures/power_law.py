"""The exponent of a power law, fitted to the tail of some values."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LEAST = 50
"""Values that a fit takes at least; from fewer an exponent is a guess (Clauset et al., 3.3)."""


class Tail(NamedTuple):
    """A fitted tail: density proportional to x**-alpha for all values from the smallest on."""

    alpha: float
    values: int
    """How many values it holds."""


def fitted_tail(values: npt.NDArray[np.float64]) -> Tail | None:
    """Fit a power law by maximum likelihood to each tail, and return the one that fits best.

    The best has the smallest Kolmogorov-Smirnov distance between the fit and its values.

    Args:
        values: positive, in any order.

    Returns:
        The tail; None for fewer than `LEAST` values, or where they are all the same.

    Source: Clauset, Shalizi and Newman (2009), Power-law distributions in empirical data, SIAM
    Review 51(4), equation 3.1 and section 3.3.
    """
    if len(values) < LEAST:
        return None
    logs = np.log(np.sort(values))
    above = np.cumsum(logs[::-1])[::-1]
    best, closest = None, np.inf
    for start in range(len(logs) - 1):
        count = len(logs) - start
        excess = above[start] - count * logs[start]
        if excess <= 1e-12 * count:  # nothing but one value again and again
            break
        slope = count / excess
        fit = 1.0 - np.exp(slope * (logs[start] - logs[start:]))
        distance = float(np.abs(fit - np.arange(count) / count).max())
        if distance < closest:
            best, closest = Tail(1.0 + float(slope), count), distance
    return best
