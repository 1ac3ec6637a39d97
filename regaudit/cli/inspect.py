"""`regaudit inspect`: what is there and what it does."""

import sys
from pathlib import Path
from typing import Any

import click

from regaudit.cli.options import auditing, printing, render, run_audit, view
from regaudit.cli.output import emit, unreadable


@click.command()
@auditing
@printing
@click.option(
    "--sort",
    type=click.Choice(["model", "name", "size", "penalty", "l1", "l2", "sparsity", "dead"]),
    default="model",
    show_default=True,
    help="Order of the weights; numbers come largest first.",
)
@click.option("--wide", is_flag=True, help="All columns, whatever the width of the terminal.")
def inspect(format_: str, output: Path | None, sort: str, wide: bool, **options: Any) -> None:
    """Show what is there and what it does: a table per model.

    Exits with 0, or with 3 if something could not be audited; findings are shown, not judged.
    """
    reports, config = run_audit(options, (output,), formats=(format_,))
    shown = view(options, output, sort=sort, wide=wide)
    emit(render(format_, reports, config, shown), output)
    sys.exit(unreadable(reports))
