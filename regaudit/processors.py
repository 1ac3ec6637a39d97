"""How many processors this process may use: all that runs several things at once asks here."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from math import ceil
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


@cache
def processors() -> int:
    """Return how many processors this process may use, at least one.

    A container on a machine with 64 processors may be bound to some of them (its affinity), or
    have the time of two (the quota of its control group): more threads only wait for each other.
    """
    if hasattr(os, "sched_getaffinity"):
        bound = len(os.sched_getaffinity(0))
    else:  # macOS and Windows
        bound = os.cpu_count() or 1
    return max(1, min([bound, *map(ceil, _quotas(_CGROUPS, _OWN))]))


def _quotas(groups: Path, own: Path) -> Iterator[float]:
    """Yield the processors whose time each control group above this process allows.

    Source: the Linux kernel's documentation of `cpu.max` (version 2) and `cpu.cfs_quota_us`.
    """
    try:
        lines = own.read_text("ascii", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number == "0":
            root = groups
        elif "cpu" in controllers.split(","):
            root = groups / "cpu"
        else:
            continue
        path = PurePosixPath(place.lstrip("/"))
        # A container may be told the path on its host; its own group is the root that it sees.
        for folder in dict.fromkeys(root / one for one in (path, *path.parents)):
            yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    # Whatever cannot be read, or is "max" or -1, is no quota.
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (folder / "cpu.max").read_text("ascii").split()
        yield int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        most = int((folder / "cpu.cfs_quota_us").read_text("ascii"))
        if most > 0:
            yield most / int((folder / "cpu.cfs_period_us").read_text("ascii"))
