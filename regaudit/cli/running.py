"""How models are audited: workers, a cluster, the cache, progress, and interruptions."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from regaudit.cli.declared import say_unused
from regaudit.cli.output import TOLD, say, say_trace
from regaudit.cli.progress import progress, progress_of_one
from regaudit.processors import processors
from regaudit.running.guard import Killed, hold
from regaudit.running.termination import ending_tidily

if TYPE_CHECKING:
    from regaudit.limits import Limits
    from regaudit.report.report import Report
    from regaudit.running.outcome import Outcome
    from regaudit.running.report_cache import Cache
    from regaudit.settings.config import Config

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _jobs(_context: click.Context, _option: click.Parameter, given: str | None) -> int | None:
    """Read a number of workers; `auto` is one for each processor that we may use."""
    if given is None:
        return None
    if given == "auto":
        return processors()
    if not given.isdecimal() or not 0 < int(given) < 10_000:
        raise click.BadParameter(f"{given!r} is not a whole number above 0, or auto")
    return int(given)


def running(command: _Command) -> _Command:
    """Add what every command takes that audits models."""
    for option in (
        click.option(
            "--cache",
            is_flag=False,
            flag_value="",
            metavar="[DIR]",
            help="Keep reports in DIR (by default ~/.cache/regaudit), and do not audit models "
            "again that did not change. Write --cache=DIR, or --cache after the models.",
        ),
        click.option(
            "--jobs",
            callback=_jobs,
            metavar="N|auto",
            help="Number of worker processes; each audits one file at a time. auto: one per "
            "processor.  [default: 1; auto with --dask local]",
        ),
        click.option(
            "--dask",
            metavar="ADDRESS",
            help="Audit on the Dask cluster of this scheduler, tcp://HOST:8786. Its workers need "
            "the files at the same paths. local: start a cluster for this run.",
        ),
        click.option(
            "--isolate/--no-isolate",
            default=None,
            help="Audit in worker processes, so that no file can crash the run.  "
            "[default: for several files]",
        ),
    ):
        command = option(command)
    return command


def audited(
    files: list[str],
    config: "Config",
    *,
    isolate: bool | None = None,
    jobs: int | None = None,
    cache: str | None = None,
    dask: str | None = None,
    searched: bool = False,
) -> list["Report"]:
    """Audit one file in this process, several in workers, unless `isolate` says something else.

    A directory that is a model is that model alone. Ctrl-C ends it with the reports so far, and one
    that says how many models were not audited; so does the loss of a cluster.

    Raises:
        click.UsageError: the cache or the cluster cannot be used.
    """
    from regaudit.running.run import audit_files

    if killed := failure_of_killed(config.limits):
        return [killed]
    kept = opened_cache(cache, config)
    skipped: list[Report] = []
    if isolate is None:
        isolate = len(files) > 1 or (jobs or 1) > 1 or os.name == "nt"
    if dask is None and not isolate and len(files) == 1:
        # Until `emit` releases it: rendering, too.
        hold(files[0], config.limits, config.place_of(files[0]))
        with progress_of_one() as told:
            made = audit_files(
                *(files, config),
                isolate=False,
                cache=kept,
                progress=told,
                nested=False,
                searched=searched,
                skipped=skipped.append,
            )
            reports = list(made)
    else:
        gc.enable()
        made = audit_files(
            *(files, config),
            isolate=isolate,
            jobs=jobs,
            cache=kept,
            dask=dask,
            nested=False,
            searched=searched,
            skipped=skipped.append,
        )
        with ending_tidily(), closing(made):
            reports = _until_the_end(made, files)
    say_skipped(skipped)
    for report in reports:
        for failure in (report.failure, *(rule.failure for rule in report.failed_rules)):
            say_trace(failure)
    if kept is not None and kept.trouble:
        say(f"--cache {kept.folder}: reports are not kept: {kept.trouble}", err=True)
    return reports


def audited_one(file: str, config: "Config") -> "Report":
    """Audit the one model of a command that takes one.

    Raises:
        click.UsageError: it is a folder or a pattern with several.
    """
    reports = audited([file], config)
    if len(reports) != 1:
        first = ", ".join(report.file for report in reports[:2])
        more = ", ..." if len(reports) > 2 else ""
        raise click.UsageError(f"{file} has {len(reports):,} models: name one, {first}{more}")
    say_unused(reports, config.roles)
    return reports[0]


def say_skipped(reports: Sequence["Report | Outcome"], more: int = 0) -> None:
    """Say on standard error which files that a search found are no models.

    Args:
        reports: on such files; of a long run, the first.
        more: how many more there were.
    """
    from regaudit.report.escape import plain

    for report in reports[:TOLD]:
        if report.failure:
            say(f"{plain(report.file)}: skipped: {report.failure.message}", err=True)
    more += max(len(reports) - TOLD, 0)
    if more:
        say(f"and {more:,} more files skipped that are no models", err=True)


def say_pairs(pairs: Mapping[str, str], doubtful: Sequence[str]) -> None:
    """Say on standard error which files are one model in two parts, and are audited apart."""
    if pairs:
        weights, configuration = next(iter(pairs.items()))
        more = f", and {len(pairs) - 1:,} more like it" if len(pairs) > 1 else ""
        say(
            f"{configuration} may be the configuration of {weights}{more}: "
            "--pair audits them together",
            err=True,
        )
    if doubtful:
        say(
            f"{' and '.join(doubtful[:2])} are configurations of one name: which of them belongs "
            "to the weights, --config FILE says",
            err=True,
        )


def say_redirects(reports: Sequence["Report"]) -> None:
    """Say on standard error where servers led, for commands whose output does not."""
    for report in reports:
        if report.redirected:
            say(f"{report.file}: {report.redirected}", err=True)


def cache_folder(given: str | None) -> Path | None:
    """Return the folder that --cache names, by default the user's; None without the option."""
    if given != "":
        return None if given is None else Path(given)
    from regaudit.running.report_cache import default_folder

    return default_folder()


