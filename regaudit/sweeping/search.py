"""Which strengths are tried, and which go on: a ladder by factors of 4, then successive halving.

Source: Jamieson and Talwalkar (2016), Non-stochastic Best Arm Identification and Hyperparameter
Optimization.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

STEP = 4.0
"""Between the strengths of two neighbouring rungs."""


class Scored(Protocol):
    """What competes."""

    @property
    def score(self) -> float:
        """Lower is better; infinite where it diverged."""


T = TypeVar("T", bound=Scored)


def ladder(rung: Callable[[float], T], most: int) -> Generator[list[T], None, list[T]]:
    """Try factors: 1 and 4, then up while the score improves, or else down likewise.

    Yields what to train next, all of it before the next step is asked for. The way does not depend
    on how much is trained at once.

    Args:
        rung: what competes with a factor.
        most: rungs.

    Returns:
        All rungs, in the order of training.
    """
    tried = [rung(factor) for factor in (1.0, STEP)[:most]]
    yield tried
    if len(tried) < 2:
        return tried
    up = tried[1].score < tried[0].score
    best, factor = (tried[1], STEP) if up else (tried[0], 1.0)
    while len(tried) < most:
        factor = factor * STEP if up else factor / STEP
        other = rung(factor)
        tried = [*tried, other]
        yield [other]
        if not other.score < best.score:
            break
        best = other
    return tried


def halving(
    rungs: Sequence[T], first: int, left: int
) -> Generator[tuple[list[T], int], None, None]:
    """Let the better half go on for twice as long, until one is left or the budget is spent.

    Half of an odd number is rounded down.

    Yields who goes on, and for how many epochs.

    Args:
        rungs: what was trained.
        first: epochs that each was trained for.
        left: epochs that may still be spent on all together.
    """
    alive, epochs = [one for one in rungs if one.score < float("inf")], first
    while len(alive) > 1:
        alive = sorted(alive, key=lambda one: one.score)[: len(alive) // 2]
        epochs = min(2 * epochs, left // len(alive))
        if epochs < 1:
            return
        yield alive, epochs
        left -= epochs * len(alive)
