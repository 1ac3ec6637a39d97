"""What `sweep` prints: verdict, table and chart of its candidates, and what to do next."""

import re
import shutil
import sys
import textwrap
from os import PathLike

from regaudit.report.escape import Escaped, command, page, plain
from regaudit.report.tables import Column, fitted_table
from regaudit.sweeping.columns import columns, next_steps
from regaudit.sweeping.outcome import Sweep
from regaudit.sweeping.text_chart import chart

LEGEND = {
    "model": (
        "as it is: the saved model; no penalty: trained on without one; x1: with the suggested "
        "strength."
    ),
    "val. loss": "Losses are without the penalty, with their standard error.",
    "tempered": (
        "tempered: validation loss after one number, the temperature T, has divided the outputs "
        "before softmax; that needs no training and changes no answer."
    ),
    "shrunk": (
        "shrunk: validation loss after the predictions were shrunk towards their mean by one "
        "number; that needs no training."
    ),
    "gap": "gap: validation loss less training loss.",
}
"""Of the columns that explain themselves least; Markdown and the page explain all."""


def terminal(
    sweep: Sweep, width: int | None = None, edits: str | PathLike[str] | None = None
) -> Escaped:
    """Return the verdict, the table, a chart, and what to do next.

    Args:
        sweep: to show.
        width: columns of the terminal; by default those it has, or 80 where there is none.
        edits: the file with the strengths, if it was written.
    """
    width = width or terminal_width()
    lines = [*wrapped(sweep.setting.file, width), *wrapped(sweep.verdict, width), ""]
    lines += _table(sweep, width)
    if rows := chart(sweep, width):
        lines += ["", *wrapped(rows[0], width), *rows[1:]]
    if sweep.remarks:
        lines += ["", *(line for one in sweep.remarks for line in wrapped(f"note: {one}", width))]
    lines += ["", *(line for one in next_steps(sweep) for line in wrapped(one, width))]
    if sweep.edits and sweep.model is None:
        first = "" if edits else ", add --edits edits.json, and then"
        steps = f"To write the strengths alone, without these weights, into a copy{first}:"
        lines += wrapped(steps, width)
        line = "regaudit apply {} -o OUT --from {}"
        lines.append("  " + command(line, sweep.setting.file, edits or "edits.json"))
    return page(lines)


def terminal_width() -> int:
    """Return the columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def wrapped(text: str, width: int) -> list[str]:
    """Escape a line, and break it at this width."""
    return textwrap.wrap(
        plain(text),
        max(width, 20),
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(sweep: Sweep, width: int) -> list[str]:
    found = [
        Column(one.title, [plain(cell) for cell in one.cells], one.rank, one.right)
        for one in columns(sweep)
    ]
    lines = [line.rstrip() for line in fitted_table(found, width, least=16)]
    shown = re.split(r"\s{2,}", lines[0])
    legend = " ".join(said for title, said in LEGEND.items() if title in shown)
    return [*lines, "", *wrapped(legend, width)]
