"""What lies at a path: nothing, where we may not look or where no name may be as long.

`pathlib` raises there up to Python 3.13.
"""

import os.path
from pathlib import Path


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
