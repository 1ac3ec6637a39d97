"""One very large file measured in shares, each by another process, and merged exactly.

The values of a file are measured in parts anyway, which are merged in order
(`regaudit.measures.partial_sums`). A share is some consecutive parts. Whoever merges the shares
reads the file as an audit does, but for the values, and takes what the shares say of these: the
report is the same. (Processors of unlike kinds may round the last bit of a sum of float64 values
unlike, as in whole audits.)
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from regaudit.auditing.audit_file import Attempt, Opened, measure_some, report_on, values_of
from regaudit.errors import UnreadableModelError
from regaudit.measures.partial_sums import PartRun, Piece, pieces_of
from regaudit.model import UnitView
from regaudit.report.report import Report
from regaudit.settings.config import Config
from regaudit.tensors.dequantized import DequantizedTensor
from regaudit.tensors.tensor import StoredTensor, Tensor
from regaudit.version import VERSION

_CHANGED = (
    "it changed while it was read, or is not the same on all workers of the cluster; audit it again"
)

_UNIT = 8
"""Bytes of a number of a unit or an input: the largest value, the sum of the squares."""


class Split(NamedTuple):
    """Which files are measured in shares, and in how large ones."""

    above: int
    """Bytes of weights: those with more."""
    share: int
    """Bytes of weights in one share, about."""


class Share(Struct, frozen=True, tag=True):
    """What one process measured of a file."""

    state: str
    """A digest of what was measured: shares of one state belong together."""
    measured: Mapping[int, PartRun]
    """By the place of the tensor among the values of the file."""


def audit_or_count(file: str, config: Config, split: Split) -> Report | int:
    """Audit a file; of a very large one only count the shares in which to measure it.

    What a URL leads to is never split, as it is fetched in an order that spares requests; nor is
    what lies in an archive, all of which might have to be unpacked for every share.
    """
    with Attempt(file) as attempt, attempt.opened(config) as opened:
        values = values_of(opened.artifact)
        size = sum(prod(tensor.shape) * tensor.dtype.itemsize for tensor, _ in values)
        whole = opened.artifact.inflated or not isinstance(opened.file, Path) or not config.weights
        whole |= not opened.artifact.model.stored
        if whole or size <= split.above:
            return report_on(opened, config)
        return max(min(-(-size // split.share), len(pieces_of(values)), _most(values, config)), 1)
    return attempt.failed


def measure_share(file: str, config: Config, number: int, count: int) -> Report | Share:
    """Measure one share of a file.

    Args:
        file: its path.
        config: what to measure, and limits.
        number: of the share, from 0.
        count: of all shares.

    Returns:
        The share; or a report with a `failure`.
    """
    with Attempt(file) as attempt, attempt.opened(config) as opened:
        values = values_of(opened.artifact)
        state = _state(opened, values)  # before the values are read: who comes later compares
        return Share(state, measure_some(values, _share(pieces_of(values), number, count), config))
    return attempt.failed


def audit_shares(file: str, config: Config, shares: Sequence[Share]) -> Report:
    """Audit a file whose values were measured in shares.

    Args:
        file: its path.
        config: rules, thresholds and limits.
        shares: all of them, in order.
    """
    with Attempt(file) as attempt, attempt.opened(config) as opened:
        state = _state(opened, values_of(opened.artifact))
        if any(share.state != state for share in shares):
            raise UnreadableModelError(_CHANGED)
        return report_on(opened, config, [share.measured for share in shares])
    return attempt.failed


def _most(values: Sequence[tuple[Tensor, UnitView | None]], config: Config) -> int:
    """Return how many shares can be merged: each brings numbers of the units at its borders."""
    widest = max((2 * view.units + view.inputs for _, view in values if view), default=0)
    return 1 + config.limits.memory_bytes // 8 // (_UNIT * max(widest, 1))


def _share(pieces: Sequence[Piece], number: int, count: int) -> list[Piece]:
    """Return the parts of one share; all shares have about as many values."""
    behind = list(accumulate((piece.stop - piece.start for piece in pieces), initial=0))
    return [
        piece
        for piece, start in zip(pieces, behind, strict=False)
        if start * count // behind[-1] == number
    ]


def _state(opened: Opened, values: Sequence[tuple[Tensor, UnitView | None]]) -> str:
    """Return a digest of where the values lie, and of size and time of these files."""
    files: dict[str, tuple[int, int]] = {}
    layout = []
    for tensor, units in values:
        stored = tensor.codes if isinstance(tensor, DequantizedTensor) else tensor
        offset = stored.offset if isinstance(stored, StoredTensor) else None
        layout.append((tensor.shape, tensor.dtype.str, units, offset))
        place = getattr(stored, "file", opened.file)
        if str(place) not in files:
            status = Path(str(place)).stat()
            files[str(place)] = (status.st_size, status.st_mtime_ns)
    return sha256(repr((VERSION, layout, files)).encode()).hexdigest()
