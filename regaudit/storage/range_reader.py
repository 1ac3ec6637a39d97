"""Parts of a remote file that were fetched: how much is asked for at once, how much is kept."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, local

from regaudit.storage.location import SizedStream

Fetch = Callable[[int, int], bytes]
"""Returns the bytes from a start up to a stop."""

PAGE = 1 << 11
"""Bytes of a page: metadata of HDF5 lies in pieces of about 2 kB among the values, and other sizes
fetched more of them or asked more often."""
WHOLE = 1 << 18
"""A file of at most so many bytes is fetched at once."""
_FIRST = 2
"""Pages fetched where nothing was read before: a piece seldom starts with a page."""
_AHEAD = (4 << 20) // PAGE
"""Most pages fetched at once ..."""
_KEPT_PAGES = 4 * _AHEAD
"""... and kept."""
WINDOW = 8 << 20
"""Bytes of values fetched at once."""
_KEPT_WINDOWS = 3
"""Kept next to the one that each thread is in: small weights follow each other."""


class Pages:
    """What is read here and there; a fetch that continues the one before is twice as long.

    So metadata costs two pages a place, and what is read in a row costs few requests, as with the
    read-ahead of an operating system.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._count = -(-size // PAGE)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._ahead = -1, 0
        self._lock = Lock()

    def fill(self, at: int, view: memoryview) -> int:
        """Put bytes from `at` on into a view that does not go beyond the file."""
        with self._lock:
            last = -(-(at + len(view)) // PAGE)
            for number in range(at // PAGE, last):
                if number not in self._kept:
                    self._take(number, last)
                self._kept.move_to_end(number)
                _copy(self._kept[number], number * PAGE, at, view)
        return len(view)

    def _take(self, number: int, last: int) -> None:
        """Fetch a page and those behind it that are asked for or likely to be."""
        ahead = 2 * self._ahead if number == self._next else _FIRST
        wanted = self._count if self._size <= WHOLE else min(max(last - number, ahead), _AHEAD)
        stop = number + 1
        while stop < min(number + wanted, self._count) and stop not in self._kept:
            stop += 1
        raw = self._fetch(number * PAGE, min(stop * PAGE, self._size))
        for page in range(number, stop):
            self._kept[page] = raw[(page - number) * PAGE :][:PAGE]
        while len(self._kept) > _KEPT_PAGES:
            self._kept.popitem(last=False)
        self._next, self._ahead = stop, stop - number


class Windows:
    """Values, read once from front to back by one thread or several."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._kept: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._lock = Lock()
        self._held = local()

    def fill(self, at: int, view: memoryview) -> int:
        """Put bytes from `at` on into a view that does not go beyond the file."""
        for number in range(at // WINDOW, -(-(at + len(view)) // WINDOW)):
            _copy(self._window(number), number * WINDOW, at, view)
        return len(view)

    def _window(self, number: int) -> bytes:
        """Return a window; each thread holds on to the last one, whatever others read."""
        if getattr(self._held, "number", None) != number:
            self._held.window = self._shared(number)
            self._held.number = number
        window: bytes = self._held.window
        return window

    def _shared(self, number: int) -> bytes:
        """Return a window that threads share: one fetches it, the others wait."""
        with self._lock:
            found = self._kept.get(number)
            window = found or Future()
            self._kept[number] = window
            self._kept.move_to_end(number)
            while len(self._kept) > _KEPT_WINDOWS:
                self._kept.popitem(last=False)
        if found is None:
            start = number * WINDOW
            try:
                window.set_result(self._fetch(start, min(start + WINDOW, self._size)))
            except BaseException as error:
                window.set_exception(error)
                raise
        return window.result()


class RangeStream(SizedStream):
    """A remote file as a stream."""

    def __init__(self, parts: Pages | Windows, size: int) -> None:
        super().__init__(size)
        self._parts = parts

    def fill(self, at: int, view: memoryview) -> int:
        return self._parts.fill(at, view)


def _copy(part: bytes, start: int, at: int, view: memoryview) -> None:
    """Copy into a view of what lies from `at` on the bytes of a part that lies from `start` on."""
    low, high = max(start, at), min(start + len(part), at + len(view))
    view[low - at : high - at] = part[low - start : high - start]
