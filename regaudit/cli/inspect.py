"""`regaudit inspect`: what is there and what it does."""

import sys
from math import inf
from pathlib import Path
from typing import NoReturn

import click

from regaudit.cli.audit_models import AuditOptions, find_work, only, reports_of, run_audit
from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.options import auditing, printing, spectral, weights
from regaudit.cli.output import emit, say_failed, unreadable
from regaudit.cli.streaming import can_stream, stream
from regaudit.cli.targets import Target, ViewOptions, all_of, write


@click.command(
    cls=Helpful,
    examples=(
        "inspect model.keras",
        "inspect model.keras --layer 'encoder/*' --sort size",
        "inspect models/ --format csv -o weights.csv",
    ),
)
@auditing
@weights
@printing
@click.option(
    "--sort",
    type=Choice(["model", "name", "size", "penalty", "l1", "l2", "sparsity", "dead"]),
    default="model",
    show_default=True,
    help="Order of the weights; numbers are sorted largest first.",
)
@spectral
@click.option(
    "--wide", is_flag=True, help="Show all columns, even if they do not fit the terminal."
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Show a row for each weight, also where there are many: normalization, biases, and each "
    "layer of a block.",
)
@click.option(
    "--roles",
    "show_roles",
    is_flag=True,
    help="Print what is stored for custom classes instead, as [tool.regaudit.layers] to paste.",
)
def inspect(
    *,
    format_: str | None,
    output: Path | None,
    also: tuple[Target, ...],
    sort: str,
    wide: bool,
    every: bool,
    show_roles: bool,
    options: AuditOptions,
    view_options: ViewOptions,
) -> None:
    """Show the regularizers and weights of each model, and what they do, in a table.

    MODEL is a file, a folder, a pattern, a URL (s3://, gs://, hf://, https://), or - for a model of
    one file on standard input. URLs need s3fs, the extra [stores].

    Folders are searched, also those that are models themselves. HDF5 that is found there and was
    not written by Keras is skipped, and named on standard error.

    Exits with 0, whatever the findings, or with 3 if something could not be audited.
    """
    targets = all_of(format_, output, also)
    if show_roles:
        _print_roles(options, output)
    work = find_work(options, targets)
    shown = {"sort": sort, "wide": wide, "every": every}
    if can_stream(work, options, view_options):
        told = stream(work, options, view_options, inf, **shown)
        if all(target.file for target in targets):
            told.say_failed()
        sys.exit(told.unreadable)
    reports, config = only(reports_of(work, options), view_options.layer), work.config
    write(targets, reports, config, view_options, **shown)
    if all(target.file for target in targets):
        say_failed(reports)
    sys.exit(unreadable(reports))


def _print_roles(options: AuditOptions, output: Path | None) -> NoReturn:
    """Print the custom classes of the models instead of a report, and exit."""
    from regaudit.settings.stored_roles import roles_page

    outputs = () if output is None else (output,)
    reports, _ = run_audit(options._replace(weights=False), (), baseline=False, writes=outputs)
    emit(roles_page(reports), output)
    say_failed(reports)
    sys.exit(unreadable(reports))
