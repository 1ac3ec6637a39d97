"""Ends that are asked for: SIGTERM, SIGHUP, Ctrl-C.

Where nothing is to be tidied up, the system's default ends a process, also inside a C library.
Where there are workers to end or a temporary file to remove, the signal is an exception first:
Ctrl-C is `KeyboardInterrupt`, for whoever wants to go on with less.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from regaudit.errors import Terminated

ASKED = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if os.name != "nt")
"""The signals that ask a process to end."""
PASSED_ON = getattr(signal, "SIGUSR1", signal.SIGINT)
"""Ctrl-C, as a process that waits passes it on to the one that works, which does not hear SIGINT.
A terminal sends that to both of them, other processes to the first one alone."""


def end_by_interrupts() -> None:
    """Let Ctrl-C end this process as SIGTERM does, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def ending_tidily(*, for_good: bool = False) -> Iterator[None]:
    """Let what ends this process be an exception inside the `with`, in the main thread.

    Args:
        for_good: whether Ctrl-C is `Terminated` at once, where Click may see it before the `with`
            ends: it would make exit code 1 of it.
    """
    interrupted = _end_by_interrupt if for_good else signal.default_int_handler
    handlers = {
        **dict.fromkeys(ASKED, _end),
        **dict.fromkeys((signal.SIGINT, PASSED_ON), interrupted),
    }
    ours = [one for one in handlers if signal.getsignal(one) == signal.SIG_DFL]  # nohup ignores one
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield
    except KeyboardInterrupt as error:
        raise Terminated(signal.SIGINT) from error
    finally:
        for number in ours:
            if signal.getsignal(number) is handlers[number]:
                signal.signal(number, signal.SIG_DFL)


def die_of(number: int) -> NoReturn:
    """End this process by a signal, as if nobody had caught it."""
    if os.name != "nt":
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(128 + number)


def _end_by_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(signal.SIGINT)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    for one in ASKED:
        signal.signal(one, signal.SIG_IGN)  # a group gets it twice: once is enough
    raise Terminated(number)
