"""Pieces of HTML for notebooks: no script, no style sheet, nothing of the page's own.

Colours are the page's; only marks and pictures have their own, legible on light and on dark.
"""

import html
from collections.abc import Sequence

from regaudit.report import escape

_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"


def text(value: str) -> str:
    """Escape what a file may have made; a picture, made by a template, is that already."""
    return value if hasattr(value, "__html__") else html.escape(escape.plain(value))


def piece(parts: str) -> str:
    """Return a piece that scrolls by itself where it is too wide."""
    return f'<div style="overflow-x:auto">{parts}</div>'


def folded(title: str, content: str) -> str:
    """Return what is shown on request."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return a table of texts.

    Args:
        head: titles of the columns.
        rows: cells, as many in each as there are titles.
        left: how many columns are aligned left; the others, of numbers, are aligned right.
    """
    cells = [_row(head, "th", left), *(_row(row, "td", left) for row in rows)]
    return f"<table>{''.join(cells)}</table>"


def _row(cells: Sequence[str], tag: str, left: int) -> str:
    aligned = ["left"] * left + ["right"] * (len(cells) - left)
    found = (
        f'<{tag} style="text-align:{align};{_LINE}">{text(cell)}</{tag}>'
        for cell, align in zip(cells, aligned, strict=True)
    )
    return f"<tr>{''.join(found)}</tr>"
