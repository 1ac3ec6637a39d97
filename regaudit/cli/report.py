"""`regaudit report`: everything, for people."""

import sys
from pathlib import Path
from typing import Any

import click

from regaudit.cli.options import Target, also, auditing, run_audit, spectral, weights, write
from regaudit.cli.output import unreadable


@click.command()
@auditing
@weights
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write one self-contained HTML page.",
)
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown.")
@click.option("--json", type=click.Path(path_type=Path), metavar="FILE", help="Write JSON.")
@spectral
@also
def report(
    html: Path | None,
    markdown: Path | None,
    json: Path | None,
    also: tuple[Target, ...],
    **options: Any,
) -> None:
    """Write everything down, for people: --html out.html.

    MODEL is a file, a folder, a pattern or a URL (s3://, gs://, hf://, https://), which the extra
    reads: pip install 'regaudit[stores]'.

    Exits with 0, or with 3 if something could not be audited; findings are shown, not judged.
    """
    named = (("html", html), ("markdown", markdown), ("json", json))
    targets = [*(Target(format_, file) for format_, file in named if file), *also]
    if not targets:
        message = (
            "say what to write: --html FILE, --markdown FILE, --json FILE or --output FORMAT:FILE"
        )
        raise click.UsageError(message)
    reports, config = run_audit(options, targets)
    write(targets, reports, config, options)
    _say(reports, targets)
    sys.exit(unreadable(reports))


def _say(reports: list[Any], targets: list[Target]) -> None:
    """Tell on standard error how each model came out and where it is written."""
    from regaudit.wording import plain, verdict

    for audited in reports:
        click.echo(f"{plain(audited.file)}: {verdict(audited)}", err=True)
    click.echo(f"written: {', '.join(str(file) for _, file in targets)}", err=True)
