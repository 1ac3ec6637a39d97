"""What lies at a path: nothing, where we may not look or where no name may be as long.

`pathlib` raises there up to Python 3.13.
"""

import os.path
from itertools import islice
from pathlib import Path

from regaudit.errors import did_you_mean
from regaudit.storage.working_folder import GONE, working_folder

_NEAR = 1000
"""Names that one which is not there is compared with."""


def exists(path: str | Path) -> bool:
    """Whether something is there; behind a link, that it leads to."""
    return os.path.exists(path)  # noqa: PTH110 - as above


def is_dir(path: str | Path) -> bool:
    """Whether it is a folder, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def is_file(path: str | Path) -> bool:
    """Whether it is a file, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def is_link(path: str | Path) -> bool:
    """Whether it is a link, wherever it leads."""
    return os.path.islink(path)  # noqa: PTH114 - as above


def near(path: Path) -> str:
    """Return a hint at a name that is close to the first part of a path that is not there."""
    if not path.is_absolute() and working_folder() is None:
        return f": {GONE}"
    for part in reversed((path, *path.parents)):
        if not exists(part):
            try:
                with os.scandir(part.parent) as entries:
                    names = {entry.name for entry in islice(entries, _NEAR)}
                alike = {f"*{Path(name).suffix}" for name in names} if "*" in part.name else set()
                return did_you_mean(part.name, sorted(names | alike))
            except (OSError, ValueError):
                return ""
    return ""
