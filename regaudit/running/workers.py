"""Worker processes: a file that crashes or hangs the one that reads it takes no other with it.

What a worker itself does is in `regaudit.running.worker_process`. It is used again until it dies.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, NamedTuple, Self, TypeVar

from msgspec import Struct, field

from regaudit.errors import RegauditError
from regaudit.processors import processors
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Failure, Report
from regaudit.running.process_limits import PER_CPU, death
from regaudit.running.report_cache import Cache, CacheEntry
from regaudit.running.shares import Share, Split, audit_or_count, measure_share
from regaudit.running.worker_process import LED, Answer, audit_written_shares, receive, write
from regaudit.running.written import Order, Written
from regaudit.settings.config import Config
from regaudit.storage.container_names import is_packed
from regaudit.storage.location import is_url, redacted_name
from regaudit.storage.size import size_of

_PROGRAM = "import sys; sys.path[:] = {}; from regaudit.running.worker_process import main; main()"
_GRACE = 5
"""Seconds after which a worker whose own timer should have ended it is killed."""
_LONGEST = 3600.0
"""Seconds in which something is looked at again in any case."""
_MOST_SHARES = 10_000
"""Of one file: no worker that was taken over can ask a cluster for more."""

_NO_ANSWER = Failure("InternalError", "the process that read it sent an invalid answer")

_Found = TypeVar("_Found")
_WRITTEN: Any = Written | int

Arrival = tuple["Worker", bytes | None]
"""What a worker said; None for its end."""


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
    order: Order = Order()
    """What workers do with a file for which nothing else is asked."""
    trouble: str = ""
    """Why reports cannot be kept, if that is so."""
    idle: SimpleQueue["Worker"] = field(default_factory=SimpleQueue)
    started: list["Worker"] = []
    starting: Lock = field(default_factory=Lock)
    ended: bool = False

    def audit(self, file: str) -> Report:
        """Audit a file in an idle worker."""
        return self._ask(file, None, Report)

    def write(self, file: str) -> Report | Written | int:
        """Do the same, and have it written; a report means a failure, a number a file to split."""
        return self._ask(file, None, _WRITTEN)

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
        self, file: str, job: Callable[[str, Config], Any] | None, kind: type[_Found]
    ) -> Report | _Found:
        answers: SimpleQueue[Arrival] = SimpleQueue()
        worker = self.begin(file, job, answers)
        if isinstance(worker, Report):
            return worker
        while True:
            with suppress(Empty):
                _, message = answers.get(timeout=worker.patience())
                if (answer := worker.hear(message, kind)) is not None:
                    self.put_back(worker)
                    return answer

    def begin(
        self, file: str, job: Callable[[str, Config], Any] | None, answers: "SimpleQueue[Arrival]"
    ) -> "Worker | Report":
        """Have a worker do something with a file; what it says arrives in a queue.

        Returns:
            The worker; a failure if none can be started.
        """
        try:
            worker = self._idle() or self._start()
        except OSError as error:
            message = f"no process to read it can be started: {error.strerror or error}"
            return Report(redacted_name(file), failure=Failure("UnreadableModelError", message))
        worker.begin(file, job, answers)
        return worker

    def put_back(self, worker: "Worker") -> None:
        """Let another file have the worker, if it is fit for one."""
        self.trouble = worker.trouble or self.trouble
        if worker.fit:  # whether it lives is asked when it is needed
            self.idle.put(worker)
        else:
            self.started.remove(worker)
            worker.kill()

    def _idle(self) -> "Worker | None":
        """Return a worker that waits and lives."""
        with suppress(Empty):
            while (worker := self.idle.get_nowait()).process.poll() is not None:
                pass
            return worker
        return None

    def _start(self) -> "Worker":
        with self.starting:  # so that a run that ends meanwhile ends this one too
            if self.ended:
                raise RegauditError("the run was ended")
            worker = Worker(self.config, self.order, self.folder, self.jobs)
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


class Worker:
    """One child process; `fit` for another file until it says that it is not."""

    def __init__(self, config: Config, order: Order, folder: str | None, jobs: int) -> None:
        self.config = config
        self.folder = folder or ""
        self.fit = True
        self.trouble = ""
        self.file = ""
        self._answers: SimpleQueue[Arrival] = SimpleQueue()
        self._due = 0.0
        self._sized = False
        self._led = ""
        self.process = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-P", "-c", _PROGRAM.format(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"OMP_NUM_THREADS": str(max(processors() // jobs, 1)), **os.environ},
        )
        with suppress(OSError):  # it is dead already: the first request says so
            self._send((config, order))
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Hand on what the process says until it ends."""
        # It cannot answer more than it can allocate.
        most = self.config.limits.memory_bytes + PER_CPU
        while True:
            try:
                message = receive(self.process.stdout, most)
            except (ValueError, MemoryError):  # of a length that no message has
                self._answers.put((self, b""))
                return
            except (OSError, EOFError):
                self._answers.put((self, None))
                return
            self._answers.put((self, message))

    def begin(
        self, file: str, job: Callable[[str, Config], Any] | None, answers: "SimpleQueue[Arrival]"
    ) -> None:
        """Ask for something; the process has its time from now on."""
        self.file, self._led, self._sized = file, "", False
        self._answers = answers
        self._due = monotonic() + self.config.limits.wall_seconds + _GRACE
        try:
            self._send((file, job))
        except OSError:
            answers.put((self, None))

    def patience(self) -> float:
        """Return the seconds until it is to be asked again; a process that is overdue is killed.

        What a store sends, or comes out of an archive, buys time: only the worker counts that. The
        size of a file is asked for once its time without it is over, as it hardly ever is.
        """
        left = self._due - monotonic()
        if left <= 0 and not self._sized:
            self._sized = True
            self._due += self._seconds_for_size()
            left = self._due - monotonic()
        if left <= 0:
            self.process.kill()
            left = _GRACE
        return min(left, _LONGEST)

    def _seconds_for_size(self) -> float:
        place = self.file if is_url(self.file) else self._place()
        if is_url(self.file) or is_packed(place):
            return inf
        return self.config.limits.seconds_for(size_of(place))

    def _place(self) -> str:
        return str(Path(self.folder, self.config.place_of(self.file)))

    def hear(self, message: bytes | None, kind: type[_Found]) -> Report | _Found | None:
        """Return what a message answers; whatever goes wrong is the file's failure.

        Args:
            message: of the process; None for its end.
            kind: of answer, if nothing goes wrong.

        Returns:
            None for a message that is no answer yet.
        """
        if message is None:
            self.fit = False
            return Report(redacted_name(self.file), failure=self._death(self._led))
        if message.startswith(LED):
            self._led = message.removeprefix(LED).decode(errors="replace")
            return None
        found: Any = None
        with suppress(ValueError, MemoryError):
            found, self.fit, self.trouble = from_bytes(Answer, message)
        named = getattr(found, "file", redacted_name(self.file)) == redacted_name(self.file)
        if isinstance(found, Report | kind) and named:
            return found
        self.fit = False
        return Report(redacted_name(self.file), failure=_NO_ANSWER)

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(_GRACE)
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
