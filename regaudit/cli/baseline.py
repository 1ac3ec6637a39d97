"""`regaudit baseline`: what is known and accepted for now, so that only new findings count."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import AuditOptions, run_audit, settings_of
from regaudit.cli.command import HelpfulGroup
from regaudit.cli.options import auditing
from regaudit.cli.output import UNREADABLE, emit, say, unreadable
from regaudit.cli.protected import refuse_outputs
from regaudit.storage.presence import exists, is_dir, is_file
from regaudit.storage.standard_input import NAME
from regaudit.storage.working_folder import working_folder

if TYPE_CHECKING:
    from regaudit.report.report import Report
    from regaudit.settings.baseline import Baseline

DEFAULT = ".regaudit-baseline.json"
"""Where a baseline is written if neither the command line nor the settings say."""


@click.group(
    cls=HelpfulGroup,
    examples=("baseline write models/", "check models/ --baseline .regaudit-baseline.json"),
)
def baseline() -> None:
    """Accept today's findings, so that `check` fails only on new or worse ones.

    A baseline identifies findings by model, rule and weight, never by their numbers. The file is
    the one of --baseline, else of the settings, else .regaudit-baseline.json.
    """


@baseline.command(examples=("baseline write models/",))
@auditing
@click.option("--force", is_flag=True, help="Overwrite an existing baseline.")
def write(force: bool, options: AuditOptions) -> None:
    """Create a baseline of all findings."""
    from regaudit.settings.baseline import Baseline

    file = settings_of(options, baseline=False).baseline_file or Path(DEFAULT)
    if exists(file) and not force:
        raise click.UsageError(f"{file} already exists: `update` adds to it, --force overwrites it")
    # Once more when it is known what is found in folders.
    refuse_outputs([file], models=[one for one in options.models if not is_dir(one)])
    # Nothing but a baseline is replaced by one.
    old = _read(file) if is_file(file) else Baseline(file.absolute())
    reports, file = _audited(options, writes=[file])
    _save(old.written(reports), reports)


@baseline.command(examples=("baseline update models/",))
@auditing
def update(options: AuditOptions) -> None:
    """Accept new and worse findings as well, and drop those that are gone."""
    reports, file = _audited(options)
    _save(_read(file).updated(reports), reports)


@baseline.command(examples=("baseline prune models/",))
@auditing
def prune(options: AuditOptions) -> None:
    """Drop what is no longer found in the audited models, and accept nothing new."""
    reports, file = _audited(options)
    _save(_read(file).pruned(reports), reports)


def _audited(options: AuditOptions, writes: Sequence[Path] = ()) -> tuple[list["Report"], Path]:
    """Audit as if there were no baseline; say where it lies."""
    if NAME in options.models:
        raise click.UsageError("a baseline knows models by their files: standard input is none")
    reports, config = run_audit(options, (), baseline=False, writes=writes)
    return [one for one in reports if one.format != "settings"], config.baseline_file or Path(
        DEFAULT
    )


def _read(file: Path) -> "Baseline":
    from regaudit.errors import UsageError
    from regaudit.settings.baseline import read_baseline

    try:
        return read_baseline(file)
    except UsageError as error:
        raise click.UsageError(str(error)) from error


def _save(made: "Baseline", reports: Sequence["Report"]) -> None:
    """Write the baseline; say on standard error what is in it and how to use it."""
    from regaudit.report.escape import command
    from regaudit.report.sentences import verdict
    from regaudit.report.spelling import count

    file = Path(made.file)
    name = file.name if file.parent == working_folder() else str(file)
    failed = [report for report in reports if report.failure]
    for report in failed:
        say(f"{report.file}: {verdict(report)}", err=True)
    if len(failed) == len(reports) or any(report.interrupted for report in failed):
        say(f"nothing is written to {name}", err=True)
        sys.exit(UNREADABLE)
    emit(made.text(), file)
    held = count(len(made.entries), "finding")
    use = command("regaudit check --baseline {}", name)
    say(f"{name}: {held} accepted; use it with: {use}", err=True)
    sys.exit(unreadable(reports))
