"""How long a store may take, whatever it claims to have: for every system, and use as a library.

Timeouts of connections do not bound a server that sends a byte now and then.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Lock, Thread
from time import monotonic
from typing import TypeVar

from regaudit.errors import UnsafeFileError
from regaudit.limits import allowed

Answer = TypeVar("Answer")


class Deadline:
    """The `wall_seconds` of the limits in force, and the time that bytes buy when they arrive."""

    def __init__(self) -> None:
        limits = allowed()
        self._seconds = limits.wall_seconds
        self._rate = limits.bytes_per_second
        self._end = monotonic() + limits.wall_seconds
        self._lock = Lock()

    @property
    def left(self) -> float:
        """Seconds; 0 when it has passed."""
        return max(self._end - monotonic(), 0)

    def prolong(self, size: int) -> None:
        """Add the time for so many bytes that have arrived."""
        with self._lock:
            self._end += size / self._rate

    def within(self, request: Callable[[], Answer]) -> Answer:
        """Return the answer to a request if it comes in time.

        Raises:
            UnsafeFileError: it does not; nobody waits for the thread that asks any more.
        """
        if not self.left:
            raise self._passed()
        future: Future[Answer] = Future()
        Thread(target=_answer, args=(future, request), daemon=True).start()
        while not future.done():
            if not self.left:
                raise self._passed()
            wait([future], self.left)  # other threads' bytes may prolong it meanwhile
        return future.result()

    def _passed(self) -> UnsafeFileError:
        what = f"its store takes more than {self._seconds} s to send it"
        return UnsafeFileError(f"{what}; --limit wall_seconds=N allows more")


def _answer(future: "Future[Answer]", request: Callable[[], Answer]) -> None:
    try:
        future.set_result(request())
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
        future.set_exception(error)
