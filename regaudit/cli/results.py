"""Reports on the results of former runs: `regaudit report --from results.jsonl`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import only
from regaudit.cli.output import OK, TOLD, UNREADABLE, say
from regaudit.cli.page_folder import target_of, write_pages
from regaudit.cli.protected import refuse_outputs
from regaudit.cli.running import failure_of_killed
from regaudit.cli.targets import Page, Target, ViewOptions, emit_all, files_of, require, view_of
from regaudit.running.guard import hold, hold_on

if TYPE_CHECKING:
    from regaudit.limits import Limits
    from regaudit.report.report import Report

_TIMES = 32
"""Bytes of memory for a byte of a report, several times what it takes."""

_A_SECOND = 500_000
"""Bytes of reports that buy a second, in which several times as many are read and shown."""


def report_on(
    results: Sequence[Path],
    targets: Sequence[Target],
    limits: "Limits",
    layer: str = "*",
    folder: Path | None = None,
) -> int:
    """Write what the results say of layers that a glob matches; return the exit code.

    For HTML alone, one report at a time is in memory.

    Args:
        results: files to read.
        targets: formats and files.
        limits: on memory and time.
        layer: the glob.
        folder: for a page for each model, if that is wanted.

    Raises:
        click.UsageError: a file cannot be read, or would be overwritten.
    """
    from regaudit.errors import PlugInError
    from regaudit.pages.models_page import models_page, pages
    from regaudit.renderers.interface import renderer
    from regaudit.report.sentences import verdict
    from regaudit.report.view import View
    from regaudit.rules.interface import rules

    index = [target_of(folder, targets)] if folder else []
    refuse_outputs(files_of([*targets, *index]), reads=results, called="results")
    require(targets)
    if killed := failure_of_killed(limits):
        say(f"{killed.file}: {verdict(killed)}", err=True)
        return UNREADABLE
    reading = _Reading(limits)
    reports: Iterable[Report] = reading.reports(results)
    several: list[Report] = []
    if layer != "*" or [target.format for target in (*index, *targets)] != ["html"]:
        reports = several = only(list(reports), layer)
    abouts = [rule.about for rule in rules()]
    view = View(layer=layer, of_results=True)
    if folder:
        write_pages(folder, pages(reports, abouts, view))
    made: list[Page] = []
    for target in targets:
        hold_on()
        if target.format == "html":
            made.append(Page(models_page(reports, abouts, view), target.file))
        else:
            shown = view_of(ViewOptions(layer), target)
            try:
                text = renderer(target.format).render(several, abouts, shown)
                made.append(Page(text, target.file))
            except PlugInError as error:
                made.append(Page(b"", target.file, failure=error))
    emit_all(made)
    return reading.code(results)


class _Reading:
    """What came of the lines so far."""

    count: int = 0
    skipped: int = 0
    failed: bool = False
    """Whether a line held no report, or one of a file that could not be audited."""

    def __init__(self, limits: "Limits") -> None:
        self._limits = limits

    def reports(self, results: Sequence[Path]) -> Iterator["Report"]:
        """Yield the reports of all files; say of each malformed line what is wrong with it."""
        from msgspec.structs import replace

        from regaudit.errors import UsageError
        from regaudit.report.read_results import Malformed, read_results
        from regaudit.storage.presence import is_file

        for file in results:
            size = file.stat().st_size if is_file(file) else 0
            # For all but HTML, all reports are in memory at once.
            more = replace(
                self._limits,
                memory_bytes=self._limits.memory_bytes + _TIMES * size,
                cpu_seconds=self._limits.cpu_seconds + size // _A_SECOND,
                wall_seconds=self._limits.wall_seconds + size // _A_SECOND,
            )
            hold(str(file), more)
            try:
                for found in read_results(file):
                    if isinstance(found, Malformed):
                        where = f"{found.file}:{found.line}"
                        if self.skipped < TOLD:
                            say(f"{where}: {found.reason}; skipped", err=True)
                        self.skipped += 1
                        self.failed = True
                    else:
                        self.count += 1
                        self.failed |= not found.complete
                        yield found
            except UsageError as error:
                raise click.UsageError(str(error)) from error

    def code(self, results: Sequence[Path]) -> int:
        """Return the exit code."""
        if self.skipped > TOLD:
            say(f"and {self.skipped - TOLD:,} more lines skipped", err=True)
        if not self.count:
            say(f"no reports in {', '.join(map(str, results))}", err=True)
        return UNREADABLE if self.failed or not self.count else OK
