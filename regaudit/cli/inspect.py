"""`regaudit inspect`: what is there and what it does."""

import sys
from pathlib import Path

import click

from regaudit.cli.audit_models import AuditOptions, only, run_audit
from regaudit.cli.options import auditing, printing, spectral, weights
from regaudit.cli.output import say_failed, unreadable
from regaudit.cli.targets import Target, ViewOptions, all_of, write


@click.command()
@auditing
@weights
@printing
@click.option(
    "--sort",
    type=click.Choice(["model", "name", "size", "penalty", "l1", "l2", "sparsity", "dead"]),
    default="model",
    show_default=True,
    help="Order of the weights; numbers are sorted largest first.",
)
@spectral
@click.option(
    "--wide", is_flag=True, help="Show all columns, even if they do not fit the terminal."
)
def inspect(
    *,
    format_: str | None,
    output: Path | None,
    also: tuple[Target, ...],
    sort: str,
    wide: bool,
    options: AuditOptions,
    view_options: ViewOptions,
) -> None:
    """Show the regularizers and weights of each model, and what they do, in a table.

    MODEL is a file, a folder, a pattern or a URL (s3://, gs://, hf://, https://). URLs need an
    extra: pip install 'regaudit[stores]'.

    Exits with 0, whatever the findings, or with 3 if something could not be audited.
    """
    targets = all_of(format_, output, also)
    reports, config = run_audit(options, targets)
    reports = only(reports, view_options.layer)
    write(targets, reports, config, view_options, sort=sort, wide=wide)
    if all(target.file for target in targets):
        say_failed(reports)
    sys.exit(unreadable(reports))
