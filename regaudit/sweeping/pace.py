"""How far a sweep is, in epochs, and how long the rest will take."""

import time
from collections.abc import Callable


class Pace:
    """Counts epochs as they are done."""

    def __init__(self, planned: int, now: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            planned: epochs at most.
            now: seconds on a clock.
        """
        self._planned, self._now = planned, now
        self._done: dict[str, int] = {}
        self._found = 0
        """Epochs that were done before, which tell nothing about the speed."""
        self._start: float | None = None
        """When training began."""

    def found(self, name: str, epochs: int) -> None:
        """Count a training that the journal has."""
        self._found += epochs
        self._done[name] = epochs

    def begin(self) -> None:
        """Start the clock: training begins."""
        if self._start is None:
            self._start = self._now()

    def epoch(self, name: str, epoch: int) -> None:
        """Count the epochs of a training up to this one."""
        self._done[name] = max(epoch, self._done.get(name, 0))

    @property
    def text(self) -> str:
        """Done, planned, and the time left if all that is planned is done."""
        done = sum(self._done.values())
        text = f"{done:,} of at most {self._planned:,} epochs"
        new = done - self._found
        if self._start is None or new < 1:
            return text
        left = max(self._planned - done, 0) * (self._now() - self._start) / new
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"{text}, at most about {clock} left"
