"""Processes that train, each with the model and the data open: tasks go to whichever is free."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Protocol

import msgspec

from regaudit.errors import UnreadableModelError, UsageError
from regaudit.report.escape import plain
from regaudit.sweeping.task import Opened, Opening, Task, Trained
from regaudit.sweeping.worker import Answer, Export, Request

THREADS = 2
"""Of the computation of each process, however many there are: sums depend on it."""

_CHATTER = re.compile(r"[IW]\d{4} \d\d:|\d{4}-\d\d-\d\d .*: [IW] |WARNING")
"""How lines begin that TensorFlow logs whatever happens."""

Told = Callable[[Task, int, int, float], None]
"""Called after an epoch of a task: its number, how many there will be, the validation loss."""


class Trainers(Protocol):
    """What does the tasks of a sweep."""

    def open(self, opening: Opening) -> Opened:
        """Open the model and the data, and run the model as it is."""

    def do(self, tasks: Sequence[Task], done: Callable[[Task, Trained], None], told: Told) -> None:
        """Do tasks in any order; `done` is called with each, here, as soon as it is done."""

    def export(self, source: str, out: str) -> None:
        """Save what a task made in the format that a name ends with."""

    def close(self) -> None:
        """End."""


class Processes:
    """Trains in processes of this machine.

    Args:
        count: most that train at once.
    """

    def __init__(self, count: int = 1) -> None:
        """Start none yet."""
        self._count = count
        self._all: list[Process] = []
        self._idle: SimpleQueue[Process] = SimpleQueue()
        self._opening: Opening | None = None

    def open(self, opening: Opening) -> Opened:
        """Open the model and the data, and run the model as it is.

        Raises:
            UsageError: the data cannot be had, or do not fit the model.
            UnreadableModelError: Keras cannot load the model.
        """
        self._opening = opening
        first = self._new()
        answer = first.ask(Request(opening=opening, measured=True))
        self._idle.put(first)
        if answer.opened is None:
            raise UnreadableModelError("the process that trains gave no answer")
        return answer.opened

    def do(self, tasks: Sequence[Task], done: Callable[[Task, Trained], None], told: Told) -> None:
        """Do tasks, as many at once as there are processes.

        Raises:
            UsageError: as `open`.
            UnreadableModelError: Keras fails, or a process ended twice.
        """
        while len(self._all) < min(self._count, len(tasks)):
            self._idle.put(self._new())
        with ThreadPoolExecutor(max(len(self._all), 1)) as pool:
            running = {pool.submit(self._one, task, told): task for task in tasks}
            try:
                for future in as_completed(running):
                    done(running[future], future.result())
            except BaseException:
                for future in running:
                    future.cancel()
                self.close()
                raise

    def export(self, source: str, out: str) -> None:
        """Save what a task made in the format that a name ends with."""
        process = self._idle.get()
        process.ask(Request(export=Export(source, out)), self._opening)
        self._idle.put(process)

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for process in self._all:
            process.end()

    def _new(self) -> "Process":
        process = Process()
        self._all.append(process)
        return process

    def _one(self, task: Task, told: Told) -> Trained:
        process = self._idle.get()
        try:
            answer = process.ask(
                Request(task=task), self._opening, lambda *epoch: told(task, *epoch)
            )
        finally:
            self._idle.put(process)
        if answer.trained is None:
            raise UnreadableModelError(f"training {task.name} gave no result")
        return answer.trained


class Process:
    """One process, started when it is first asked, and again if it was killed.

    Args:
        folder: that it works in; by default this process's.
    """

    def __init__(self, folder: str | None = None) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._ended = False

    def ask(
        self,
        request: Request,
        opening: Opening | None = None,
        told: Callable[[int, int, float], None] = lambda *_: None,
    ) -> Answer:
        """Have a request answered.

        Args:
            request: what to do.
            opening: what a new process opens first.
            told: called after each epoch.

        Raises:
            UsageError: the data are at fault.
            UnreadableModelError: Keras fails, or the process was killed twice at the same.
        """
        for left in (1, 0):
            if self._child is None:
                self._start()
                if opening is not None and self._asked(Request(opening=opening), told) is None:
                    self._raise_ended(left)
                    continue
            answer = self._asked(request, told)
            if answer is not None:
                return answer
            self._raise_ended(left)
        raise AssertionError

    def end(self) -> None:
        """Kill it."""
        self._ended = True
        self._kill()

    def _start(self) -> None:
        if self._ended:
            raise UnreadableModelError("the sweep was ended")
        readable, writable = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._child = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            [sys.executable, "-P", "-m", "regaudit.sweeping.worker", str(writable)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[writable],
            cwd=self._folder,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the one who waits
        )
        os.close(writable)
        self._answers = os.fdopen(readable, "rb")

    def _asked(self, request: Request, told: Callable[[int, int, float], None]) -> Answer | None:
        """Return the answer; None if the process ended."""
        if self._child is None or self._child.stdin is None or self._answers is None:
            return None
        try:
            self._child.stdin.write(msgspec.json.encode(request) + b"\n")
            self._child.stdin.flush()
            for line in self._answers:
                if not line.endswith(b"\n"):
                    return None
                answer = msgspec.json.decode(line, type=Answer)
                if answer.epoch is None:
                    return _good(answer)
                told(*answer.epoch)
        except OSError:
            return None
        return None

    def _raise_ended(self, left: int) -> None:
        """Tidy up after a process that ended; raise if it is not started again."""
        child, log = self._child, self._log
        why = "no message"
        if child is not None:
            child.wait()
        if log is not None:
            log.seek(0)
            lines = [
                line
                for line in log.read().decode("utf-8", "replace").strip().splitlines()
                if not _CHATTER.match(line)
            ]
            why = lines[-1][:300] if lines else why
        self._kill()
        if not left or self._ended:
            raise UnreadableModelError(f"the process that trains {_end_of(child)} ({plain(why)})")

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            if child.stdin is not None:
                with suppress(OSError):
                    child.stdin.close()
        for stream in (self._answers, self._log):
            if stream is not None:
                stream.close()
        self._answers = self._log = None


def _end_of(child: "subprocess.Popen[bytes] | None") -> str:
    code = child.returncode if child else None
    if code is None or code >= 0:
        return f"ended with code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _good(answer: Answer) -> Answer:
    if answer.usage:
        raise UsageError(answer.usage)
    if answer.failure:
        raise UnreadableModelError(answer.failure)
    return answer


def _environment() -> dict[str, str]:
    threads = str(THREADS)
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Several of these processes may share a GPU, of which each backend takes all it can.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": threads,
        "PYTHONHASHSEED": "0",
    }
