"""`regaudit report`: everything, for people."""

import sys
from pathlib import Path
from typing import Any

import click

from regaudit.cli.options import auditing, render, run_audit, view
from regaudit.cli.output import emit, unreadable


@click.command()
@auditing
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write one self-contained HTML page.",
)
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown.")
@click.option("--json", type=click.Path(path_type=Path), metavar="FILE", help="Write JSON.")
def report(html: Path | None, markdown: Path | None, json: Path | None, **options: Any) -> None:
    """Write everything down, for people: --html out.html.

    Exits with 0, or with 3 if something could not be audited; findings are shown, not judged.
    """
    wanted = {
        format_: file
        for format_, file in (("html", html), ("markdown", markdown), ("json", json))
        if file
    }
    if not wanted:
        message = "say what to write: --html FILE, --markdown FILE or --json FILE"
        raise click.UsageError(message)
    reports, config = run_audit(options, wanted.values(), formats=wanted)
    for format_, file in wanted.items():
        emit(render(format_, reports, config, view(options, file)), file)
    _say(reports, wanted)
    sys.exit(unreadable(reports))


def _say(reports: list[Any], wanted: dict[str, Path]) -> None:
    """Tell on standard error how each model came out and where it is written."""
    from regaudit.wording import plain, verdict

    for audited in reports:
        click.echo(f"{plain(audited.file)}: {verdict(audited)}", err=True)
    click.echo(f"written: {', '.join(str(file) for file in wanted.values())}", err=True)
