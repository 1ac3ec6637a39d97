"""Audits on a Dask cluster: one task a file, in any deployment of Dask.

A very large file takes more: its task only counts the shares in which to measure it, each share is
a task, and one more merges them (`regaudit.running.shares`).

A task does not read the file itself: like a run on one machine it has it read by a child process
under limits (`regaudit.running.workers`), so that a file that crashes or hangs its reader is that
file's failure and the cluster does not notice. If the cluster loses a worker, it gives the tasks of
that worker to another. What comes of a file travels as JSON.
"""

import os
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from regaudit.errors import RegauditError, UsageError
from regaudit.extras import pip_install
from regaudit.plugins.installed import installed
from regaudit.processors import processors
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Failure, Report
from regaudit.running.ordered import AHEAD, in_order
from regaudit.running.report_cache import Cache
from regaudit.running.shares import Share, Split
from regaudit.running.workers import Plan, Workers
from regaudit.running.written import Order as WrittenOrder
from regaudit.running.written import Written
from regaudit.settings.config import Config
from regaudit.storage.location import is_url, redacted_name
from regaudit.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
"""Instead of an address: a cluster on this machine, for this run."""

PATIENCE = 30
"""Seconds in which a scheduler has to answer."""

SPLIT = Split(above=2 << 30, share=512 << 20)
"""A share takes about half a second from memory, seconds from a network: far more than its task
costs, and little to lose with a worker."""


BATCH = 32
"""Files of a task at most: some hundred milliseconds of work."""
BATCH_BYTES = 256 << 20
"""Bytes of a task beyond which no further file is added."""


class Order(NamedTuple):
    """What every task of a run needs to know; pickled once, and sent once to each worker."""

    run: str
    config: Config
    cache: Path | None
    folder: str
    """From which relative paths lead."""
    split: Split
    written: WrittenOrder = WrittenOrder()
    """What is written of each file."""


def audit_on_dask(
    files: Iterable[str],
    config: Config,
    address: str,
    jobs: int | None = None,
    cache: Path | None = None,
) -> Iterator[Report]:
    """Audit files on a cluster, which must see them by the same paths.

    Args:
        files: their paths.
        config: rules, thresholds and limits.
        address: of the scheduler, `tcp://host:8786`; or `LOCAL`.
        jobs: workers of a local cluster; by default one a processor.
        cache: a folder that the workers see as well.

    Yields:
        A report for each file, in the order given.

    Raises:
        UsageError: Dask is missing here, or the scheduler does not answer, or a worker has
            another version of regaudit or of a plug-in, or none.
    """
    with connected(address, jobs, config.plugin_versions) as client:
        run = os.urandom(8).hex()  # two runs may differ in nothing else
        kept = cache.absolute() if cache else None
        order = pickle.dumps(Order(run, config, kept, str(Path.cwd()), SPLIT))
        # A task of its own, so that a worker that comes later, or instead of a lost one, gets it.
        ordered = client.submit(_same, order, key=f"regaudit-order-{run}")
        try:
            ahead = max(AHEAD, 4 * sum(client.nthreads().values()))
            yield from in_order(partial(_Task, client, order, ordered), files, ahead)
        finally:
            with suppress(OSError, TimeoutError):  # a scheduler that is gone
                client.run(_end, order, on_error="ignore")


