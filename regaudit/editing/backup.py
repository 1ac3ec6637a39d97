"""The backup that an edit in place keeps, and putting it back.

An edit in place does, in this order: copy the file; give the copy the name of the backup, which
must be free; write the edited file next to it; note its SHA-256; let it take the place. So at any
moment the original bytes are in the file or in the backup, and a run that was killed leaves either
no backup, or one that equals the file (nothing was edited yet), or a finished edit. Who works on
a backup holds a lock on it, which ends with the process.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import RefusedEditError, UnreadableModelError, UsageError
from regaudit.formats.interface import Format, formats
from regaudit.storage.atomic_write import place_new, replacing, sync_folder, temporary_beside
from regaudit.storage.file_attributes import keep_attributes
from regaudit.storage.plain_file import open_plain, read_plain
from regaudit.storage.siblings import hub_blob

BACKUP = ".before-apply"
"""Ending of the file that an edit in place keeps."""
NOTE = ".after-apply.sha256"
"""Ending of the file with the SHA-256 of what an edit in place wrote, as sha256sum writes it."""


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


def edited_part(plugin: Format, file: Path) -> Path:
    """Return the file that an edit in place replaces: the real one, where the name is a link.

    Raises:
        RefusedEditError: it lies in a cache whose files are known by their content.
    """
    part = plugin.part(file)
    if part.is_symlink() and (part != file or hub_blob(part)):
        raise RefusedEditError(f"{part.name} is a link into a cache: write to a new directory")
    return _real(part.parent) / part.name if part != file else _real(part)


def backup_of(part: Path) -> Path:
    """Return where the backup of a file lies: next to it, and not next to a link to it."""
    return _beside(_real(part), BACKUP)


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
    part = _part_with_backup(file)
    backup = _beside(part, BACKUP)
    if not os.path.lexists(backup):
        if not file.exists():
            raise UnreadableModelError("no such file")
        raise UsageError(f"{path} has no backup {backup.name}: it was not edited in place")
    try:
        with _locked(backup) as lock:
            return _put_back(file, part, backup, lock, force=force)
    except OSError as error:
        message = f"{part} cannot be replaced: {error.strerror or error}"
        raise UnreadableModelError(message) from error


def _part_with_backup(file: Path) -> Path:
    """Return the file that has a backup: a model that is damaged by now can be restored, too."""
    parts = [plugin.part(file) for plugin in formats()]
    inside = [_real(part.parent) / part.name for part in parts if part != file]
    return next((p for p in inside if os.path.lexists(_beside(p, BACKUP))), _real(file))


def _put_back(file: Path, part: Path, backup: Path, lock: int, *, force: bool) -> Restored:
    if not os.path.lexists(part):
        place_new(backup, part)
        return _done(part, was_edited=True)
    if part.is_symlink() or not part.is_file():
        raise RefusedEditError(f"{part} is not a file any more: it is not replaced")
    before = Stamp.of(part)
    if _equals(lock, part):
        backup.unlink()
        return _done(part, was_edited=False)
    if not force and not _is_as_written(file, part, backup):
        raise RefusedEditError(
            f"{file} is not as the edit left it, it was saved again since; "
            f"--force restores the backup {backup.name} anyway"
        )
    if os.fstat(lock).st_nlink == 1:  # else it is another file, too
        keep_attributes(lock, part)
    if Stamp.of(part) != before:
        raise RefusedEditError(f"{part} is being written by somebody else; nothing was changed")
    backup.replace(part)
    return _done(part, was_edited=True)


def _done(part: Path, *, was_edited: bool) -> Restored:
    with suppress(Exception):  # it is done, whatever comes
        _beside(part, NOTE).unlink(missing_ok=True)
        sync_folder(part.parent)
    return Restored(part, was_edited)


def _is_as_written(file: Path, part: Path, backup: Path) -> bool:
    """Whether a file is what the edit made of it; without the note of that, has its weights."""
    try:
        noted = read_plain(_beside(part, NOTE), 4096, follow_links=False)
    except OSError:
        noted = b""
    if digest := re.match(rb"[0-9a-f]{64}", noted):
        return digest[0].decode() == _sha256_of(part)
    weights = _weights(part)
    return part == _real(file) and weights is not None and weights == _weights(backup)


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
        RefusedEditError: somebody wrote the file meanwhile.
        OSError: it cannot be written.
    """
    backup = _beside(part, BACKUP)
    with _kept(part, backup) as lock:
        try:

            def seal(new: Path) -> None:
                with replacing(_beside(part, NOTE), follow=False) as note:
                    note.write(f"{_sha256_of(new)}  {part.name}\n".encode(errors="replace"))
                _require(part, before, held=_is_at(lock, backup))

            yield seal
        except BaseException:
            if Stamp.of(part) == before and _is_at(lock, backup):  # nothing took its place
                _beside(part, NOTE).unlink(missing_ok=True)
                backup.unlink(missing_ok=True)
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
        with _locked(backup) as lock:
            if not _equals(lock, part):
                raise there
            yield lock
        return
    with temporary_beside(part) as copy:
        with open_plain(part, follow_links=False) as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            status = os.fstat(source.fileno())
        keep_attributes(copy.fileno(), part)
        os.utime(copy.name, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(copy.fileno())
        _lock(copy.fileno(), backup)
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


@contextmanager
def _locked(backup: Path) -> Iterator[int]:
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
        _lock(opened, backup)
        if not _is_at(opened, backup):
            raise _busy(backup)
        yield opened


def _lock(opened: int, backup: Path) -> None:
    """Lock an open file until it is closed, where the file system can."""
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


def _is_at(opened: int, name: Path) -> bool:
    """Whether a name leads to an open file."""
    try:
        return os.path.samestat(os.fstat(opened), name.lstat())
    except OSError:
        return False


def _equals(opened: int, part: Path) -> bool:
    """Whether an open file and another have the same bytes."""
    return _is_at(opened, part) or _sha256(opened) == _sha256_of(part)


def _sha256(opened: int) -> str:
    with open(opened, "rb", closefd=False) as stream:
        stream.seek(0)
        return file_digest(stream, "sha256").hexdigest()


def _sha256_of(file: Path) -> str:
    with open_plain(file, follow_links=False) as stream:
        return _sha256(stream.fileno())


def _real(path: Path) -> Path:
    """Return where a path leads; one that leads in a circle stays as it is."""
    return Path(os.path.realpath(path))


def _beside(part: Path, ending: str) -> Path:
    return part.with_name(part.name + ending)


def _weights(file: Path) -> list[tuple[str, float | None, float | None, int]] | None:
    """Return numbers by which the weights of two files can be told apart, if there are any."""
    report = audit_file(file)
    if report.failure:
        return None
    return [
        (path, found.l1_norm, found.l2_norm, found.nonfinite)
        for path, found in sorted(report.moments.items())
    ]
