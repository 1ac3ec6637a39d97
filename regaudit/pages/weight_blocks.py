"""The blocks of the table of weights: rows that belong together, some of them folded away."""

import re
from collections.abc import Iterable
from itertools import groupby
from math import hypot

from msgspec import Struct

from regaudit.pages.weight_rows import Row
from regaudit.report.folded_rows import ENOUGH, NORMALIZATION
from regaudit.report.report import Report
from regaudit.report.view import View

MANY_LAYERS = 500
"""Weights of more layers than this are grouped by block."""

TOGETHER = 50
"""Layers in a block, if their names do not show blocks."""

_BLOCK = re.compile(
    r".*?(?:block|stage|layers?|group|cell|unit|module|stack)[_-]?\d+[a-z]?", re.IGNORECASE
)


class Block(Struct, frozen=True):
    """Consecutive weights that belong together."""

    name: str
    """Empty where all weights are one block."""
    rows: tuple[Row, ...]

    @property
    def layers(self) -> int:
        """Layers with weights."""
        return len({row.layer.path for row in self.rows})

    @property
    def faults(self) -> int:
        """Places of findings in it."""
        return sum(len(row.faults) for row in self.rows)

    @property
    def parameters(self) -> int:
        """Values, shared ones once."""
        return sum(row.weight.size for row in self.rows if row.weight.shared_with is None)

    @property
    def regularized(self) -> str:
        """Count the weights with a regularizer: `3 regularized, 1 unknown`."""
        found = sum(row.weight.regularizer is not None for row in self.rows)
        unknown = sum(not row.weight.regularizer_known for row in self.rows)
        return f"{found} regularized" + (f", {unknown} unknown" if unknown else "")

    @property
    def penalty(self) -> float | None:
        """What its weights add to the loss, as far as is known from the file."""
        return _total(row.penalty for row in self.rows)

    @property
    def share(self) -> float | None:
        """The same as a share of the total."""
        return None if self.penalty is None else sum(row.share or 0.0 for row in self.rows)

    @property
    def l2_norm(self) -> float | None:
        """Of all its finite weights together."""
        norms = [row.moments.l2_norm or 0.0 for row in self.rows if row.moments]
        return hypot(*norms) if norms else None


def weight_blocks(report: Report, rows: tuple[Row, ...], view: View) -> tuple[Block, ...]:
    """Group the rows of a large model, in the order of the file."""
    if not rows:
        return ()
    layers = list(dict.fromkeys(row.layer.path for row in rows))
    if view.sort != "model":
        return (Block("", rows),)
    if len(report.model.layers if report.model else ()) <= MANY_LAYERS:
        return _with_folds(rows)
    names = [_block_name(path) for path in layers]
    runs = [(name, len(list(run))) for name, run in groupby(names)]
    if not all(names) or len(runs) * 3 > len(layers):
        names = [
            f"layers {at // TOGETHER * TOGETHER + 1:,} to "
            f"{min((at // TOGETHER + 1) * TOGETHER, len(layers)):,}"
            for at in range(len(layers))
        ]
    block_of = dict(zip(layers, names, strict=True))
    grouped = groupby(rows, key=lambda row: block_of[row.layer.path])
    return tuple(Block(name, tuple(run)) for name, run in grouped)


def _with_folds(rows: tuple[Row, ...]) -> tuple[Block, ...]:
    """Put what few people look at below the others: normalization, and layers that are frozen."""
    if len(rows) <= ENOUGH:
        return (Block("", rows),)
    folds: dict[str, list[Row]] = {"": [], "normalization": [], "frozen layers": []}
    for row in rows:
        weight = row.weight
        calm = not row.faults and weight.bare
        frozen = calm and weight.trainable_known and not row.layer.trainable
        normal = calm and weight.role in NORMALIZATION
        folds["normalization" if normal else "frozen layers" if frozen else ""].append(row)
    if not folds[""]:
        return (Block("", rows),)
    return tuple(Block(name, tuple(some)) for name, some in folds.items() if some)


def _block_name(path: str) -> str:
    """Return the outermost numbered part of a path, or the model that a layer is nested in."""
    found = _BLOCK.match(path)
    return found[0] if found else path.rpartition("/")[0]


def _total(numbers: Iterable[float | None]) -> float | None:
    """Add up the numbers that are known; None where there are only unknown ones."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
