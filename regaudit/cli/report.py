"""`regaudit report`: everything, for people."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import AuditOptions, only, run_audit
from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.options import also, auditing, only_layer, output_file, spectral, weights
from regaudit.cli.output import say, unreadable
from regaudit.cli.page_folder import Folder, target_of, write_pages
from regaudit.cli.paths import LocalFile, Output
from regaudit.cli.plugins import use_of_project
from regaudit.cli.results import report_on
from regaudit.cli.targets import (
    FORMATS,
    Target,
    ViewOptions,
    formats_of_plugins,
    view_of_audit,
    write,
)

if TYPE_CHECKING:
    from regaudit.report.escape import Escaped
    from regaudit.report.report import Report
    from regaudit.sweeping.outcome import Sweep


@click.command(
    cls=Helpful,
    examples=(
        "report model.keras --html report.html",
        "report models/ --html models.html --jobs auto",
        "report models/ --html-dir site/",
        "report --from results.jsonl --html report.html",
    ),
)
@auditing
@weights
@click.option(
    "--html",
    type=Output(),
    metavar="FILE",
    help="Write one self-contained HTML page.",
)
@click.option(
    "--html-dir",
    type=Folder(),
    metavar="DIR",
    help="Write an HTML page for each model into this folder, and index.html on all of them.",
)
@click.option("--markdown", type=Output(), metavar="FILE", help="Write Markdown.")
@click.option("--json", type=Output(), metavar="FILE", help="Write JSON.")
@spectral
@click.option(
    "--format",
    "format_",
    type=Choice(FORMATS, formats_of_plugins),
    help="Print this format, or write it to -o.",
)
@output_file
@also
@only_layer
@click.option(
    "--from",
    "results",
    type=LocalFile(path_type=Path),
    metavar="RESULTS",
    multiple=True,
    help="Report on what `--format jsonl` or `json` wrote, without an audit. Can be repeated.",
)
@click.option(
    "--from-sweep",
    type=LocalFile(path_type=Path),
    metavar="SWEEP",
    help="Show on the page of MODEL what `sweep --json` found for it.",
)
def report(
    *,
    html: Path | None,
    html_dir: Path | None,
    markdown: Path | None,
    json: Path | None,
    format_: str | None,
    output: Path | None,
    also: tuple[Target, ...],
    layer: str,
    results: tuple[Path, ...],
    from_sweep: Path | None,
    options: AuditOptions,
) -> None:
    """Write a full report for people, such as --html out.html.

    MODEL is a file, a folder, a pattern, a URL (s3://, gs://, hf://, https://), or - for a model of
    one file on standard input. URLs need s3fs, the extra [stores].

    Folders are searched, also those that are models themselves. HDF5 that is found there and was
    not written by Keras is skipped, and named on standard error.

    Exits with 0, whatever the findings, or with 3 if something could not be audited.
    """
    from regaudit.settings.config import Config

    named = (("html", html), ("markdown", markdown), ("json", json))
    targets = [*(Target.of(format_, file) for format_, file in named if file), *also]
    targets += [Target.main(format_, output)] if format_ or output else []
    if not targets and not html_dir:
        message = (
            "nothing to write: give --html FILE, --html-dir DIR, --markdown FILE, --json FILE, "
            "--output FORMAT:FILE or --format FORMAT"
        )
        raise click.UsageError(message)
    index = [target_of(html_dir, targets)] if html_dir else []
    if from_sweep and (results or all(target.format != "html" for target in targets + index)):
        raise click.UsageError("--from-sweep needs a MODEL and --html FILE or --html-dir DIR")
    sweep = _sweep(from_sweep) if from_sweep else None
    if results:
        if options.models:
            raise click.UsageError("give either --from RESULTS or MODEL, not both")
        use_of_project(options.no_plugins, isolated=options.isolated)
        limits = Config.default(plugins=False).allowing(options.limits).limits
        code = report_on(results, targets, limits, layer, html_dir)
        _say_written(targets)
        sys.exit(code)
    reports, config = run_audit(options, targets + index)
    reports = only(reports, layer)
    shown = {"sweep": _section(sweep, reports)} if sweep else {}
    if html_dir:
        from regaudit.pages.models_page import pages

        abouts = [rule.about for rule in config.rules]
        view = view_of_audit(ViewOptions(layer), index[0], config, **shown)
        write_pages(html_dir, pages(reports, abouts, view))
    write(targets, reports, config, ViewOptions(layer), **shown)
    _say(reports, targets)
    sys.exit(unreadable(reports))


def _sweep(file: Path) -> "Sweep":
    from regaudit.errors import UsageError
    from regaudit.sweeping.document import read_sweep

    try:
        return read_sweep(file)
    except UsageError as error:
        raise click.UsageError(str(error)) from error


def _section(sweep: "Sweep", reports: Sequence["Report"]) -> "Escaped":
    """Return the section on a sweep, if it is one of the model that the reports are on."""
    from regaudit.report.view import NOTHING
    from regaudit.sweeping.document import why_another
    from regaudit.sweeping.html import section

    models = [one for one in reports if one.model is not None]
    if len(models) > 1:
        raise click.UsageError("--from-sweep is about one model: name that one alone")
    for one in models:
        if why := why_another(sweep, one.file, one.sha256):
            raise click.UsageError(f"--from-sweep does not fit {one.file}: {why}")
    return section(sweep) if models else NOTHING


def _say(reports: Sequence["Report"], targets: Sequence[Target]) -> None:
    """Say on standard error how each model came out and where it is written."""
    from regaudit.report.sentences import verdict

    for audited in reports:
        say(f"{audited.file}: {verdict(audited)}", err=True)
    _say_written(targets)


def _say_written(targets: Sequence[Target]) -> None:
    if written := [str(file) for _, file in targets if file]:
        say(f"written: {', '.join(written)}", err=True)
