"""`regaudit diff`: what changed between two files."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from regaudit.cli.options import Target, judging, output_file, run_audit, shown, view_of
from regaudit.cli.output import FINDINGS, OK, UNREADABLE, emit


@click.command()
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@judging
@shown
@output_file
@click.option(
    "--format",
    "format_",
    type=click.Choice(["terminal", "markdown", "json"]),
    default="terminal",
    show_default=True,
    help="Output format.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
def diff(
    old: str, new: str, format_: str, output: Path | None, exit_code: bool, **options: Any
) -> None:
    """Show what changed between two files: regularizers, weights, findings.

    Exits with 0, with 1 if anything differs and --exit-code is given, or with 3 if one of the two
    could not be audited.
    """
    from regaudit import changes, changes_page, changes_record
    from regaudit.wording import plain, verdict

    target = Target(format_, output)
    reports, _ = run_audit({**options, "models": (old, new)}, [target])
    if len(reports) != 2:
        raise click.UsageError(f"OLD and NEW are one model each; these are {len(reports):,}")
    for report in reports:
        if report.failure:
            click.echo(f"{plain(report.file)}: {verdict(report)}", err=True)
    if any(report.failure for report in reports):
        sys.exit(UNREADABLE)
    found = changes.diff(*reports)
    view = view_of(options, target)
    if format_ == "json":
        text = json.dumps(changes_record.changes_document(found), indent=2, allow_nan=False) + "\n"
    else:
        pages = {"terminal": changes_page.terminal, "markdown": changes_page.markdown}
        text = pages[format_](found, view)
    emit(text, output)
    sys.exit(FINDINGS if exit_code and not found.same else OK)
