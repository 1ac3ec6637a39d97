"""Whole processes measured from outside: time, processor time, memory, and what they print."""

import contextlib
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

SAMPLES_MEMORY = sys.platform == "linux"
"""Whether the private memory of a process can be sampled here: only Linux tells."""

_INTERVAL = 0.003
"""Seconds between two samples of memory, at least."""

_SHARE = 0.1
"""Share of one processor that sampling may take at most: it holds up what it samples."""


class ProcessFailedError(Exception):
    """A measured process ended with an error."""


class Run(Struct, frozen=True):
    """One process from its start to its end, with all processes it started and waited for."""

    seconds: float
    """Wall clock, from before the start until the end is noticed."""

    cpu_seconds: float
    """User and system time."""

    peak_private: int | None
    """Most private memory seen at once (USS: clean and dirty), in bytes; None if not sampled."""

    peak_resident: int
    """Largest resident set of any one of the processes as the kernel kept it, in bytes."""

    output: str
    """What it printed on standard output."""


def run(command: Sequence[str], environment: Mapping[str, str], *, sample: bool = True) -> Run:
    """Run a command to its end and measure it.

    The kernel counts the resident set of this process at the start as the child's own, so keep
    this process small: import no framework here.

    Args:
        command: the program and its arguments.
        environment: variables to set on top of those of this process.
        sample: whether to sample private memory, which holds the process up a little.

    Raises:
        ProcessFailedError: it exited with anything but 0.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as messages:
        start = time.perf_counter()
        with (
            subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=messages,
            ) as process,
            _Sampler(process.pid, active=sample and SAMPLES_MEMORY) as sampler,
        ):
            # Wait without reaping: the process id stays taken until the sampler has stopped.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            seconds = time.perf_counter() - start
            sampler.stop()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        messages.seek(0)
        if process.returncode != 0:
            said = messages.read().decode(errors="replace").strip()
            raise ProcessFailedError(f"{' '.join(command)}: exit {process.returncode}\n{said}")
        return Run(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_private=sampler.peak,
            peak_resident=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            output=output.read().decode(),
        )


class _Sampler:
    """A thread that keeps the peak of the private memory of a process and its descendants."""

    def __init__(self, pid: int, *, active: bool) -> None:
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample) if active else None
        self.peak: int | None = None

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _sample(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            start = time.perf_counter()
            private = sum(private_memory(pid) for pid in family(self._pid))
            self.peak = max(self.peak or 0, private)
            pause = max(_INTERVAL, (time.perf_counter() - start) * (1 / _SHARE - 1))


def private_memory(pid: int) -> int:
    """Return the bytes of memory that no other process shares; 0 once the process is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 1024 * sum(
        int(line.split()[1])
        for line in rollup.splitlines()
        if line.startswith(("Private_Clean:", "Private_Dirty:", "Private_Hugetlb:"))
    )


def family(pid: int) -> list[int]:
    """Return a process and all its living descendants."""
    found = [pid]
    for parent in found:  # grows while it is walked
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text(encoding="ascii").split())
    return found


def alternate(
    sides: Mapping[str, Sequence[str]], environment: Mapping[str, str], runs: int
) -> dict[str, list[Run]]:
    """Run several commands in turn, A B A B, after two runs of each whose time is not counted.

    Taking turns lets whatever else the machine does fall on all sides alike. Private memory is
    that of the second uncounted run: sampling it holds a process up.

    Raises:
        ProcessFailedError: one of them failed.
    """
    for command in sides.values():
        run(command, environment, sample=False)
    sampled = {name: run(command, environment) for name, command in sides.items()}
    measured: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, command in sides.items():
            timed = run(command, environment, sample=False)
            measured[name].append(replace(timed, peak_private=sampled[name].peak_private))
    return measured


def worst(peaks: Sequence[int | None]) -> float:
    """Return the largest of some peaks of memory; not a number when none was sampled."""
    return max((peak for peak in peaks if peak is not None), default=math.nan)
