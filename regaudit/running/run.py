"""Many models, audited in the order given."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import ForeignDataError
from regaudit.limits import allowing
from regaudit.plugins.installed import using
from regaudit.report.report import Failure, Report
from regaudit.running.model_search import Found, search
from regaudit.settings.config import Config
from regaudit.storage.kept_container import forget
from regaudit.storage.location import is_url, redacted_name
from regaudit.storage.presence import is_dir, near

if TYPE_CHECKING:
    from regaudit.running.outcome import Outcome
    from regaudit.running.report_cache import Cache


def audit_files(
    targets: Iterable[str],
    config: Config | None = None,
    *,
    isolate: bool | None = None,
    jobs: int | None = None,
    cache: "Cache | None" = None,
    dask: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    nested: bool = True,
    searched: bool = False,
    skipped: Callable[[Report], None] = lambda _report: None,
) -> Generator[Report, None, None]:
    """Audit files, directories and globs, in the order given.

    HDF5 files that a search finds and that Keras did not write, such as data sets, are left out.

    Args:
        targets: paths, URLs and patterns.
        config: rules, thresholds and limits; all rules with their own by default.
        isolate: audit in worker processes, with limits on time and memory: what crashes or hangs
            one is that file's failure. By default, where there is more than one file.
        jobs: how many files are audited at once, in as many workers; by default one, on a
            cluster of this machine one for each processor.
        cache: of reports on files that did not change; made with the same settings.
        dask: address of the scheduler of a Dask cluster, whose workers see the files by the same
            paths; or `local` for one on this machine.
        progress: called now and then with the bytes of a file that are measured and with those of
            all its weights; only of files that are audited in this process.
        nested: whether a directory that is a model is searched for others, too.
        searched: whether the targets are models that a search has found.
        skipped: called with the report on each file that is left out; its failure says why.

    Yields:
        One report per model. A target that leads to no model yields a report with a `failure`.

    Raises:
        UsageError: the Dask cluster cannot be used, or a pattern makes no sense.
        RegauditError: it was lost.
    """
    config = config or Config.default()
    with allowing(config.limits), using(config.plugins):
        found = [
            (target, Found([target], []) if searched else _search(target, config, nested=nested))
            for target in targets
        ]
    files = [file for _, one in found for file in one.models]
    if dask is not None:
        from regaudit.running.dask_cluster import audit_on_dask  # noqa: PLC0415 - an extra

        reports = audit_on_dask(files, config, dask, jobs, cache.folder if cache else None)
    elif len(files) > 1 if isolate is None else isolate:
        reports = _apart(files, config, jobs or 1, cache)
    else:
        audits = ((file, partial(audit_file, file, config, progress)) for file in files)
        reports = (cache.through(file, audit) if cache else audit() for file, audit in audits)
    try:
        for target, one in found:
            audited = 0
            for report in islice(reports, len(one.models)):
                if one.models != [target] and is_foreign(report):
                    skipped(report)
                else:
                    audited += 1
                    yield report
            if not audited and not one.refused:
                yield nothing_found(target)
            yield from one.refused
    finally:
        forget()


def _apart(files: list[str], config: Config, jobs: int, cache: "Cache | None") -> Iterator[Report]:
    """Audit files in workers, which look into the cache and keep what they make."""
    # One file needs none of these.
    from regaudit.running.worker_pool import audit_apart  # noqa: PLC0415
    from regaudit.running.workers import Workers  # noqa: PLC0415
    from regaudit.running.written import Order  # noqa: PLC0415

    workers = Workers(config, jobs=jobs, order=Order(cache=cache.folder if cache else None))
    try:
        yield from audit_apart(files, workers)
    finally:
        if cache:
            cache.trouble = cache.trouble or workers.trouble


def is_foreign(report: "Report | Outcome") -> bool:
    """Whether a file is no model, and not called one either: no failure of a search."""
    kind = report.failure.kind if report.failure else ""
    return kind == ForeignDataError.__name__ and not report.file.endswith(".keras")


def nothing_found(target: str) -> Report:
    """Return the failure of a target that leads to no model."""
    where = "below" if is_dir(target) else "by"
    hint = "" if is_url(target) else near(Path(target))
    message = f"no saved model found {where} {redacted_name(target)}{hint}"
    return Report(redacted_name(target), failure=Failure("UnreadableModelError", message))


def _search(target: str, config: Config, *, nested: bool) -> Found:
    if config.place_of(target) != target:  # standard input
        return Found([target], [])
    return search(target, nested=nested)
