"""Worker processes: a file that crashes or hangs the one that reads it takes no other with it.

What a worker itself does is in `regaudit.running.worker_process`. It is used again until it dies.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Timer
from typing import Any, NamedTuple, Self, TypeVar

from msgspec import Struct, field

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import RegauditError
from regaudit.processors import processors
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Failure, Report
from regaudit.running.ordered import in_order
from regaudit.running.process_limits import PER_CPU, death
from regaudit.running.report_cache import Cache, CacheEntry
from regaudit.running.shares import Share, Split, audit_or_count, measure_share
from regaudit.running.worker_process import LED, Answer, audit_written_shares, receive, write
from regaudit.settings.config import Config
from regaudit.storage.container_names import is_packed
from regaudit.storage.location import is_url, redacted_name
from regaudit.storage.size import size_of

_PROGRAM = "import sys; sys.path[:] = {}; from regaudit.running.worker_process import main; main()"
_GRACE = 5
"""Seconds after which a worker whose own timer should have ended it is killed."""
_MOST_SHARES = 10_000
"""Of one file: no worker that was taken over can ask a cluster for more."""

_NO_ANSWER = Failure("InternalError", "the process that read it sent an invalid answer")

_Found = TypeVar("_Found")


def audit_apart(
    files: Iterable[str], config: Config, jobs: int = 1, cache: Cache | None = None
) -> Iterator[Report]:
    """Audit files in worker processes.

    Args:
        files: their paths.
        config: rules, thresholds and limits.
        jobs: how many files are audited at once.
        cache: of reports on files that did not change.

    Yields:
        A report for each file, in the order given.
    """
    threads = ThreadPoolExecutor(jobs)
    with Workers(config, cache, jobs=jobs) as workers:
        try:
            yield from in_order(lambda file: threads.submit(workers.audit, file), files)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


class Plan(NamedTuple):
    """What to do with a very large file: measure it in shares, then merge these."""

    shares: int
    entry: CacheEntry | None
    """Where the report is to be kept."""


class Workers(Struct):
    """The workers of one run; as many are started as are needed at once."""

    config: Config
    cache: Cache | None = None
    folder: str | None = None
    """From which relative paths lead; None for the working directory."""
    jobs: int = 1
    """How many share the processors."""
    idle: SimpleQueue["_Worker"] = field(default_factory=SimpleQueue)
    started: list["_Worker"] = []
    starting: Lock = field(default_factory=Lock)
    ended: bool = False

    def audit(self, file: str) -> Report:
        """Audit a file in an idle worker, unless the cache has its report."""
        if self.cache is None:
            return self._ask(file, audit_file, Report)
        return self.cache.through(
            file, lambda: self._ask(file, audit_file, Report), self.folder or ""
        )

    def audit_or_plan(self, file: str, split: Split) -> Report | Plan:
        """Do the same; of a very large file only say how to split it."""
        found = self.cache.find(file, self.folder or "") if self.cache else None
        if isinstance(found, Report):
            return found
        answer = self._ask(file, partial(audit_or_count, split=split), int)
        if isinstance(answer, int):
            return Plan(max(min(answer, _MOST_SHARES), 1), found)
        return self._kept(answer, found)

    def measure(self, file: str, number: int, count: int) -> Share | Report:
        """Measure one share of a very large file; a report means a failure."""
        return self._ask(file, partial(measure_share, number=number, count=count), Share)

    def merge(
        self, file: str, shares: Sequence[Share | Report], entry: CacheEntry | None
    ) -> Report:
        """Audit a very large file by its shares; the first failure among them is that of all."""
        sound = []
        for share in shares:
            if isinstance(share, Report):
                return share
            sound.append(to_bytes(share))
        return self._kept(
            self._ask(file, partial(audit_written_shares, shares=sound), Report), entry
        )

    def _kept(self, report: Report, entry: CacheEntry | None) -> Report:
        if self.cache is not None and entry is not None:
            self.cache.keep(report, entry)
        return report

    def _ask(
        self, file: str, job: Callable[[str, Config], Report | _Found], kind: type[_Found]
    ) -> Report | _Found:
        try:
            worker = self._idle() or self._start()
        except OSError as error:
            message = f"no process to read it can be started: {error.strerror or error}"
            return Report(redacted_name(file), failure=Failure("UnreadableModelError", message))
        answer = worker.ask(file, job, kind)
        if worker.fit and worker.process.poll() is None:
            self.idle.put(worker)
        else:
            worker.kill()
        return answer

    def _idle(self) -> "_Worker | None":
        """Return a worker that waits and lives."""
        with suppress(Empty):
            while (worker := self.idle.get_nowait()).process.poll() is not None:
                pass
            return worker
        return None

    def _start(self) -> "_Worker":
        with self.starting:  # so that a run that ends meanwhile ends this one too
            if self.ended:
                raise RegauditError("the run was ended")
            worker = _Worker(self.config, self.folder, self.jobs)
            self.started.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill all workers, whatever they do; no more are started."""
        with self.starting:
            self.ended = True
        for worker in self.started:
            worker.kill()


class _Worker:
    """One child process; `fit` for another file until it says that it is not."""

    def __init__(self, config: Config, folder: str | None, jobs: int) -> None:
        self.config = config
        self.folder = folder or ""
        self.fit = True
        self.process = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-P", "-c", _PROGRAM.format(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"OMP_NUM_THREADS": str(max(processors() // jobs, 1)), **os.environ},
        )
        with suppress(OSError):  # it is dead already: the first request says so
            self._send(config)

    def ask(
        self, file: str, job: Callable[[str, Config], Report | _Found], kind: type[_Found]
    ) -> Report | _Found:
        """Have something done with a file; whatever goes wrong is that file's failure."""
        limits = self.config.limits
        place = file if is_url(file) else str(Path(self.folder, self.config.place_of(file)))
        size = size_of(place)
        patience = limits.wall_seconds + limits.seconds_for(size) + _GRACE
        led = ""
        timer = Timer(patience, self.process.kill)
        timer.daemon = True
        # What a store sends, or comes out of an archive, buys time: only the worker counts that.
        if not is_url(file) and not is_packed(place):
            timer.start()
        try:
            self._send((file, job))
            # It cannot answer more than it can allocate.
            most = limits.memory_bytes + PER_CPU
            while (message := receive(self.process.stdout, most)).startswith(LED):
                led = message.removeprefix(LED).decode(errors="replace")
            found, self.fit = from_bytes(Answer, message)
        except (OSError, EOFError):
            return Report(redacted_name(file), failure=self._death(led))
        except (ValueError, MemoryError):
            found = None
        finally:
            timer.cancel()
        if isinstance(found, Report):
            if found.file == redacted_name(file):
                return found
        elif isinstance(found, kind):
            return found
        self.fit = False
        return Report(redacted_name(file), failure=_NO_ANSWER)

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with suppress(OSError):  # of what was never sent
                    pipe.close()

    def _send(self, message: Any) -> None:
        write(self.process.stdin, pickle.dumps(message))

    def _death(self, led: str) -> Failure:
        """Say what the process died of, and where its server had sent it."""
        try:
            code = self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:  # it only closed its pipes
            self.process.kill()
            code = self.process.wait()
        if code < 0:
            return Failure(*death(-code, self.config.limits, led))
        message = f"the process that read it ended unexpectedly (exit code {code})"
        return Failure("UnsafeFileError", message)
