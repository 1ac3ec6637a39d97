"""Numbers taken from tensors: parts of each, measured somewhere, merged in order."""

from collections.abc import Iterable, Sequence
from functools import reduce
from math import isfinite, prod, sqrt

import numpy as np
from msgspec import Struct

from regaudit.errors import UnreadableModelError
from regaudit.measures.histogram import Histogram, histogram
from regaudit.measures.partial_sums import (
    Part,
    PartRun,
    measure_pieces,
    near_zero_threshold,
    pieces_of,
)
from regaudit.measures.unit_norms import unit_norms
from regaudit.model import UnitView
from regaudit.tensors.tensor import Array, Tensor

EFFECTIVE = 0.99
"""Units that carry this share of what all of them do are effective, the others next to nothing."""


class Moments(Struct, frozen=True):
    """What regaudit knows of the values of one weight.

    Sums are float64 whatever the dtype. With a NaN or an infinity among the values, norms, mean
    and deviation are None, as they would be NaN.
    """

    size: int
    """Number of values."""
    nonfinite: int
    """NaNs and infinities."""
    zeros: int
    """Exact zeros."""
    near_zeros: int
    """Values with abs(w) < `threshold`, exact zeros included."""
    threshold: float
    """`near_zero_threshold` of the finite values."""
    l1_norm: float | None
    """sum(abs(w))."""
    l2_norm: float | None
    """sqrt(sum(w^2)): the norm of all values as one vector, for a matrix the Frobenius norm."""
    max_abs: float | None
    """max(abs(w))."""
    mean: float | None
    """sum(w) / `size`."""
    std: float | None
    """Standard deviation of the values, about their mean."""
    units: int | None = None
    """Outputs of the layer; None where the weight has no outputs."""
    dead_units: int | None = None
    """Outputs into which every weight is near zero; one that is not finite is not."""
    dead: bytes = b""
    """Which outputs these are, a bit for each, as NumPy packs them."""
    histogram: Histogram | None = None
    """How the values are spread; None where it was not asked for."""
    unit_norms: tuple[float, ...] = ()
    """L2 norms of the outputs at `unit_norms.ranks`, largest first, dead ones last; likewise."""
    small_values: int | None = None
    """Values with abs(w) < `sums.SMALL`, exact zeros included; None if not counted."""
    effective_units: int | None = None
    """The fewest outputs that carry nearly all of what the layer does, of a kernel in a graph; None
    where a value is not finite."""
    unit_squares: bytes = b""
    """Sum of the squares of each output, float64; only until the outputs have been weighed."""
    input_squares: bytes = b""
    """Sum of the squares of what each input is multiplied by; likewise."""

    @property
    def small_share(self) -> float | None:
        """Share of small values."""
        return (
            self.small_values / self.size if self.size and self.small_values is not None else None
        )

    @property
    def sparsity(self) -> float | None:
        """Share of exact zeros."""
        return self.zeros / self.size if self.size else None


def measure(
    tensors: Sequence[tuple[Tensor, UnitView | None]],
    threads: int = 1,
    *,
    histograms: bool = False,
) -> list[Moments]:
    """Measure all values of each tensor in one pass; many are shared out.

    Args:
        tensors: with the view of the outputs in each.
        threads: at most.
        histograms: also take `histogram` and `unit_norms`, which takes three times as long.

    Raises:
        UnreadableModelError: some values cannot be read.
    """
    found = measure_pieces(tensors, pieces_of(tensors), threads, histograms=histograms)
    return [
        merged(tensor, units, [found[index]] if index in found else [], histograms=histograms)
        for index, (tensor, units) in enumerate(tensors)
    ]


def merged(
    tensor: Tensor,
    units: UnitView | None,
    stretches: Iterable[PartRun],
    *,
    histograms: bool = False,
) -> Moments:
    """Merge all parts of a tensor, no matter which process measured them.

    Args:
        tensor: for values that have to be read again.
        units: the view of its outputs.
        stretches: in order.
        histograms: whether they were asked for.

    Raises:
        UnreadableModelError: some values cannot be read.
    """
    stretches = list(stretches)
    parts = [part for stretch in stretches for part in stretch.parts]
    for part in parts:
        if part.fault:
            raise UnreadableModelError(part.fault)
    size = prod(tensor.shape)
    count = sum(part.count for part in parts)
    total = sum(part.total for part in parts)
    squares = sum(part.squares for part in parts)
    threshold = near_zero_threshold(sqrt(squares / count) if count else 0.0)
    exact = size > 0 and count == size
    mean = total / count if count else 0.0
    deviations = sum(
        part.deviations + part.count * (part.total / part.count - mean) ** 2
        for part in parts
        if part.count
    )
    unit_max = [np.frombuffer(stretch.unit_max) for stretch in stretches if stretch.unit_max]
    dead = None
    if units is not None:
        dead = reduce(np.maximum, unit_max) < threshold if unit_max else np.zeros(0, np.bool_)
    finite = exact or size == 0
    zeros = sum(part.zeros for part in parts)
    squared = _added([stretch.unit_squares for stretch in stretches])
    norms: tuple[float, ...] = ()
    if histograms and dead is not None:
        norms = unit_norms(np.frombuffer(squared), dead)
    return Moments(
        size=size,
        nonfinite=sum(part.nonfinite for part in parts),
        zeros=zeros,
        near_zeros=_count_below(threshold, tensor, parts),
        threshold=threshold,
        l1_norm=_finite(float(sum(part.absolute for part in parts))) if finite else None,
        l2_norm=_finite(sqrt(squares)) if finite else None,
        max_abs=max((part.largest for part in parts), default=0.0) if finite else None,
        mean=_finite(mean) if exact else None,
        std=_finite(sqrt(deviations / count)) if exact else None,
        units=None if units is None else units.units,
        dead_units=None if dead is None else int(np.count_nonzero(dead)),
        dead=b"" if dead is None else np.packbits(dead).tobytes(),
        histogram=histogram((part.spread for part in parts), zeros) if histograms else None,
        unit_norms=norms,
        small_values=sum(part.small for part in parts),
        unit_squares=squared,
        input_squares=_added([stretch.input_squares for stretch in stretches]),
    )


def effective(shares: Array) -> int | None:
    """Return how many of these carry `EFFECTIVE` of their sum at least, the largest first.

    The sum of many values depends a little on how they were divided among processes. It decides
    nothing: what is short by a billionth is enough.
    """
    with np.errstate(all="ignore"):
        carried = np.cumsum(np.sort(shares)[::-1])
    whole = float(carried[-1]) if len(carried) else 0.0
    if not isfinite(whole):
        return None
    return int(np.searchsorted(carried, EFFECTIVE * whole * (1 - 1e-9))) + 1 if whole else 0


def _added(runs: list[bytes]) -> bytes:
    if len(runs) < 2:
        return runs[0] if runs else b""
    with np.errstate(all="ignore"):
        found: Array = reduce(np.add, [np.frombuffer(one) for one in runs if one] or [np.zeros(0)])
    return found.tobytes()


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _count_below(threshold: float, tensor: Tensor, parts: list[Part]) -> int:
    """Count near-zeros by exponent; read a part again if its first block misled us."""
    exponent = int(np.array([threshold]).view(np.int64)[0] >> 52)
    near = 0
    for piece, part in zip(pieces_of([(tensor, None)]), parts, strict=True):
        if threshold <= part.seen_below:
            exponents, counts = part.counts()
            near += int(counts[exponents < exponent].sum())
            continue
        for block in tensor.blocks(piece.start, piece.stop):
            near += int(np.count_nonzero(np.abs(block.astype(np.float64)) < threshold))
    return near
