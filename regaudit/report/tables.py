"""Tables of text that fit a terminal: columns are left out, then the first one is shortened."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

from tabulate import tabulate

from regaudit.report.escape import shortened_path, visible
from regaudit.report.spelling import MISSING


class Column(NamedTuple):
    """One column of a table; the first column of a table shows paths."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    """Columns of the highest rank are left out first. One of rank 1 is left out only where paths
    would be shorter than the least; one of rank 0 stays."""
    right: bool = False
    instead: Optional["Column"] = None
    """What takes the place of the column of its title if this one is left out."""

    @property
    def width(self) -> int:
        """Width in a table; tabulate keeps two spaces next to a header."""
        return max(len(self.title) + 2, *map(len, self.cells))


def informative(columns: Sequence[Column]) -> list[Column]:
    """Leave out the columns that say nothing of any row, but for those that always stay."""
    return [one for one in columns if one.rank < 2 or set(one.cells) != {MISSING}]


def fitted_table(
    columns: Sequence[Column], width: int | None, *, least: int, comfort: int | None = None
) -> list[str]:
    """Return the lines of a table that is no wider than a terminal, if that can be.

    See `fitted` for the arguments.
    """
    return fitted(columns, width, least=least, comfort=comfort)[1]


def fitted(
    columns: Sequence[Column], width: int | None, *, least: int, comfort: int | None = None
) -> tuple[list[Column], list[str]]:
    """Return the columns that are shown, and the lines of a table as wide as a terminal.

    Args:
        columns: paths first; at least one row.
        width: of the terminal; None for all columns in full.
        least: columns that paths get whatever else there is.
        comfort: columns that paths get, as far as they need them, before others are shown; by
            default all that they need.
    """
    paths, *others = columns
    if width is not None:
        needed = paths.width if comfort is None else min(paths.width, comfort)
        others = _fitting(others, width - needed, down_to=2)
        others = _fitting(others, width - min(needed, least), down_to=1)
        room = max(width - _width(others), least)
        paths = paths._replace(cells=[shortened_path(path, room) for path in paths.cells])
    shown = [paths, *others]
    table = tabulate(
        list(zip(*(map(visible, column.cells) for column in shown), strict=True)),
        headers=[column.title for column in shown],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in shown],
    )
    return shown, table.split("\n")


def pipe_table(
    rows: Sequence[Sequence[str]], headers: Sequence[str], align: Sequence[str] | None = None
) -> list[str]:
    """Return the lines of a table of Markdown, of cells that are Markdown already."""
    table = tabulate(
        [[visible(cell) for cell in row] for row in rows],
        headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=align if rows else None,  # tabulate 0.9 cannot align columns without rows
    )
    return table.split("\n")


def _fitting(columns: list[Column], width: int, down_to: int) -> list[Column]:
    """Leave out columns, those of the highest rank first, until they are no wider than `width`."""
    while _width(columns) > width:
        last = max(columns, key=lambda column: column.rank)
        if last.rank < down_to:
            break
        instead = last.instead
        columns = [
            instead if instead and column.title == instead.title else column
            for column in columns
            if column is not last
        ]
    return columns


def _width(columns: Sequence[Column]) -> int:
    """Width of all columns, with the two spaces before each."""
    return sum(column.width + 2 for column in columns)
