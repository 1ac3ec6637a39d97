"""What keeps an audit from taking a machine with it: time and memory, enforced by the kernel.

libhdf5 is C, and keeps Python's lock while it runs: no thread of this process could stop it. Timers
whose signal nobody catches can, and so can a limit on memory. Both need a process of its own.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regaudit.limits import OUT_OF_MEMORY, Limits, allowing
from regaudit.processors import processors
from regaudit.running.termination import ASKED
from regaudit.storage.arrivals import arriving
from regaudit.storage.size import load_library, size_of

PER_CPU = 16 << 20
"""Bytes of memory that every processor adds: stacks and buffers of the threads that measure."""

TIMED = hasattr(signal, "setitimer")
"""Whether this system has such timers: Windows has not."""


@contextmanager
def timed(limits: Limits, size: int) -> Iterator[None]:
    """Let the kernel kill this process if what is inside the `with` takes too long.

    What arrives from a store buys time as the bytes of a file do.

    Args:
        limits: of the file that is audited.
        size: of the file, in bytes.
    """
    if not TIMED:
        yield
        return
    more = limits.seconds_for(size)
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds + more)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds + more)
    try:
        with arriving(lambda count: _prolong(count / limits.bytes_per_second)):
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _prolong(seconds: float) -> None:
    """Let both timers run for longer."""
    for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
        left, _ = signal.getitimer(timer)
        if left:
            signal.setitimer(timer, left + seconds)


@contextmanager
def held(file: str, limits: Limits) -> Iterator[None]:
    """Hold this process to all limits of one file, memory included."""
    load_library(file)
    with allowing(limits), timed(limits, 0):  # a folder may be huge
        size = size_of(file)
    with confined(limits), timed(limits, size):
        yield


def allocated() -> int:
    """Return the bytes that this process has allocated; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[5]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def confined(limits: Limits) -> Iterator[None]:
    """Let this process allocate so much more and no more; where the system cannot, nothing."""
    before = allocated()
    if not before:  # macOS does not enforce it, Windows has none
        yield
        return
    import resource  # noqa: PLC0415 - Windows has none

    most = before + limits.memory_bytes
    most += PER_CPU * processors()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def death(number: int | None, limits: Limits, redirected: str = "") -> tuple[str, str]:
    """Say what it means that a process died of a signal while it audited a file.

    Args:
        number: of the signal; None if memory ran out, 0 if it was none.
        limits: of the file.
        redirected: where its server sent us.

    Returns:
        The kind of failure, and the message.
    """
    kind, message = _death(number, limits)
    return kind, f"{message} ({redirected})" if redirected else message


def _death(number: int | None, limits: Limits) -> tuple[str, str]:
    if number is None:
        return "UnsafeFileError", OUT_OF_MEMORY
    if number == 0:
        return "UnsafeFileError", "the process that read it ended unexpectedly"
    if TIMED and number == signal.SIGPROF:
        what = f"reading it takes more than {limits.cpu_seconds} s of processor time"
        return "UnsafeFileError", f"{what}; --limit cpu_seconds=N allows more"
    if TIMED and number == signal.SIGALRM:
        what = f"reading it takes more than {limits.wall_seconds} s"
        return "UnsafeFileError", f"{what}; --limit wall_seconds=N allows more"
    if TIMED and number == signal.SIGKILL:
        what = "the process that read it was killed, perhaps because memory ran out"
        return "UnreadableModelError", f"{what} (signal {number})"
    if number in {*ASKED, signal.SIGINT}:
        return "UnreadableModelError", f"the process that read it was ended (signal {number})"
    return "UnsafeFileError", f"the HDF5 library crashed while reading it (signal {number})"
