"""`regaudit check`: the gate in CI."""

import sys
from pathlib import Path
from typing import Any

import click

from regaudit.cli.options import auditing, printing, render, run_audit, view
from regaudit.cli.output import FINDINGS, OK, emit, unreadable


@click.command()
@auditing
@printing
@click.option(
    "--fail-on",
    type=click.Choice(["note", "warning", "error", "never"]),
    help="Exit with 1 on findings of this severity or a higher one.  [default: error]",
)
def check(format_: str, output: Path | None, fail_on: str | None, **options: Any) -> None:
    """Judge models, for CI.

    Exits with 0 if nothing is at or above --fail-on, 1 if something is, and 3 if something could
    not be audited; 3 wins over 1, and the findings are printed all the same.
    """
    reports, config = run_audit(options, (output,), fail_on, formats=(format_,))
    shown = view(options, output, tables=format_ != "terminal")
    emit(render(format_, reports, config, shown), output)
    failed = any(report.worst >= config.fail_on for report in reports)
    sys.exit(unreadable(reports) or (FINDINGS if failed else OK))
