"""Outputs that are written while models are audited, in memory that does not grow with them."""

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click

from regaudit.cli.output import (
    TOLD,
    UNREADABLE,
    Printed,
    say,
    say_trace,
    say_unjudged,
    say_verdicts,
    written_file,
)
from regaudit.cli.progress import progress
from regaudit.cli.running import interrupted_by, opened_cache, say_skipped
from regaudit.cli.targets import ViewOptions, view_of_audit
from regaudit.running.guard import release
from regaudit.running.termination import ending_tidily

if TYPE_CHECKING:
    from regaudit.cli.audit_models import AuditOptions, Work
    from regaudit.report.report import Report
    from regaudit.report.streams import Stream
    from regaudit.running.outcome import Outcome
    from regaudit.running.written import Output, Written
    from regaudit.settings.baseline import Key


class Told:
    """What is left to say of a run whose outputs are written."""

    def __init__(self) -> None:
        self.audited = 0
        """Files of which the audit ended."""
        self.models = 0
        self.failures = 0
        self.worst = 0
        self.interrupted = False
        self.failed: list[tuple[str, str]] = []
        """File and verdict of the first models that failed."""
        self.failed_more = 0
        self.unjudged: list[tuple[str, str]] = []
        """File, and why no regularizer is known, of the first such models."""
        self.unjudged_more = 0
        self.ignores: set[int] = set()
        self.concerned: set[int] = set()
        self.stale: set[Key] = set()

    def take(self, one: "Outcome", fail_on: float) -> None:
        """Count a model."""
        self.models += 1
        self.worst = max(self.worst, one.worst)
        self.interrupted |= one.interrupted
        self.failures += not one.complete
        if not one.complete or one.worst >= fail_on:
            if len(self.failed) < TOLD:
                self.failed.append((one.file, one.verdict))
            else:
                self.failed_more += 1
        if one.unjudged:
            if len(self.unjudged) < TOLD:
                self.unjudged.append((one.file, one.unjudged))
            else:
                self.unjudged_more += 1
        self.ignores.update(one.ignores)
        self.concerned.update(one.concerned)
        self.stale.update(one.stale)

    def say_failed(self) -> None:
        """Say on standard error which models failed."""
        say_verdicts(self.failed, self.failed_more)

    def say_unjudged(self, *, fail: bool) -> None:
        """Say on standard error of which models no regularizer is known."""
        say_unjudged(self.unjudged, self.unjudged_more, fail=fail)

    @property
    def unreadable(self) -> int:
        """The exit code that wins over findings."""
        return UNREADABLE if self.failures or not self.models else 0


def can_stream(work: "Work", options: "AuditOptions", view: ViewOptions) -> bool:
    """Whether nothing that is asked for needs all reports at once."""
    from regaudit.renderers.interface import streaming

    files = work.files
    apart = options.isolate or (options.isolate is None and len(files) > 1) or options.dask
    return bool(
        apart
        and len(files) > 1
        and view.layer == "*"
        and not work.config.roles
        and work.outputs
        and all(streaming(one.format) for one in work.outputs)
    )


def stream(
    work: "Work", options: "AuditOptions", view: ViewOptions, fail_on: float, **settings: Any
) -> Told:
    """Audit, and write what each model adds as it comes.

    Ctrl-C ends it with what there is so far, as does the loss of a cluster.

    Raises:
        click.UsageError: an output cannot be written, or the cache or the cluster not be used.
    """
    from regaudit.errors import RegauditError, UsageError
    from regaudit.running.written import Output

    outputs = tuple(
        Output(one.format, view_of_audit(view, one, work.config, **settings))
        for one in work.outputs
    )
    gc.enable()
    told = Told()
    with _streams(work, outputs) as streams, ending_tidily():
        try:
            with closing(_written(work, options, outputs, told)) as made:
                for one in _of_models(made, work, streams.written):
                    streams.add(one)
                    told.take(one.outcome, fail_on)
                    for failure in (one.outcome.failure, *one.outcome.of_rules):
                        say_trace(failure)
        except KeyboardInterrupt:
            why = "stopped by Ctrl-C"
        except UsageError as error:
            raise click.UsageError(str(error)) from error
        except RegauditError as error:
            why = str(error)
        else:
            why = ""
        ends = list(interrupted_by(why, work.files, told.audited)) if why else []
        ends += (one for _, (_, refused) in work.found for one in refused)
        for report in ends:
            told.take(streams.add(streams.written(report)), fail_on)
        if of_settings := _of_settings(work, told):
            told.take(streams.add(streams.written(of_settings)), fail_on)
    return told


class _Streams(NamedTuple):
    """The outputs of a run."""

    streams: Sequence["Stream"]
    written: Callable[["Report"], "Written"]

    def add(self, one: "Written") -> "Outcome":
        for stream, part in zip(self.streams, one.parts, strict=True):
            stream.add(part)
        return one.outcome


@contextmanager
def _streams(work: "Work", outputs: Sequence["Output"]) -> Iterator[_Streams]:
    """Open all outputs; files take their places once they are whole."""
    from regaudit.renderers.interface import streaming
    from regaudit.running.written import written

    abouts = [rule.about for rule in work.config.rules]
    release()
    with ExitStack() as stack:
        streams = []
        for target, one in zip(work.outputs, outputs, strict=True):
            place: Any = written_file(target.file) if target.file else Printed()
            file: IO[bytes] = stack.enter_context(place)
            if kind := streaming(one.format):
                streams.append(kind.stream(file, abouts, one.view))
        yield _Streams(streams, lambda report: written(report, outputs, work.config))
        for stream in streams:
            stream.end()


def _written(
    work: "Work", options: "AuditOptions", outputs: tuple["Output", ...], told: Told
) -> Generator["Written", None, None]:
    """Yield what is written of each file."""
    from regaudit.running.write import write_files

    cache = opened_cache(options.cache, work.config)
    made = write_files(
        work.files, work.config, outputs, jobs=options.jobs, cache=cache, dask=options.dask
    )
    with closing(made):
        for one in progress(made, work.files):
            told.audited += 1
            yield one
    if cache is not None and cache.trouble:
        say(f"--cache {cache.folder}: reports are not kept: {cache.trouble}", err=True)


def _of_models(
    made: Iterator["Written"], work: "Work", written: Callable[["Report"], "Written"]
) -> Iterator["Written"]:
    """Yield what is written of models: not of files that a search met and that are none."""
    from regaudit.running.run import is_foreign, nothing_found

    skipped: list[Outcome] = []
    more = 0
    for target, (models, refused) in work.found:
        some = sound = False
        for one in islice(made, len(models) or (not refused)):
            some = True
            if models and models != [target] and is_foreign(one.outcome):
                skipped += [one.outcome] * (len(skipped) < TOLD)
                more += 1
                continue
            sound = True
            # What was audited without a model is the folder, or the pattern.
            yield one if models else written(nothing_found(target))
        if some and not sound and not refused:
            yield written(nothing_found(target))
    say_skipped(skipped, more - len(skipped))


def _of_settings(work: "Work", told: Told) -> "Report | None":
    """Return a report on the settings file, where something is wrong with it."""
    from regaudit.settings.self_audit import audit_settings

    whole = work.whole and not told.interrupted
    return audit_settings(work.config, told.ignores, told.concerned, whole)
