"""The backup that an edit in place keeps, and putting it back."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import RefusedEditError, UnreadableModelError, UsageError
from regaudit.formats.interface import recognize

BACKUP = ".before-apply"
"""Ending of the file that an edit in place keeps."""


def undo(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Put the backup of an edit in place back, byte for byte.

    Args:
        path: the model that was edited.
        force: whether to do it although the weights have changed since.

    Returns:
        The file that was restored.

    Raises:
        UsageError: there is no backup.
        RefusedEditError: the model was trained since: the backup has other weights.
        UnreadableModelError: a file is not there, or cannot be read or written.
    """
    file = Path(path)
    if not file.exists():
        raise UnreadableModelError("no such file")
    part = recognize(file).part(file)
    backup = backup_of(part)
    if not backup.exists():
        raise UsageError(f"{path} has no backup {backup.name}: it was not edited in place")
    if part == file and not force and _weights(file) != _weights(backup):
        raise RefusedEditError(
            f"{path} has other weights than its backup {backup.name}: it was saved again since; "
            "--force restores the backup anyway"
        )
    try:
        backup.replace(part)
    except OSError as error:
        raise UnreadableModelError(f"{part} cannot be replaced: {error.strerror}") from error
    return part


def backup_of(part: Path) -> Path:
    """Return where the backup of a file lies."""
    return part.with_name(part.name + BACKUP)


@contextmanager
def backed_up(part: Path | None) -> Iterator[None]:
    """Keep a file under another name, except if what follows fails."""
    if part is None:
        yield
        return
    backup = backup_of(part)
    _keep(part, backup)
    try:
        yield
    except BaseException:
        backup.unlink(missing_ok=True)
        raise


def _keep(part: Path, backup: Path) -> None:
    """Give a file a second name, or make a copy where the file system has no such thing."""
    there = UsageError(
        f"the backup {backup} of an earlier edit exists: --undo restores it, "
        "or remove it to keep the edit"
    )
    if backup.exists():
        raise there
    try:
        os.link(part, backup)
    except FileExistsError as error:  # made since
        raise there from error
    except OSError:
        try:
            shutil.copy2(part, backup)
        except BaseException:
            backup.unlink(missing_ok=True)
            raise


def _weights(file: Path) -> list[tuple[str, float | None, float | None, int]]:
    """Return numbers by which the weights of two files can be told apart."""
    report = audit_file(file)
    if report.failure:
        raise UnreadableModelError(report.failure.message)
    return [
        (path, found.l1_norm, found.l2_norm, found.nonfinite)
        for path, found in sorted(report.moments.items())
    ]
