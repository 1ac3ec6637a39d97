"""Kernels that have shrunk to next to nothing: their numbers say nothing of a right strength."""

from msgspec import Struct

from regaudit.evidence.initializers import Initial
from regaudit.measures.moments import Moments
from regaudit.model import Layer, Weight

MIN_VALUE = 1e-3
"""Kernels with a larger value have not collapsed, unless by their norm."""

MIN_SHARE = 0.01
"""Of the initial norm: kernels below it have collapsed."""


MIN_SHARE_TOGETHER = 0.1
"""The same of kernels that have shrunk together, whatever single value is left over."""

MIN_SMALL = 0.99
"""Share of values below 0.001 in a kernel that has shrunk together."""

MIN_EFFECTIVE = 0.9
"""Share of effective units from which on none stand out."""


class Shrunk(Struct, frozen=True):
    """How far a kernel has shrunk."""

    largest: float
    norm: float
    start: float | None
    """Its norm at initialization; None where the file does not tell it."""
    together: bool = False
    """Whether nearly all its values are small, and no units stand out from the others."""

    @property
    def share(self) -> float | None:
        """The norm as a share of the initial one."""
        return self.norm / self.start if self.start else None

    def collapsed(self, min_value: float = MIN_VALUE, min_share: float = MIN_SHARE) -> bool:
        """Whether next to nothing is left.

        Args:
            min_value: a larger value is something, unless the norm is not.
            min_share: of the initial norm.
        """
        if self.share is None:
            return self.largest < min_value
        if self.largest < min_value and self.share < 0.5:
            return True
        return self.share < (MIN_SHARE_TOGETHER if self.together else min_share)


def shrunk(
    layer: Layer, weight: Weight, measured: Moments | None, *, trained: bool
) -> Shrunk | None:
    """Return how far a kernel has shrunk; None where nobody can tell.

    Args:
        layer: the weight's.
        weight: a kernel.
        measured: its numbers.
        trained: whether steps of training are known; else it may have begun at zero.
    """
    if measured is None or measured.l2_norm is None or measured.max_abs is None:
        return None
    initial = Initial.of(layer, weight)
    start = initial.norm(weight.size) if initial else None
    if start is None and not trained:
        return None
    return Shrunk(measured.max_abs, measured.l2_norm, start, together=_together(measured))


def _together(measured: Moments) -> bool:
    """Whether a kernel has shrunk as a whole; one of few effective units has not, they do work."""
    small, effective = measured.small_share, measured.effective_units
    if small is None or effective is None or not measured.units:
        return False
    return small >= MIN_SMALL and effective >= MIN_EFFECTIVE * measured.units
