"""Ends that are asked for: SIGTERM, SIGHUP.

Where nothing is to be tidied up, the system's default ends a process, also inside a C library.
Where there are workers to end or a temporary file to remove, the signal is an exception first.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ASKED = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if os.name != "nt")
"""The signals that ask a process to end."""


class Terminated(BaseException):
    """This process was asked to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Let what ends this process be an exception inside the `with`, in the main thread."""
    for number in ASKED:
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores one
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ASKED:
            if signal.getsignal(number) is _end:
                signal.signal(number, signal.SIG_DFL)


def die_of(number: int) -> NoReturn:
    """End this process by a signal, as if nobody had caught it."""
    if os.name != "nt":
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(128 + number)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    for one in ASKED:
        signal.signal(one, signal.SIG_IGN)  # a group gets it twice: once is enough
    raise Terminated(number)
