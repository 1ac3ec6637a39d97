"""`regaudit check`: the gate in CI."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import AuditOptions, Work, find_work, only, reports_of
from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.options import auditing, printing, weights
from regaudit.cli.output import FINDINGS, OK, TOLD, say, say_failed, say_unjudged, unreadable
from regaudit.cli.streaming import can_stream, stream
from regaudit.cli.targets import Target, ViewOptions, all_of, emit_all, rendered

if TYPE_CHECKING:
    from regaudit.report.report import Report
    from regaudit.settings.config import Config


@click.command(
    cls=Helpful,
    examples=(
        "check model.keras",
        "check models/ --fail-on warning --format github",
        "check models/ --statistics",
    ),
)
@auditing
@weights
@printing
@click.option(
    "--statistics",
    is_flag=True,
    help="Print how often each rule found something, in place of each finding.",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Print what was found and what could not be audited, and nothing else.",
)
@click.option(
    "--fail-on-unknown",
    is_flag=True,
    help="Exit with 1 on a model of which no regularizer is known, such as weights only.",
)
@click.option(
    "--fail-on",
    type=Choice(["note", "warning", "error", "never"]),
    help="Exit with 1 on findings of this severity or higher.  [default: error]",
)
def check(
    *,
    format_: str | None,
    output: Path | None,
    also: tuple[Target, ...],
    fail_on: str | None,
    fail_on_unknown: bool,
    quiet: bool,
    statistics: bool,
    options: AuditOptions,
    view_options: ViewOptions,
) -> None:
    """Check models against the rules, for CI.

    MODEL is a file, a folder, a pattern, a URL (s3://, gs://, hf://, https://), or - for a model of
    one file on standard input. URLs need s3fs, the extra [stores].

    Folders are searched, also those that are models themselves. HDF5 that is found there and was
    not written by Keras is skipped, and named on standard error.

    Exits with 0 if there are no findings at or above --fail-on, with 1 if there are, and with 3 if
    something could not be audited. 3 takes precedence over 1, and the findings are still printed.
    A model of which no regularizer is known passes, unless --fail-on-unknown is given.
    """
    targets = all_of(format_, output, also)
    if (quiet or statistics) and all(one.format != "terminal" for one in targets):
        named = "--quiet" if quiet else "--statistics"
        raise click.UsageError(f"{named} is for --format terminal; the others list all findings")
    work = find_work(options, targets, fail_on, unknown="fail" if fail_on_unknown else None)
    config = work.config
    if can_stream(work, options, view_options):
        sys.exit(_streamed(work, options, view_options, quiet=quiet))
    whole = reports_of(work, options)
    reports = only(whole, view_options.layer)
    bare = {"terminal", "markdown"}
    emit_all(
        [
            rendered(
                one,
                reports,
                config,
                view_options,
                tables=one.format not in bare,
                quiet=quiet,
                statistics=statistics,
            )
            for one in targets
        ]
    )
    if all(target.file for target in targets):
        say_failed(reports, config.fail_on)
        _say_unjudged(reports, fail=config.fail_on_unknown)
    if not quiet:
        _say_stale(len(list(config.baseline.stale(whole))) if config.baseline else 0, config)
    failed = any(report.worst >= config.fail_on for report in reports)
    failed |= config.fail_on_unknown and any(report.unjudged for report in reports)
    sys.exit(unreadable(reports) or (FINDINGS if failed else OK))


def _streamed(
    work: "Work", options: AuditOptions, view_options: ViewOptions, *, quiet: bool
) -> int:
    """Write what each model adds as it comes, and return the exit code."""
    config = work.config
    told = stream(work, options, view_options, config.fail_on)
    if all(target.file for target in work.outputs):
        told.say_failed()
        told.say_unjudged(fail=config.fail_on_unknown)
    if not quiet:
        _say_stale(len(told.stale), config)
    failed = told.worst >= config.fail_on or (config.fail_on_unknown and bool(told.unjudged))
    return told.unreadable or (FINDINGS if failed else OK)


def _say_unjudged(reports: Sequence["Report"], *, fail: bool) -> None:
    """Say on standard error what could not be judged, where no output is printed."""
    from regaudit.report.sentences import unjudged

    unknown = [report for report in reports if report.unjudged]
    told = [(report.file, str(unjudged(report))) for report in unknown[:TOLD]]
    say_unjudged(told, len(unknown) - len(told), fail=fail)


def _say_stale(stale: int, config: "Config") -> None:
    """Say on standard error how many entries of the baseline are no longer needed."""
    from regaudit.report.escape import command

    if stale:
        entries = "entry is" if stale == 1 else "entries are"
        prune = command("regaudit baseline prune --baseline {}", config.baseline_file)
        say(
            f"{stale:,} {entries} no longer found; remove them, with the same models: {prune}",
            err=True,
        )
