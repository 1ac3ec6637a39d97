"""Work that is done at once, and results in the order of the work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

AHEAD = 256
"""Results that may wait for an earlier one: what bounds the memory of a run of any length."""

_Result_co = TypeVar("_Result_co", covariant=True)
_Item = TypeVar("_Item")


class Promise(Protocol[_Result_co]):
    """A result to come: a future of threads, or of a cluster."""

    def result(self) -> _Result_co: ...


def in_order(
    submit: Callable[[_Item], Promise[_Result_co]], items: Iterable[_Item], ahead: int = AHEAD
) -> Iterator[_Result_co]:
    """Submit the items and yield their results in order, so many submitted ahead of them."""
    waiting: deque[Promise[_Result_co]] = deque()
    for item in items:
        waiting.append(submit(item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
