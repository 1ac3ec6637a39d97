"""How long a store may take, whatever it claims to have: for every system, and use as a library.

Timeouts of connections do not bound a server that sends a byte now and then.
"""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Lock, Thread
from time import monotonic
from typing import TypeVar

from regaudit.errors import UnsafeFileError
from regaudit.limits import allowed

Answer = TypeVar("Answer")

SILENT = 15.0
"""Seconds without a byte after which a request is made once more."""


class Deadline:
    """The `wall_seconds` of the limits in force, and the time that bytes buy when they arrive."""

    def __init__(self) -> None:
        limits = allowed()
        self._seconds = limits.wall_seconds
        self._rate = limits.bytes_per_second
        self._end = monotonic() + limits.wall_seconds
        self._lock = Lock()
        self._arrived = 0

    @property
    def left(self) -> float:
        """Seconds; 0 when it has passed."""
        return max(self._end - monotonic(), 0)

    def prolong(self, size: int) -> None:
        """Add the time for so many bytes that have arrived."""
        with self._lock:
            self._arrived += size
            self._end += size / self._rate

    def within(self, request: Callable[[], Answer]) -> Answer:
        """Return the answer to a request if it comes in time.

        Raises:
            UnsafeFileError: it does not; nobody waits for the thread that asks any more.
        """
        if not self.left:
            raise self._passed()
        arrived = self._arrived
        asked = [_asked(request)]
        again = monotonic() + SILENT
        while not any(future.done() for future in asked):
            if not self.left:
                raise self._passed()
            if len(asked) == 1 and monotonic() >= again and self._arrived == arrived:
                asked.append(_asked(request))  # what has no answer may have been lost
            # Other threads' bytes may prolong it meanwhile.
            left = self.left if len(asked) > 1 else min(self.left, max(again - monotonic(), 0.1))
            wait(asked, left, return_when=FIRST_COMPLETED)
        return next(future for future in asked if future.done()).result()

    def _passed(self) -> UnsafeFileError:
        what = f"its store takes more than {self._seconds} s to send it"
        return UnsafeFileError(f"{what}; --limit wall_seconds=N allows more")


def _asked(request: Callable[[], Answer]) -> "Future[Answer]":
    future: Future[Answer] = Future()
    Thread(target=_answer, args=(future, request), daemon=True).start()
    return future


def _answer(future: "Future[Answer]", request: Callable[[], Answer]) -> None:
    try:
        future.set_result(request())
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
        future.set_exception(error)
