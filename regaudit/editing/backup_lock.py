"""The lock on a backup: of two runs, one works on it. It ends with the process that holds it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regaudit.errors import UsageError
from regaudit.storage.plain_file import open_plain


@contextmanager
def locked(backup: Path) -> Iterator[int]:
    """Yield a backup open and locked.

    Raises:
        UsageError: it is not a file, or another run is at work on it.
    """
    if not backup.is_file() or backup.is_symlink():
        raise UsageError(
            f"{backup} is a link, a folder, a pipe or a device, and no backup of regaudit: "
            "remove it first"
        )
    with open_plain(backup, follow_links=False) as stream:
        opened = stream.fileno()
        lock(opened, backup)
        if not is_at(opened, backup):
            raise _busy(backup)
        yield opened


def lock(opened: int, backup: Path) -> None:
    """Lock an open file until it is closed, where the file system can.

    Raises:
        UsageError: another run has locked it.
    """
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(backup) from error
    except OSError:
        return


def _busy(backup: Path) -> UsageError:
    return UsageError(f"another run is at work on {backup}: nothing was changed")


def is_at(opened: int, name: Path) -> bool:
    """Whether a name leads to an open file."""
    try:
        return os.path.samestat(os.fstat(opened), name.lstat())
    except OSError:
        return False
