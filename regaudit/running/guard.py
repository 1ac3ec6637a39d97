"""One file is audited in the process that prints, for speed; this guards that process.

The command forks before it imports anything: the child does all the work, under the kernel's
limits on time and memory, and the parent only waits. If the child is killed, the parent knows which
file did it and says so, in the requested format.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from regaudit.dataclass import dataclass

if TYPE_CHECKING:
    from regaudit.limits import Limits

_RELAYED = ("SIGTERM", "SIGHUP")
"""What ends the parent must end the child."""


@dataclass(frozen=True, slots=True)
class Killed:
    """The end of a guarded process."""

    file: str
    """The file that it audited."""
    signal: int


class _Guarded:
    """Whether this process is one, and where it notes what it audits."""

    note: int | None = None


def fork() -> Killed | None:
    """Return None in the child, which does the work; the parent exits as the child does.

    Returns:
        In the parent, if the child was killed while it audited a file, what happened.
    """
    if not hasattr(os, "fork"):
        return None
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.close(readable)
        _Guarded.note = writable
        return None
    os.close(writable)
    code = _wait(child)
    file = os.read(readable, 1 << 16)
    os.close(readable)
    if code >= 0:
        os._exit(code)  # nothing was imported or printed here that would need more
    if not file:
        _die_alike(-code)
    return Killed(os.fsdecode(file), -code)


def leave(code: str | int | None) -> None:
    """End a guarded process at once: Python takes 70 ms to tidy up what ends with it anyway."""
    if _Guarded.note is None or isinstance(code, str):
        return
    with suppress(OSError):  # whoever reads may be gone
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed
            stream.flush()
        os._exit(code or 0)


@contextmanager
def guarding(file: str, limits: "Limits") -> Iterator[None]:
    """Hold the audit of one file in this process to the limits, if a parent waits for it."""
    if _Guarded.note is None:
        yield
        return
    from regaudit.running.process_limits import confined, timed  # noqa: PLC0415 - the same
    from regaudit.storage.location import redacted_name  # noqa: PLC0415 - the same
    from regaudit.storage.size import size_of  # noqa: PLC0415 - after the fork

    os.write(_Guarded.note, os.fsencode(redacted_name(file)))
    size = size_of(file)  # connects to a store, which is not the file's to answer for
    with confined(limits), timed(limits, size):
        yield


def _wait(child: int) -> int:
    """Wait for the child, and return its exit code, or minus the signal that killed it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal signals the child as well
    for name in _RELAYED:
        signal.signal(getattr(signal, name), lambda number, _frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    for name in ("SIGINT", *_RELAYED):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    return os.waitstatus_to_exitcode(status)


def _die_alike(number: int) -> None:
    """Die as the child did, if it was not a file's doing."""
    os.kill(os.getpid(), number)
    sys.exit(128 + number)
