"""Progress of a long run, on standard error where that is a terminal.

Not `click.progressbar`: it has no rate, and no way to leave the line to what a report prints
between two of its updates.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from regaudit.cli.output import say_progress

if TYPE_CHECKING:
    from regaudit.report.report import Report
    from regaudit.running.written import Written

_Audited = TypeVar("_Audited", "Report", "Written")
EVERY = 0.1
"""Seconds between two updates of the line."""

SOON = 1.0
"""Seconds before the progress of one model is shown."""

FILE = 1_000_000
"""Opening and checking a file takes as long as reading so many bytes; for the time left."""


def progress(reports: Iterable[_Audited], files: Sequence[str]) -> Iterator[_Audited]:
    """Pass reports through, and show the progress: files, bytes, time left."""
    if sys.stderr is None or not sys.stderr.isatty() or len(files) < 2:
        yield from reports
        return
    sizes = _Sizes(files)
    start = shown = time.monotonic()
    try:
        for number, report in enumerate(reports, 1):
            yield report  # what is shown as done has been handed over
            sizes.finish(report)
            now = time.monotonic()
            if now - shown >= EVERY:
                shown = now
                _show(line(number, len(files), sizes.done, sizes.all, now - start))
    finally:
        _show("")


class _Sizes:
    """The bytes of the models of a run: those of a store are known once each was audited."""

    def __init__(self, files: Sequence[str]) -> None:
        from regaudit.storage.location import is_url
        from regaudit.storage.size import size_of

        self._sizes = [None if is_url(file) else size_of(file) for file in files]
        self._left = iter(self._sizes)
        self._audited: list[int] = []
        """The sizes of models in stores."""
        self._known = sum(size for size in self._sizes if size is not None)
        self.done = 0

    def finish(self, report: "Report | Written") -> None:
        """Count the next model as done."""
        size = next(self._left, 0)
        if size is None:
            size = report.size or 0
            self._audited.append(size)
        self.done += size

    @property
    def all(self) -> int:
        """Bytes of all models; one of a store that was not audited yet counts as their mean."""
        count = self._sizes.count(None)
        mean = sum(self._audited) / len(self._audited) if self._audited else 0
        return self._known + round(count * mean)


@contextmanager
def progress_of_one() -> Iterator[Callable[[int, int], None] | None]:
    """Show how far the weights of one large model are read: bytes, time left.

    Yields:
        What to call with the bytes measured and those of all; None where nobody would see it.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    start = shown = time.monotonic()

    def show(done: int, size: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - start >= SOON and now - shown >= EVERY:
            shown = now
            _show(line_of_one(done, size, now - start))

    try:
        yield show
    finally:
        if shown > start:
            _show("")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is being done which tells nothing on the way, and for how long.

    Args:
        what: is being done; `Keras loads m.keras`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def show() -> None:
        start = time.monotonic()
        while not done.wait(SOON):
            _show(f"{what}, {_clock(round(time.monotonic() - start))}")

    shows = threading.Thread(target=show, daemon=True)
    shows.start()
    try:
        yield
    finally:
        done.set()
        shows.join()
        _show("")


def line_of_sweep(text: str) -> None:
    """Show how far a sweep is; nothing clears the line."""
    _show(text)


def line_of_one(done: int, size: int, seconds: float) -> str:
    """Format the progress of one model.

    Args:
        done: bytes.
        size: bytes of all weights.
        seconds: since the start.
    """
    from regaudit.report.spelling import file_size

    left = int(seconds / done * size - seconds) + 1 if done < size else 0
    measured = f"{file_size(done)} of {file_size(size)} measured, {done / size:.0%}"
    return f"{measured}, {file_size(int(done / seconds))}/s, {_clock(left)} left"


def line(number: int, files: int, done: int, size: int, seconds: float) -> str:
    """Format the progress of several files.

    Args:
        number: of files that are done.
        files: of all.
        done: bytes.
        size: bytes of all.
        seconds: since the start.
    """
    from regaudit.report.spelling import file_size

    work = (done + number * FILE) / (size + files * FILE)
    left = int(seconds / work - seconds) + 1 if number < files else 0
    speed = f"{number / seconds:,.1f} files/s, {file_size(int(done / seconds))}/s"
    return f"{number:,} of {files:,} files, {work:.0%}, {speed}, {_clock(left)} left"


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _show(text: str) -> None:
    """Replace the line that was shown before; the text is cut to the width of the terminal."""
    from shutil import get_terminal_size

    fitting = text[: get_terminal_size().columns - 1]
    say_progress(fitting)
