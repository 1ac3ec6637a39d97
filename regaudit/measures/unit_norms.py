"""The norms of the units of a kernel, from the largest to the smallest, at some ranks."""

import numpy as np

from regaudit.tensors.tensor import Array

POINTS = 64
"""Ranks at most."""


def ranks(units: int) -> list[int]:
    """Return evenly spaced ranks, from 0 to that of the last unit."""
    if units <= POINTS:
        return list(range(units))
    return [round(at * (units - 1) / (POINTS - 1)) for at in range(POINTS)]


def unit_norms(squares: Array, dead: Array) -> tuple[float, ...]:
    """Return the L2 norm of the unit at each of `ranks`; none where one is not finite.

    Args:
        squares: sum of the squares of each unit.
        dead: which units are dead; these come last.
    """
    if len(squares) != len(dead) or not np.isfinite(squares).all():
        return ()
    order = np.lexsort((-squares, dead))
    return tuple(map(float, np.sqrt(squares[order][ranks(len(squares))])))
