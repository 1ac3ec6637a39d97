"""Printing and writing, and the exit code."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.replacing import replacing

if TYPE_CHECKING:
    from regaudit.finding import Report

OK, FINDINGS, USAGE, UNREADABLE = range(4)
"""Exit codes: nothing to say; findings; wrong usage; something could not be audited."""


def emit(text: str, output: Path | None) -> None:
    """Print the text, or put it in the place of a file, as a whole.

    Raises:
        click.UsageError: the file cannot be written; what was there is untouched.
    """
    if output is None:
        click.echo(text, nl=False, color=True)  # whether there is colour was decided before
        return
    try:
        with replacing(output) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise click.UsageError(f"{output} cannot be written: {error.strerror}") from error


def unreadable(reports: Sequence["Report"]) -> int:
    """Return the exit code that wins over findings: 3 if anything could not be audited, else 0."""
    return UNREADABLE if not reports or any(report.failure for report in reports) else OK
