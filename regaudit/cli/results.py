"""Reports on the results of former runs: `regaudit report --from results.jsonl`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import only
from regaudit.cli.output import OK, TOLD, UNREADABLE, emit, say
from regaudit.cli.protected import refuse_outputs
from regaudit.cli.running import failure_of_killed
from regaudit.cli.targets import Page, Target, ViewOptions, emit_all, files_of, require, view_of
from regaudit.running.guard import hold, hold_on

if TYPE_CHECKING:
    from regaudit.limits import Limits
    from regaudit.report.report import Report

_TIMES = 32
"""Bytes of memory for a byte of a report, several times what it takes."""


def report_on(
    results: Sequence[Path], targets: Sequence[Target], limits: "Limits", layer: str = "*"
) -> int:
    """Write what the results say of layers that a glob matches; return the exit code.

    For the page of a fleet alone, one report at a time is in memory.

    Raises:
        click.UsageError: a file cannot be read, or would be overwritten.
    """
    from regaudit.errors import PlugInError
    from regaudit.pages.fleet import fleet_page
    from regaudit.renderers.interface import renderer
    from regaudit.report.sentences import verdict
    from regaudit.rules.interface import rules

    refuse_outputs(files_of(targets), reads=results, called="results")
    require(targets)
    if killed := failure_of_killed(limits):
        say(f"{killed.file}: {verdict(killed)}", err=True)
        return UNREADABLE
    reading = _Reading(limits)
    if [target.format for target in targets] == ["html"] and layer == "*":
        emit(fleet_page(reading.reports(results)), targets[0].file)
        return reading.code(results)
    reports = only(list(reading.reports(results)), layer)
    abouts = [rule.about for rule in rules()]
    pages: list[Page] = []
    for target in targets:
        hold_on()
        if target.format == "html":
            pages.append(Page(fleet_page(reports), target.file))
        else:
            view = view_of(ViewOptions(layer), target)
            try:
                made = renderer(target.format).render(reports, abouts, view)
                pages.append(Page(made, target.file))
            except PlugInError as error:
                pages.append(Page(b"", target.file, failure=error))
    emit_all(pages)
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
            # All reports of a page but the fleet's are in memory at once.
            more = replace(self._limits, memory_bytes=self._limits.memory_bytes + _TIMES * size)
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
                        self.failed |= found.failure is not None
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
