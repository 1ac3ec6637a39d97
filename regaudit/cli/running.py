"""How models are audited: options on workers and the cache, progress, and the end by Ctrl-C."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from regaudit.cli.progress import progress
from regaudit.guard import Killed, guarding

if TYPE_CHECKING:
    from regaudit.cache import Cache
    from regaudit.config import Config
    from regaudit.finding import Report

INTERRUPTED = "Interrupted"
"""Kind of the failure that stands for all that Ctrl-C left undone."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _jobs(_context: click.Context, _option: click.Parameter, given: str) -> int:
    """Read a number of workers; `auto` is one for each processor that we may use."""
    if given == "auto":
        return _processors()
    if not given.isdecimal() or not 0 < int(given) < 10_000:
        raise click.BadParameter(f"{given!r} is neither a whole number above 0 nor auto")
    return int(given)


def running(command: _Command) -> _Command:
    """Add what every command takes that audits models."""
    for option in (
        click.option(
            "--cache",
            is_flag=False,
            flag_value="",
            metavar="[DIR]",
            help="Keep reports in DIR (by default in ~/.cache/regaudit), and do not audit again "
            "what did not change. Write --cache=DIR, or --cache behind the models.",
        ),
        click.option(
            "--jobs",
            callback=_jobs,
            default="1",
            metavar="N|auto",
            show_default=True,
            help="Files audited at once, in as many worker processes; auto: one a processor.",
        ),
        click.option(
            "--isolate/--no-isolate",
            default=None,
            help="Audit in worker processes, which a file may crash.  [default: for several files]",
        ),
    ):
        command = option(command)
    return command


def audited(
    files: list[str],
    config: "Config",
    *,
    isolate: bool | None = None,
    jobs: int = 1,
    cache: str | None = None,
) -> list["Report"]:
    """Audit one file in this process, more of them apart, unless `isolate` says otherwise.

    Ctrl-C ends it with the reports so far, and one that says how many models lack theirs.

    Raises:
        click.UsageError: the cache is none.
    """
    from regaudit.confinement import death
    from regaudit.finding import Failure, Report
    from regaudit.run import audit_files

    killed: Killed | None = click.get_current_context().obj
    if killed:
        return [Report(killed.file, failure=Failure(*death(killed.signal, config.limits)))]
    kept = None if cache is None else _opened(cache, config)
    if isolate is None:
        isolate = len(files) > 1 or jobs > 1 or os.name == "nt"
    if not isolate and len(files) == 1:
        with guarding(files[0], config.limits):
            reports = list(audit_files(files, config, isolate=False, cache=kept))
    else:
        reports = []
        try:
            for report in progress(
                audit_files(files, config, isolate=isolate, jobs=jobs, cache=kept), files
            ):
                reports.append(report)
        except KeyboardInterrupt:
            reports += _interrupted(files[len(reports) :], len(files))
    if kept is not None and kept.trouble:
        click.echo(f"--cache {kept.folder}: nothing is kept: {kept.trouble}", err=True)
    return reports


def _opened(folder: str, config: "Config") -> "Cache":
    from regaudit.cache import Cache, default_folder
    from regaudit.errors import UsageError

    try:
        return Cache(Path(folder) if folder else default_folder(), config)
    except UsageError as error:
        raise click.UsageError(str(error)) from error


def _interrupted(left: list[str], count: int) -> list["Report"]:
    """Return what stands for the files that are left, and say so."""
    from regaudit.finding import Failure, Report

    what = f"{len(left):,} of {count:,} models were not audited"
    click.echo(f"stopped: {what}; writing what there is (Ctrl-C again leaves at once)", err=True)
    message = f"stopped by Ctrl-C: {what}, this one and those behind it"
    return [Report(file, failure=Failure(INTERRUPTED, message)) for file in left[:1]]


def _processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
