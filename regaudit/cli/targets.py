"""Where reports go, in which format, and what can be shown there."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from regaudit.cli.paths import STANDARD_OUTPUT
from regaudit.discovery import names
from regaudit.running.guard import hold_on

if TYPE_CHECKING:
    from regaudit.errors import PlugInError
    from regaudit.report.escape import Escaped
    from regaudit.report.report import Report
    from regaudit.report.view import View
    from regaudit.settings.config import Config

FORMATS = names("regaudit.renderers")
"""Output formats: the modules of `regaudit.renderers` are named for them."""


def formats_of_plugins() -> list[str]:
    """Return the output formats that installed plug-ins add."""
    from regaudit.plugins.installed import RENDERERS, installed

    return [one.name for one in installed() if one.group == RENDERERS]


def is_format(name: str) -> bool:
    """Whether there is such an output format, of regaudit or of an installed plug-in."""
    return name in FORMATS or name in formats_of_plugins()


class Target(NamedTuple):
    """One place to write to, and in which format."""

    format: str
    file: Path | None
    """None for standard output."""

    @classmethod
    def of(cls, format_: str, file: Path | None) -> "Target":
        """Make a target of a format and what was given as its file, which may be `-`."""
        return cls(format_, None if file == STANDARD_OUTPUT else file)

    @classmethod
    def main(cls, format_: str | None, file: Path | None) -> "Target":
        """Make a target from --format and -o; -o results.parquet says both."""
        suffix = file.suffix[1:] if file else ""
        if format_ in {None, "terminal"} and is_format(suffix) and _is_binary(suffix):
            return cls(suffix, file)
        return cls.of(format_ or "terminal", file)


def all_of(format_: str | None, output: Path | None, also: Sequence[Target]) -> tuple[Target, ...]:
    """Return what --format, -o and --output ask for; by default the table is printed."""
    if not format_ and not output and any(target.file is None for target in also):
        return tuple(also)
    return (Target.main(format_, output), *also)


class ViewOptions(NamedTuple):
    """What the options of `viewing` say; the defaults are for commands without them."""

    layer: str = "*"
    verbose: bool = True
    color: str = "never"


def write(
    targets: Iterable[Target],
    reports: Sequence["Report"],
    config: "Config",
    options: ViewOptions,
    **settings: Any,
) -> None:
    """Render the reports once for each target, then print or write them all.

    Args:
        targets: formats and files.
        reports: of the whole run.
        config: what was checked.
        options: what is shown.
        settings: fields of `View`, over those.
    """
    emit_all([rendered(target, reports, config, options, **settings) for target in targets])


class Page(NamedTuple):
    """What goes to one place."""

    content: "Escaped | bytes"
    file: Path | None
    summary: "Escaped | None" = None
    """Of the step of GitHub Actions."""
    failure: "PlugInError | None" = None
    """Of a plug-in that was to render it: then there is no content."""


def emit_all(pages: Iterable[Page]) -> None:
    """Print or write what is rendered.

    Raises:
        PlugInError: after all others, if a plug-in could not render one.
    """
    from regaudit.cli.output import emit, summarize

    failure = None
    for page in pages:
        failure = failure or page.failure
        if page.failure is None:
            emit(page.content, page.file)
        if page.summary is not None:
            summarize(page.summary)
    if failure:
        raise failure


def rendered(
    target: Target,
    reports: Sequence["Report"],
    config: "Config",
    options: ViewOptions,
    **settings: Any,
) -> Page:
    """Render the reports for one target; arguments are those of `write`."""
    from msgspec.structs import replace

    from regaudit.errors import PlugInError
    from regaudit.renderers.interface import renderer

    hold_on()
    abouts = [rule.about for rule in config.rules]
    spectral = any(report.spectra is not None for report in reports)
    view = view_of_audit(options, target, config, spectral=spectral, **settings)
    summary = None
    if target.format == "github":
        from regaudit.renderers.markdown import Markdown

        summary = Markdown().render(reports, abouts, replace(view, tables=False))
    try:
        return Page(renderer(target.format).render(reports, abouts, view), target.file, summary)
    except PlugInError as error:
        return Page(b"", target.file, summary, error)


def view_of_audit(
    options: ViewOptions, target: Target, config: "Config", **settings: Any
) -> "View":
    """Return what is to be shown of an audit; arguments are those of `write`."""
    from msgspec.structs import replace

    from regaudit.renderers.interface import renderer

    of_config = {
        "fail_on": config.fail_on,
        "fail_on_unknown": config.fail_on_unknown,
        "docs_url": config.docs_url,
        "spectral": config.spectral,
        "architecture": config.architecture is not None,
    }
    view = view_of(options, target, **{**of_config, **settings})
    if renderer(target.format).detailed:
        from regaudit.settings.to_toml import settings_page

        view = replace(view, settings=settings_page(config))
    return view


def require(targets: Sequence[Target]) -> None:
    """Check, before the audit, that each format can be made, and goes where it can go.

    Raises:
        click.UsageError: something is not installed, binary, or would be mixed with another.
    """
    from regaudit.renderers.interface import renderer

    printed = [target.format for target in targets if target.file is None]
    if len(printed) > 1:
        message = f"{' and '.join(printed)} would both be printed: write one of them to a file"
        raise click.UsageError(message)
    for name in filter(_is_binary, printed):
        message = f"{name} is a binary format: write it to a file, -o results.{name}"
        raise click.UsageError(message)
    for target in targets:
        if missing := renderer(target.format).missing():
            raise click.UsageError(missing)


def is_detailed(targets: Iterable[Target]) -> bool:
    """Whether a target shows what an audit measures only on request."""
    from regaudit.renderers.interface import renderer

    return any(renderer(target.format).detailed for target in targets)


def _is_binary(format_: str) -> bool:
    from regaudit.renderers.interface import renderer

    return renderer(format_).binary


def view_of(options: ViewOptions, target: Target, **settings: Any) -> "View":
    """Return what is to be shown, and what the place of output can show."""
    from regaudit.report.rule_page import shows_links
    from regaudit.report.view import View
    from regaudit.storage.repository import repository
    from regaudit.storage.working_folder import working_folder

    here, printed = working_folder(), target.file is None
    terminal = printed and _is_terminal()
    color = printed and wants_color(options.color)
    return View(
        layer=options.layer,
        verbose=options.verbose,
        width=shutil.get_terminal_size().columns if terminal else 80,
        color=color,
        links=terminal and color and shows_links(os.environ),
        unicode=terminal and _is_unicode(sys.stdout.encoding),
        root=repository(here) if here else None,
        **settings,
    )


def files_of(targets: Iterable[Target]) -> Iterator[Path]:
    """Yield the files that targets are written to, the summary of a GitHub step included."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    for target in targets:
        if target.file:
            yield target.file
        if target.format == "github" and summary:
            yield Path(summary)


def wants_color(choice: str) -> bool:
    """Whether to colour what is printed, for `always`, `never` or `auto`."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal() and os.environ.get("TERM") != "dumb"


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _is_terminal() -> bool:
    """Whether standard output is a terminal; there may be no standard output."""
    return sys.stdout is not None and sys.stdout.isatty()
