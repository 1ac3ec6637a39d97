"""The backup that an edit in place keeps, and putting it back.

An edit in place does, in this order: copy the file; give the copy the name of the backup, which
must be free; write the edited file next to it; note its SHA-256; let it take the place. So at any
moment the original bytes are in the file or in the backup, and a run that was killed leaves either
no backup, or one that equals the file (nothing was edited yet), or a finished edit. Who works on
a backup holds a lock on it, which ends with the process; so does who writes an unfinished file, and
one that nobody has locked is removed by the next edit in place or undoing.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from regaudit.editing.backup_files import BACKUP, NOTE, beside, part_with_backup, parts_of
from regaudit.editing.backup_lock import is_at, lock, locked
from regaudit.editing.backup_note import equals, is_as_noted, refuse_note, write_note
from regaudit.errors import RefusedEditError, UnreadableModelError, UsageError
from regaudit.storage.atomic_write import place_new, remove_leftovers, sync_folder, temporary_beside
from regaudit.storage.file_attributes import keep_attributes
from regaudit.storage.plain_file import open_plain
from regaudit.storage.presence import exists


class Restored(NamedTuple):
    """What `restore` did."""

    file: Path
    was_edited: bool
    """Whether it differed from its backup; a run that was killed may not have come to edit it."""


class Stamp(NamedTuple):
    """What differs once a file was written again."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, file: Path) -> "Stamp":
        """Take it of a file as it is now."""
        status = file.stat()
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def undo(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Put the backup of an edit in place back, byte for byte.

    Args:
        path: the model that was edited.
        force: whether to do it although the file has changed since.

    Returns:
        The file that was restored.

    Raises:
        UsageError: there is no backup, what bears its name is none, or another run is at work.
        RefusedEditError: the model was saved again since.
        UnreadableModelError: a file is not there, or cannot be read or written.
    """
    return restore(path, force=force).file


def restore(path: str | os.PathLike[str], *, force: bool = False) -> Restored:
    """Do what `undo` does, and say what that was."""
    file = Path(path)
    part = part_with_backup(file)
    backup = beside(part, BACKUP)
    try:
        backup.lstat()
    except FileNotFoundError as error:
        for one in parts_of(file):
            _remove_leftovers(one)
        if not exists(file):
            raise UnreadableModelError("no such file") from error
        message = f"{path} has no backup {backup.name}: it was not edited in place"
        raise UsageError(message) from error
    except OSError as error:
        raise UnreadableModelError(f"cannot be read: {error.strerror}") from error
    try:
        with locked(backup) as opened:
            restored = _put_back(file, part, backup, opened, force=force)
            with suppress(Exception):  # it is done, whatever comes
                _remove_leftovers(part, opened)
            return restored
    except OSError as error:
        message = f"{part} cannot be replaced: {error.strerror or error}"
        raise UnreadableModelError(message) from error


def _put_back(file: Path, part: Path, backup: Path, opened: int, *, force: bool) -> Restored:
    if not os.path.lexists(part):
        place_new(backup, part)
        return _done(part, was_edited=True)
    if part.is_symlink() or not part.is_file():
        raise RefusedEditError(f"{part} is not a file any more: it is not replaced")
    before = Stamp.of(part)
    if equals(opened, part):
        backup.unlink()
        return _done(part, was_edited=False)
    if not force and not is_as_noted(file, part):
        raise RefusedEditError(
            f"{file} is not as the edit left it, it was saved again since; "
            f"--force restores the backup {backup.name} anyway"
        )
    if os.fstat(opened).st_nlink == 1:  # else it is another file, too
        keep_attributes(opened, part)
    if Stamp.of(part) != before:
        raise RefusedEditError(f"{part} is being written by somebody else; nothing was changed")
    backup.replace(part)
    return _done(part, was_edited=True)


def _done(part: Path, *, was_edited: bool) -> Restored:
    with suppress(Exception):  # it is done, whatever comes
        beside(part, NOTE).unlink(missing_ok=True)
        sync_folder(part.parent)
    return Restored(part, was_edited)


def _remove_leftovers(part: Path, held: int | None = None) -> None:
    """Remove the unfinished files of runs that were killed."""
    for output in (part, beside(part, NOTE)):
        remove_leftovers(output, held)


@contextmanager
def backed_up(part: Path, before: Stamp) -> Iterator[Callable[[Path], None]]:
    """Keep a file under another name while it is edited, and for good once it was.

    Args:
        part: the file.
        before: of the file when it was read.

    Yields:
        What to call with the complete edited file before it takes the place.

    Raises:
        UsageError: there is a backup of an earlier edit, or another run is at work.
        RefusedEditError: somebody wrote the file meanwhile, or the note cannot be written.
        OSError: it cannot be written.
    """
    backup = beside(part, BACKUP)
    refuse_note(part)
    with _kept(part, backup) as opened:
        try:
            _remove_leftovers(part, opened)

            def seal(new: Path) -> None:
                write_note(part, new)
                _require(part, before, held=is_at(opened, backup))

            yield seal
        except BaseException:
            if Stamp.of(part) == before and is_at(opened, backup):  # nothing took its place
                backup.unlink(missing_ok=True)
                with suppress(OSError):
                    beside(part, NOTE).unlink(missing_ok=True)
            raise


def _require(part: Path, before: Stamp, *, held: bool) -> None:
    if not held or Stamp.of(part) != before:
        raise RefusedEditError(f"{part} was written by somebody else meanwhile")


@contextmanager
def _kept(part: Path, backup: Path) -> Iterator[int]:
    """Make the backup, or take the one that a killed run left; yield it open and locked."""
    there = UsageError(
        f"the backup {backup} of an earlier edit exists: --undo restores it, "
        "or remove it to keep the edit"
    )
    if os.path.lexists(backup):
        with locked(backup) as opened:
            if not equals(opened, part):
                raise there
            yield opened
        return
    with temporary_beside(part) as copy:
        with open_plain(part, follow_links=False) as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            status = os.fstat(source.fileno())
        keep_attributes(copy.fileno(), part)
        os.utime(copy.name, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(copy.fileno())
        lock(copy.fileno(), backup)
        try:
            place_new(Path(copy.name), backup)
        except FileExistsError as error:  # made since
            raise there from error
        try:
            sync_folder(part.parent)
        except BaseException:
            backup.unlink(missing_ok=True)
            raise
        yield copy.fileno()
