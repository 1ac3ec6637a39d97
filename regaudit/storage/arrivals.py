"""Bytes that arrive from a store, and who counts them.

The kernel's timers do: a store gets as much time as it sends bytes, not as much as it claims to
have.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

_COUNTING: list[Callable[[int], None]] = []
_LOCK = Lock()


@contextmanager
def arriving(count: Callable[[int], None]) -> Iterator[None]:
    """Have the number of bytes of each answer counted, in whatever thread it arrives."""
    with _LOCK:
        _COUNTING.append(count)
    try:
        yield
    finally:
        with _LOCK:
            _COUNTING.remove(count)


def arrived(size: int) -> None:
    """Note that so many bytes have arrived."""
    with _LOCK:
        for count in _COUNTING:
            count(size)
