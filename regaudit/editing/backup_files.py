"""The files that an edit in place leaves beside a model: their names, and where they lie."""

import os
from pathlib import Path

from regaudit.errors import RefusedEditError
from regaudit.formats.interface import Format, formats
from regaudit.storage.siblings import hub_blob

BACKUP = ".before-apply"
"""Ending of the file that an edit in place keeps."""
NOTE = ".after-apply.sha256"
"""Ending of the file with the SHA-256 of what an edit in place wrote, as sha256sum writes it."""


def is_of_edit(name: str) -> bool:
    """Whether a file of this name is a backup, or the note to one."""
    return name.endswith((BACKUP, NOTE))


def edited_part(plugin: Format, file: Path) -> Path:
    """Return the file that an edit in place replaces: the real one, where the name is a link.

    Raises:
        RefusedEditError: it lies in a cache whose files are known by their content.
    """
    part = plugin.part(file)
    if part.is_symlink() and (part != file or hub_blob(part)):
        raise RefusedEditError(f"{part.name} is a link into a cache: write to a new directory")
    return real(part.parent) / part.name if part != file else real(part)


def backup_of(part: Path) -> Path:
    """Return where the backup of a file lies: next to it, and not next to a link to it."""
    return beside(real(part), BACKUP)


def part_with_backup(file: Path) -> Path:
    """Return the file that has a backup: a model that is damaged by now can be restored, too."""
    return next((p for p in parts_of(file) if os.path.lexists(beside(p, BACKUP))), real(file))


def parts_of(file: Path) -> list[Path]:
    """Return the files that an edit in place may replace, by any format; there need be none."""
    parts = [plugin.part(file) for plugin in formats()]
    return [*(real(part.parent) / part.name for part in parts if part != file), real(file)]


def beside(part: Path, ending: str) -> Path:
    """Return the path of what an edit in place leaves beside a file."""
    return part.with_name(part.name + ending)


def real(path: Path) -> Path:
    """Return where a path leads; one that leads in a circle stays as it is."""
    return Path(os.path.realpath(path))
