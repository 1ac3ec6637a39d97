"""The note of what an edit in place wrote, and whether a file still is that, or its backup."""

import os
import re
from hashlib import file_digest
from pathlib import Path

from regaudit.auditing.audit_file import audit_file
from regaudit.editing.backup_files import BACKUP, NOTE, beside, real
from regaudit.errors import RefusedEditError
from regaudit.storage.atomic_write import replacing
from regaudit.storage.plain_file import open_plain, read_plain
from regaudit.storage.presence import exists, is_file


def write_note(part: Path, new: Path) -> None:
    """Note what is about to take the place of a file.

    Args:
        part: the file.
        new: the complete edited file.

    Raises:
        OSError: the new file cannot be read.
        RefusedEditError: the note cannot be written.
    """
    line = f"{_sha256_of(new)}  {part.name}\n"
    file = beside(part, NOTE)
    try:
        with replacing(file, follow=False) as note:
            note.write(line.encode(errors="replace"))
    except OSError as error:
        why = error.strerror or error
        raise RefusedEditError(f"{file} cannot be written: {why}; nothing was changed") from error


def refuse_note(part: Path) -> None:
    """Refuse what bears the name of the note and cannot be replaced by one.

    Raises:
        RefusedEditError: it is a folder, a pipe or a device.
    """
    file = beside(part, NOTE)
    if exists(file) and not is_file(file) and not file.is_symlink():
        raise RefusedEditError(
            f"{file} is a folder, a pipe or a device, and no note of regaudit: remove it first; "
            "nothing was changed"
        )


def is_as_noted(file: Path, part: Path) -> bool:
    """Whether a file is what the edit made of it; without the note of that, has its weights.

    Args:
        file: the model, as the user names it.
        part: the file that was edited.
    """
    try:
        noted = read_plain(beside(part, NOTE), 4096, follow_links=False)
    except OSError:
        noted = b""
    if digest := re.match(rb"[0-9a-f]{64}", noted):
        return digest[0].decode() == _sha256_of(part)
    weights = _weights(part)
    return part == real(file) and weights is not None and weights == _weights(beside(part, BACKUP))


def equals(opened: int, part: Path) -> bool:
    """Whether an open file and another have the same bytes."""
    same = os.path.samestat(os.fstat(opened), part.lstat())
    return same or _sha256(opened) == _sha256_of(part)


def _sha256_of(file: Path) -> str:
    with open_plain(file, follow_links=False) as stream:
        return _sha256(stream.fileno())


def _sha256(opened: int) -> str:
    with open(opened, "rb", closefd=False) as stream:
        stream.seek(0)
        return file_digest(stream, "sha256").hexdigest()


def _weights(file: Path) -> list[tuple[str, float | None, float | None, int]] | None:
    """Return numbers by which the weights of two files can be told apart, if there are any."""
    report = audit_file(file)
    if report.failure:
        return None
    return [
        (path, found.l1_norm, found.l2_norm, found.nonfinite)
        for path, found in sorted(report.moments.items())
    ]
