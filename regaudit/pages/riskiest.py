"""What there is room for, of the riskiest models: pieces of a page that are kept within a limit."""

from heapq import heappop, heappush

Risk = tuple[int, ...]
"""The larger, the riskier."""


class Riskiest:
    """Pieces of text, of which those of the least risky are let go where all are too many."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._heap: list[tuple[Risk, int, str, str]] = []
        self._number = 0
        self._let_go: Risk | None = None

    def wants(self, risk: Risk) -> bool:
        """Whether a piece of this risk may be kept; if not, it need not be made."""
        return self._let_go is None or risk > self._let_go

    def add(self, key: str, risk: Risk, piece: str) -> None:
        """Keep a piece, if need be in the place of others; of equals the first stay."""
        self._number += 1
        heappush(self._heap, (risk, -self._number, key, piece))
        self._room -= len(piece)
        while self._room < 0:
            self._let_go, _, _, gone = heappop(self._heap)
            self._room += len(gone)

    @property
    def kept(self) -> dict[str, str]:
        """The pieces by key."""
        return {key: piece for _, _, key, piece in self._heap}
