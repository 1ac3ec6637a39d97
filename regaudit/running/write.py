"""Many models, audited and written in workers: a run copies what they made, in order."""

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from regaudit.renderers.interface import StreamingRenderer, streaming
from regaudit.report.report import Failure, Report
from regaudit.running.worker_pool import write_apart
from regaudit.running.workers import Workers
from regaudit.running.written import Order, Output, Written, written
from regaudit.settings.config import Config

if TYPE_CHECKING:
    from regaudit.running.report_cache import Cache


def write_files(
    files: Sequence[str],
    config: Config,
    outputs: tuple[Output, ...],
    *,
    jobs: int | None = None,
    cache: "Cache | None" = None,
    dask: str | None = None,
) -> Generator[Written, None, None]:
    """Audit files in worker processes, or on a cluster, and have them written there.

    Args:
        files: their paths.
        config: rules, thresholds and limits.
        outputs: formats, all of which can be written in parts.
        jobs: how many files are audited at once.
        cache: of reports on files that did not change.
        dask: address of the scheduler of a Dask cluster, or `local`.

    Yields:
        What is written of each file, in the order given.

    Raises:
        UsageError: the Dask cluster cannot be used.
        RegauditError: it was lost.
    """
    order = Order(outputs, cache.folder if cache else None)
    workers = Workers(config, jobs=jobs or 1, order=order)
    answers: Iterator[Written | Report]
    if dask is None:
        answers = write_apart(files, workers)
    else:
        from regaudit.running.dask_cluster import write_on_dask  # noqa: PLC0415 - an extra

        answers = write_on_dask(files, config, order, dask, jobs)
    kinds = [kind for one in outputs if (kind := streaming(one.format))]
    for answer in answers:
        if isinstance(answer, Report):
            yield written(answer, outputs, config)
        elif _is_sound(answer, kinds):
            yield answer
        else:
            failure = Failure("InternalError", "the process that read it sent an invalid answer")
            yield written(Report(answer.file, failure=failure), outputs, config)
    if cache is not None:
        cache.trouble = cache.trouble or workers.trouble


def _is_sound(answer: Written, kinds: list[StreamingRenderer]) -> bool:
    """Whether a worker, which a file may have taken over, wrote what formats write."""
    return len(answer.parts) == len(kinds) and all(
        kind.is_part(part) for part, kind in zip(answer.parts, kinds, strict=True)
    )
