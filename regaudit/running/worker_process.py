"""What a worker process does, and the messages between it and its parent.

A worker is `python -c` with this module; it reads requests from its standard input and writes
reports, or shares of one, to its standard output.

A request is a pickle, as the parent is trusted. An answer, and a share inside a request, is
MessagePack (`regaudit.report.messages`): a file may have taken over the process that wrote it.
"""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from threading import Lock
from typing import IO, NamedTuple

from regaudit.auditing.audit_file import failure_of
from regaudit.formats.interface import formats
from regaudit.limits import allowing
from regaudit.plugins.installed import using
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Report
from regaudit.running.process_limits import allocated, confined, timed
from regaudit.running.shares import Share, audit_shares
from regaudit.running.written import Carrier, Written
from regaudit.settings.config import Config
from regaudit.storage.location import redacted_name
from regaudit.storage.redirects import telling
from regaudit.storage.size import load_library, size_of

HEADER = 8
"""Bytes in front of a message, with its length."""


LED = b"led:"
"""Begins a message, before the answer, that says to which hosts a server redirected us."""


class Answer(NamedTuple):
    """What a worker says of a file."""

    found: Report | Share | int | Written
    fit: bool
    """Whether the worker can read another one."""
    trouble: str = ""
    """Why reports cannot be kept, if that is so."""


Job = Callable[[str, Config], Report | Share | int | Written]
"""What can be asked of a worker."""

_WRITING = Lock()


def write(pipe: IO[bytes] | None, message: bytes) -> None:
    """Send a message, with its length in front.

    Raises:
        OSError, EOFError: the other process has ended.
    """
    if pipe is None:
        raise EOFError
    with _WRITING:
        pipe.write(len(message).to_bytes(HEADER, "little") + message)
        pipe.flush()


def receive(pipe: IO[bytes] | None, most: int = sys.maxsize) -> bytes:
    """Wait for a message.

    Raises:
        EOFError: the other process has ended.
        ValueError: the message has more than `most` bytes.
    """
    header = pipe.read(HEADER) if pipe else b""
    size = int.from_bytes(header, "little")
    if size > most:
        raise ValueError("a message of too many bytes")
    message = pipe.read(size) if pipe and len(header) == HEADER else b""
    if not message or len(message) < size:
        raise EOFError
    return message


def main() -> None:
    """Be a worker: read a configuration, then answer each request with a report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    pipe, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing that a library prints is an answer

    def tell(led: str) -> None:
        write(answers, LED + led.encode())

    try:
        config: Config
        config, order = pickle.loads(receive(pipe))  # noqa: S301 - the parent's
        with using(config.plugins):
            list(formats())  # what an audit imports is not what a file leaves behind
        carrier = Carrier(order, config)
        requests = _requests(pipe, config)
        first = next(requests)
        start = allocated()
        with confined(config.limits):
            for file, job, size in chain([first], requests):
                with timed(config.limits, size), telling(tell):
                    answer = _answer(file, carrier if job is None else job, config, start)
                write(answers, answer)
    except (EOFError, OSError):
        return


def _answer(file: str, job: Job, config: Config, start: int) -> bytes:
    """Do what is asked, and return the answer; nothing that goes wrong ends the process."""
    try:
        found = job(file, config)
        # What this file leaves behind must not be missing for the next one.
        fit = allocated() < start + config.limits.memory_bytes // 4
        trouble = job.trouble if isinstance(job, Carrier) else ""
        return to_bytes(Answer(found, fit, trouble))
    except Exception as error:  # noqa: BLE001 - a bug here must not lose the other files
        failed = Report(redacted_name(file), failure=failure_of(error))
        return to_bytes(Answer(failed, fit=False))


def audit_written_shares(file: str, config: Config, shares: Sequence[bytes]) -> Report:
    """Audit a file by its shares, which the parent sends as bytes."""
    return audit_shares(file, config, [from_bytes(Share, share) for share in shares])


def _requests(pipe: IO[bytes], config: Config) -> Iterator[tuple[str, Job | None, int]]:
    """Yield files, what to do with each if not what was ordered, and its size."""
    while True:
        file, job = pickle.loads(receive(pipe))  # noqa: S301 - the parent's
        load_library(file)
        with allowing(config.limits), timed(config.limits, 0):  # a folder may be huge
            size = size_of(config.place_of(file))
        yield file, job, size
