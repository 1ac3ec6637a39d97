"""`regaudit diff`: what changed between two files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import AuditOptions, only, run_audit
from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.options import also_in, judging, output_file, viewing
from regaudit.cli.output import FINDINGS, OK, UNREADABLE, say, unreadable
from regaudit.cli.paths import Named
from regaudit.cli.targets import Page, Target, ViewOptions, all_of, emit_all, view_of
from regaudit.running.guard import hold

if TYPE_CHECKING:
    from regaudit.changes.compare import Changes
    from regaudit.report.escape import Escaped
    from regaudit.report.view import View
    from regaudit.settings.config import Config

FORMATS = ("html", "json", "markdown", "terminal")


@click.command(
    cls=Helpful,
    examples=("diff old.keras new.keras", "diff old.keras new.keras --format markdown --exit-code"),
)
@click.argument("old", type=Named())
@click.argument("new", type=Named())
@click.argument("more", nargs=-1, type=Named(), metavar="")
@judging
@viewing
@output_file
@click.option(
    "--format",
    "format_",
    type=Choice(FORMATS),
    help="Output format.  [default: terminal]",
)
@also_in(FORMATS)
@click.option(
    "--spectral",
    is_flag=True,
    help="Also draw the singular values of kernels, on the page of --format html.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
def diff(
    old: str,
    new: str,
    *,
    more: tuple[str, ...],
    format_: str | None,
    output: Path | None,
    also: tuple[Target, ...],
    exit_code: bool,
    options: AuditOptions,
    view_options: ViewOptions,
) -> None:
    """Show what changed between two files: regularizers, weights, findings.

    One of them may be -, a model on standard input.

    For more than two files, such as the checkpoints of a training run, `regaudit report --html
    FILE` draws trends.

    Exits with 0, with 1 if anything differs and --exit-code is given, or with 3 if one of the two
    could not be audited.
    """
    from regaudit.changes.compare import diff as compare
    from regaudit.report.sentences import failed_rule, verdict

    if more:
        message = (
            f"diff compares two files, not {len(more) + 2}: for a series of checkpoints use "
            "`regaudit report FILE... --html OUT.html`"
        )
        raise click.UsageError(message)
    targets = all_of(format_, output, also)
    if unknown := next((one.format for one in targets if one.format not in FORMATS), None):
        raise click.UsageError(f"diff writes no {unknown}, but {', '.join(FORMATS)}")
    if options.spectral and all(one.format != "html" for one in targets):
        raise click.UsageError("--spectral draws singular values: add --format html")
    reports, config = run_audit(options._replace(models=(old, new)), targets, nested=False)
    if len(reports) != 2 and not (len(reports) == 1 and reports[0].failure):
        raise click.UsageError(f"OLD and NEW must be one model each; these are {len(reports):,}")
    for report in reports:
        if report.failure:
            say(f"{report.file}: {verdict(report)}", err=True)
    if any(report.failure for report in reports):
        sys.exit(UNREADABLE)
    hold(f"diff of {reports[0].file} and {reports[1].file}", config.limits)
    found = compare(*only(reports, view_options.layer))
    if view_options.layer != "*":
        found = _only(found, view_options.layer)
    views = [view_of(view_options, one, docs_url=config.docs_url) for one in targets]
    emit_all(
        [
            Page(_spelled(found, one.format, config, view), one.file)
            for one, view in zip(targets, views, strict=True)
        ]
    )
    for rule in (rule for report in reports for rule in report.failed_rules):
        say(failed_rule(rule), err=True)
    sys.exit(unreadable(reports) or (FINDINGS if exit_code and not found.same else OK))


def _only(changes: "Changes", layer: str) -> "Changes":
    """Return the changes of some layers."""
    from msgspec.structs import replace

    from regaudit.report.only_layers import in_layer

    return replace(
        changes,
        regularizers=tuple(one for one in changes.regularizers if in_layer(one.path, layer)),
        weights=tuple(one for one in changes.weights if in_layer(one.path, layer)),
    )


def _spelled(changes: "Changes", format_: str, config: "Config", view: "View") -> "Escaped":
    if format_ == "json":
        from regaudit.changes.document import changes_document
        from regaudit.report.escape import json_text, page

        return page([json_text(changes_document(changes), indent=2, allow_nan=False)])
    if format_ == "html":
        from msgspec.structs import replace

        from regaudit.changes.html import html
        from regaudit.settings.to_toml import settings_page

        rules = [rule.about for rule in config.rules]
        return html(changes, rules, replace(view, settings=settings_page(config)))
    from regaudit.changes import text

    return text.terminal(changes, view) if format_ == "terminal" else text.markdown(changes, view)
