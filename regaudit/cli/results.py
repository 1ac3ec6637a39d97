"""Reports on the results of former runs: `regaudit report --from results.jsonl`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.output import OK, UNREADABLE, emit, say
from regaudit.cli.protected import refuse_outputs
from regaudit.cli.targets import Target, ViewOptions, files_of, require, view_of
from regaudit.dataclass import dataclass

if TYPE_CHECKING:
    from regaudit.report.report import Report


def report_on(results: Sequence[Path], targets: Sequence[Target]) -> int:
    """Write what the results say; return the exit code.

    For the page of a fleet alone, one report at a time is in memory.

    Raises:
        click.UsageError: a file cannot be read, or would be overwritten.
    """
    from regaudit.pages.fleet import fleet_page
    from regaudit.renderers.interface import renderer
    from regaudit.rules.interface import rules

    refuse_outputs(files_of(targets), reads=results, called="results")
    require(targets)
    reading = _Reading()
    if [target.format for target in targets] == ["html"]:
        emit(fleet_page(reading.reports(results)), targets[0].file)
        return reading.code(results)
    reports = list(reading.reports(results))
    abouts = [rule.about for rule in rules()]
    for target in targets:
        if target.format == "html":
            emit(fleet_page(reports), target.file)
        else:
            view = view_of(ViewOptions(), target)
            emit(renderer(target.format).render(reports, abouts, view), target.file)
    return reading.code(results)


@dataclass(slots=True)
class _Reading:
    """What came of the lines so far."""

    count: int = 0
    failed: bool = False
    """Whether a line held no report, or one of a file that could not be audited."""

    def reports(self, results: Sequence[Path]) -> Iterator["Report"]:
        """Yield the reports of all files; say of each malformed line what is wrong with it."""
        from regaudit.errors import UsageError
        from regaudit.report.read_results import Malformed, read_results

        for file in results:
            try:
                for found in read_results(file):
                    if isinstance(found, Malformed):
                        where = f"{found.file}:{found.line}"
                        say(f"{where}: {found.reason}; skipped", err=True)
                        self.failed = True
                    else:
                        self.count += 1
                        self.failed |= found.failure is not None
                        yield found
            except UsageError as error:
                raise click.UsageError(str(error)) from error

    def code(self, results: Sequence[Path]) -> int:
        """Return the exit code."""
        if not self.count:
            say(f"no reports in {', '.join(map(str, results))}", err=True)
        return UNREADABLE if self.failed or not self.count else OK