def failure_of_killed(limits: "Limits") -> "Report | None":
    """Return the report on what killed the guarded process, if something did."""
    from regaudit.report.report import Failure, Report
    from regaudit.running.process_limits import death

    killed: Killed | None = click.get_current_context().obj
    if killed is None:
        return None
    failure = Failure(*death(killed.signal, limits, killed.redirected))
    return Report(killed.file, failure=failure)


def opened_cache(folder: str | None, config: "Config") -> "Cache | None":
    """Return the cache that --cache names; None without the option.

    Raises:
        click.UsageError: the folder is not one of ours.
    """
    if folder is None:
        return None
    from regaudit.errors import UsageError
    from regaudit.running.report_cache import Cache

    try:
        return Cache(cache_folder(folder) or Path(folder), config)
    except UsageError as error:
        raise click.UsageError(str(error)) from error


def interrupted_by(why: str, files: Sequence[str], audited: int) -> Iterator["Report"]:
    """Say that a run was stopped; yield the failure that stands for all that is missing.

    Args:
        why: it was.
        files: of the run.
        audited: how many of them were.
    """
    from regaudit.report.report import INTERRUPTED, Failure, Report

    left = files[audited:]
    what = f"{why}: {len(left):,} of {len(files):,} models were not audited"
    say(f"{what}; going on with the reports so far (Ctrl-C again stops at once)", err=True)
    failure = Failure(INTERRUPTED, f"{what}, this one and those after it")
    yield from (Report(file, failure=failure) for file in left[:1])


def _until_the_end(made: Iterator["Report"], files: list[str]) -> list["Report"]:
    """Return the reports; after an interruption, one failure stands for the missing ones."""
    from regaudit.errors import RegauditError, UsageError

    reports: list[Report] = []
    try:
        for report in progress(made, files):
            reports.append(report)  # noqa: PERF402 - they stay when the next one does not come
    except KeyboardInterrupt:
        why = "stopped by Ctrl-C"
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except RegauditError as error:
        why = str(error)
    else:
        return reports
    return [*reports, *interrupted_by(why, files, len(reports))]