def write_on_dask(
    files: Sequence[str], config: Config, order: WrittenOrder, address: str, jobs: int | None
) -> Iterator[Written | Report]:
    """Audit files on a cluster, whose workers write what is ordered; a report means a failure.

    Files go to the workers in batches, as a task costs the scheduler and this process more than a
    small model costs a worker. Raises and arguments are those of `audit_on_dask`.
    """
    with connected(address, jobs, config.plugin_versions) as client:
        run = os.urandom(8).hex()
        kept = order.cache.absolute() if order.cache else None
        ordered_by = order._replace(cache=kept, split=SPLIT)
        pickled = pickle.dumps(Order(run, config, kept, str(Path.cwd()), SPLIT, ordered_by))
        ordered = client.submit(_same, pickled, key=f"regaudit-order-{run}")
        threads = sum(client.nthreads().values()) or 1
        try:
            batches = _batches(files, max(len(files) // (4 * threads), 1))
            for batch in in_order(partial(_Batch, client, pickled, ordered), batches, 4 * threads):
                yield from batch
        finally:
            with suppress(OSError, TimeoutError):  # a scheduler that is gone
                client.run(_end, pickled, on_error="ignore")


def _batches(files: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yield files in batches of some hundred milliseconds of work; a very large one alone."""
    batch: list[str] = []
    weight = 0
    for file in files:
        size = _size(file)
        if batch and (len(batch) >= min(most, BATCH) or weight + size > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(file)
        weight += size
    if batch:
        yield batch


def _size(file: str) -> int:
    """Return the bytes of a file, roughly: a store would have to be asked."""
    try:
        return BATCH_BYTES // 8 if is_url(file) else Path(file).stat().st_size
    except (OSError, ValueError):
        return 0


class _Batch:
    """The audit of some files on the cluster."""

    def __init__(self, client: "Client", order: bytes, ordered: Any, files: list[str]) -> None:
        self.client, self.order, self.ordered, self.files = client, order, ordered, files
        self.future = client.submit(_write, files, ordered, pure=False)

    def result(self) -> list[Written | Report]:
        """Wait for what is written of each file, and let the cluster forget it.

        Raises:
            RegauditError: the scheduler is lost.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - an extra

        try:
            answers = from_bytes(list[_WRITTEN], self.future.result())
        except KilledWorker:
            return self._alone()
        except (CancelledError, OSError) as error:
            raise RegauditError(f"the cluster is lost ({error})") from error
        except Exception as error:  # noqa: BLE001 - whatever a worker lacks or answers
            message = f"the cluster could not audit it ({type(error).__name__}: {error})"
            failure = Failure("InternalError", message)
            return [Report(file, failure=failure) for file in self.files]
        finally:
            self.future.release()
        return [
            _Task(self.client, self.order, self.ordered, file).result()
            if isinstance(answer, int)
            else answer
            for file, answer in zip(self.files, answers, strict=True)
        ]

    def _alone(self) -> list[Written | Report]:
        """Try each file alone: one of them took its workers with it."""
        if len(self.files) == 1:
            message = "every worker of the cluster that tried to audit it was lost"
            return [Report(self.files[0], failure=Failure("UnreadableModelError", message))]
        singles = [_Batch(self.client, self.order, self.ordered, [file]) for file in self.files]
        return [answer for single in singles for answer in single.result()]


class _Task:
    """The audit of one file on the cluster."""

    def __init__(self, client: "Client", order: bytes, ordered: Any, file: str) -> None:
        self.file = file
        self.client = client
        self.order = order
        self.splitting = Lock()
        # Not pure: what a path leads to changes between two runs.
        self.future = client.submit(_audit, file, ordered, pure=False)
        self.future.add_done_callback(self._split_early)

    def result(self) -> Report:
        """Wait for the report, and let the cluster forget it.

        Raises:
            RegauditError: the scheduler is lost.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - an extra

        try:
            future = self.future
            answer = future.result()
            if isinstance(answer, bytearray):
                answer = self._split(future, answer).result()
            return from_bytes(Report, answer)
        except KilledWorker:
            message = "every worker of the cluster that tried to audit it was lost"
            return Report(self.file, failure=Failure("UnreadableModelError", message))
        except (CancelledError, OSError) as error:
            raise RegauditError(f"the cluster is lost ({error})") from error
        except Exception as error:  # noqa: BLE001 - whatever a worker lacks or answers
            message = f"the cluster could not audit it ({type(error).__name__}: {error})"
            return Report(self.file, failure=Failure("InternalError", message))
        finally:
            self.future.release()

    def _split_early(self, first: Any) -> None:
        """Split a very large file while others are waited for; in a thread of Dask's."""
        with suppress(Exception):  # of a cluster that is lost: `result` says so
            if first.type is bytearray:
                self._split(first, first.result())

    def _split(self, first: Any, plan: bytearray) -> Any:
        """Have a very large file measured in shares, before the files behind it, but once."""
        with self.splitting:
            if self.future is not first:
                return self.future
            submit = partial(self.client.submit, pure=False, priority=1)
            # They bring the order along: the few of one file would be queued where it lies.
            count = from_bytes(Plan, plan).shares
            shares = [
                submit(_measure, self.file, self.order, number, count) for number in range(count)
            ]
            # The cluster keeps the shares as long as it needs them: only the report is ours.
            self.future = submit(_merge, self.file, self.order, plan, *shares)
            return self.future


@contextmanager
def connected(
    address: str, jobs: int | None, plugins: Mapping[str, str] = MappingProxyType({})
) -> Iterator["Client"]:
    """Connect to a cluster whose workers are ours, or start one.

    Args:
        address: of the scheduler, or `LOCAL`.
        jobs: workers of a local cluster.
        plugins: distributions that take part, with their versions.

    Raises:
        UsageError: as `audit_on_dask`.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
    except ImportError as error:
        message = f"--dask needs Dask, which is not installed: {pip_install('dask')}"
        raise UsageError(message) from error
    if address == LOCAL:
        with (
            LocalCluster(
                n_workers=jobs or processors(),
                threads_per_worker=1,
                processes=True,
                memory_limit=0,  # ours hold for each file
                dashboard_address="127.0.0.1:0",
                silence_logs=50,  # what a worker does at its end is not our user's concern
            ) as local,
            Client(local) as client,
        ):
            yield client
        return
    shown = redacted_name(address)
    if "@" in address:
        raise UsageError(f"--dask {shown}: an address such as tcp://HOST:8786 has no user")
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        why = str(error).replace(address, shown)
        raise UsageError(f"--dask {shown}: no scheduler answers there ({why})") from error
    with client:
        _check(client, redacted_name(address), plugins)
        yield client


def as_done(futures: Iterable[Any]) -> Iterator[Any]:
    """Yield futures of a cluster as they are done, failed or lost."""
    from distributed import as_completed  # noqa: PLC0415 - an extra

    yield from as_completed(futures)


def _check(client: "Client", address: str, plugins: Mapping[str, str]) -> None:
    """Make sure that the workers are there, and are ours.

    Raises:
        UsageError: there is none in time, or one has another version of regaudit or of a plug-in
            that takes part, or none.
    """
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise UsageError(f"--dask {address}: the scheduler has no workers") from error
    versions = client.run(_version, on_error="return")
    for worker, version in versions.items():
        if isinstance(version, BaseException):
            raise UsageError(f"--dask {address}: worker {worker} has no regaudit ({version})")
        if version != VERSION:
            raise UsageError(
                f"--dask {address}: worker {worker} has regaudit {version}, this is {VERSION}"
            )
    if plugins:
        for worker, there in client.run(_plugin_versions).items():
            _check_plugins(f"--dask {address}: worker {worker}", there, plugins)


def _check_plugins(worker: str, there: Mapping[str, str], here: Mapping[str, str]) -> None:
    for name, version in here.items():
        if there.get(name) != version:
            has = f"{name} {there[name]}" if name in there else f"no {name}"
            raise UsageError(
                f"{worker} has {has}, this is {version}: install that there, or leave it out "
                "here by --no-plugins"
            )


# What follows runs on the cluster.


def _version() -> str:
    return VERSION


def _plugin_versions() -> dict[str, str]:
    return {one.distribution: one.version for one in installed()}


def _same(order: bytes) -> bytes:
    return order


def _audit(file: str, order: bytes) -> bytes | bytearray:
    """Audit a file on a worker, if it is not to be split; a child process reads it.

    Returns:
        A report; or a plan, which only its type distinguishes from a report.
    """
    workers, split = _run(order)
    found = workers.audit_or_plan(file, split)
    return bytearray(to_bytes(found)) if isinstance(found, Plan) else to_bytes(found)


def _write(files: list[str], order: bytes) -> bytes:
    """Audit files on a worker one by one, and return what is written of each."""
    workers, _ = _run(order)
    return to_bytes([workers.write(file) for file in files])


def _measure(file: str, order: bytes, number: int, count: int) -> bytes:
    """Measure one share of a file."""
    return to_bytes(_run(order)[0].measure(file, number, count))


def _merge(file: str, order: bytes, plan: bytearray, *shares: bytes) -> bytes:
    """Audit a file by its shares."""
    measured = [from_bytes(_MEASURED, share) for share in shares]
    report = _run(order)[0].merge(file, measured, from_bytes(Plan, plan).entry)
    return to_bytes(report)


_MEASURED: Any = Share | Report
"""What comes of measuring a share."""
_WRITTEN: Any = Written | Report | int
"""What comes of a file in a batch; a number means that it is to be split."""

_RUNS: dict[bytes, tuple[Workers, Split]] = {}
"""The child processes of each run on this worker of the cluster, and what they are to split."""

_STARTING = Lock()


def _run(order: bytes) -> tuple[Workers, Split]:
    """Return the child processes of a run, and what they are to split."""
    with _STARTING:
        if order not in _RUNS:
            given: Order = pickle.loads(order)  # noqa: S301 - Dask trusts its client
            config, split = given.config, given.split
            kept = Cache(given.cache, config) if given.cache else None
            folder = given.folder if Path(given.folder).is_dir() else None
            workers = Workers(config, kept, folder, order=given.written)
            _RUNS[order] = workers, split
        return _RUNS[order]


def _end(order: bytes) -> None:
    """End the child processes of a run."""
    with _STARTING:
        run = _RUNS.pop(order, None)
    if run is not None:
        run[0].end()
