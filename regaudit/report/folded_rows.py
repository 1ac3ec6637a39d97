"""Rows of the table of weights: one each, or one for a block of layers where there are too many."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from regaudit.model import Layer, Weight
from regaudit.report.spelling import count

ENOUGH = 24
"""Rows that people look through: of more, what few look at is folded."""

MOST = 36
"""Rows that are shown at all; of more, those with most parameters."""

NORMALIZATION = frozenset({"gamma", "beta", "moving_mean", "moving_variance", "mean", "variance"})
"""Roles of weights that normalize: four a layer, and nobody regularizes them."""

Pair = tuple[Layer, Weight]


class Row(NamedTuple):
    """One line of the table."""

    name: str
    """Path of the layer, or what the paths of several begin with and a star."""
    pairs: tuple[Pair, ...]


class Rows(NamedTuple):
    """The rows to show, and what is not among them."""

    rows: list[Row]
    hidden: str = ""
    """What was left out or put together; empty where each weight has its row."""


def rows_of(pairs: Sequence[Pair], *, ordered: bool) -> Rows:
    """Fold what most people do not look at, as far as that is needed to show no more than `ENOUGH`.

    First weights of normalization and biases without a regularizer lose their rows, then layers
    that follow each other share one, block by block, if the same regularizer is on them. Where
    names show no blocks, the smallest of more than `MOST` are left out.

    Args:
        pairs: at least one; layers and their weights.
        ordered: whether they come in the order of the model, so that blocks lie together.
    """
    shown, left_out = list(pairs), []
    for noun, nouns, roles in (
        ("normalization weight", "normalization weights", NORMALIZATION),
        ("bias", "biases", frozenset({"bias"})),
    ):
        less = [pair for pair in shown if not (pair[1].role in roles and pair[1].bare)]
        if len(shown) > ENOUGH and 0 < len(less) < len(shown):
            left_out.append(count(len(shown) - len(less), noun, nouns))
            shown = less
    rows = [Row(layer.path, ((layer, weight),)) for layer, weight in shown]
    if len(rows) > ENOUGH and ordered:
        rows = _in_blocks(shown)
        together = sum(len(row.pairs) > 1 for row in rows)
        left_out += [f"the layers of {count(together, 'block')}"] * bool(together)
    if len(rows) > MOST:
        left_out.append(f"{len(rows) - MOST:,} {'smaller' if ordered else 'more'}")
        if ordered:  # the largest, still in the order of the model
            ranked = sorted(range(len(rows)), key=lambda at: (-_size(rows[at]), at))
            rows = [rows[at] for at in sorted(ranked[:MOST])]
        rows = rows[:MOST]
    return Rows(rows, ", ".join(left_out))


def _size(row: Row) -> int:
    return sum(weight.size for _, weight in row.pairs)


def _in_blocks(pairs: Sequence[Pair]) -> list[Row]:
    """Return the finest blocks of which there are few enough, or else the coarsest."""
    paths = [layer.path for layer, _ in pairs]
    rows: list[Row] = []
    for runs in _blocks(paths):
        rows = [row for run in runs for row in _of_block([pairs[at] for at in run])]
        if len(rows) <= ENOUGH:
            break
    return rows


def blocks(paths: Sequence[str], most: int) -> list[list[int]]:
    """Return runs of layers whose names begin alike: the finest of which there are few enough.

    Args:
        paths: of the layers, in the order of the model.
        most: how many runs are few enough; of the coarsest there may be more.

    Returns:
        Positions in `paths`, run by run.
    """
    if len(paths) <= most:
        return [[at] for at in range(len(paths))]
    found: list[list[int]] = []
    for found in _blocks(paths):
        if len(found) <= most:
            break
    return found


def _blocks(paths: Sequence[str]) -> Iterator[list[list[int]]]:
    """Yield the layers in runs whose names have ever fewer parts in common."""
    parts = [re.split(r"[/_]", path) for path in paths]
    for depth in range(max(map(len, parts), default=0), 0, -1):
        begun = [part[:depth] for part in parts]
        yield [
            [at for at, _ in run] for _, run in groupby(enumerate(begun), key=lambda one: one[1])
        ]


def _of_block(pairs: Sequence[Pair]) -> list[Row]:
    """Return one row for what is alike in a block: its regularizer, and whether it is trained."""
    alike: dict[object, list[Pair]] = {}
    for layer, weight in pairs:
        found = weight.regularizer
        said = (found.class_name, found.l1, found.l2, found.status) if found else None
        key = (said, weight.regularizer_known, weight.trainable, weight.trainable_known)
        alike.setdefault(key, []).append((layer, weight))
    return [
        Row(common_name([layer.path for layer, _ in same]), tuple(same)) for same in alike.values()
    ]


def common_name(paths: Sequence[str]) -> str:
    """Return what paths have in common, up to where one of them goes on."""
    first, *others = dict.fromkeys(paths)
    if not others:
        return first
    low, high = min(paths), max(paths)
    length = next((at for at, char in enumerate(low) if high[at : at + 1] != char), len(low))
    common = low[:length]
    return f"{common if common in paths else re.sub('[^/_]*$', '', common)}*"
