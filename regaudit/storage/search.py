"""What lies below a folder or matches a pattern: without recursion, and without following links."""

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path

from regaudit.errors import UsageError, shown
from regaudit.storage.presence import is_dir

ENTRIES = 1_000_000
"""Most files and folders that one search looks at."""

Refuse = Callable[[str, str], None]
"""Is told the path of what was not searched, and why."""


def pattern_of(text: str, key: str = "") -> str:
    """Return a path or a pattern that can be searched.

    Raises:
        UsageError: its stars make no sense.
    """
    parts, where = Path(text).parts, f"{key}: {shown(text)}" if key else shown(text)
    if any("**" in part and part != "**" for part in parts):
        raise UsageError(f"{where}: ** stands for folders and is alone between slashes")
    if parts.count("**") > 1:
        raise UsageError(f"{where}: one ** is enough, as it stands for any number of folders")
    return text


def listed(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder by name.

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder itself, and no link to one."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def everything_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield all that lies below a folder with how deep it lies, folders before what is in them.

    Raises:
        OSError: a folder cannot be read.
    """
    stack = [(folder, 1)]
    while stack:
        place, depth = stack.pop()
        entries = listed(place)
        yield from ((Path(entry.path), depth) for entry in entries)
        below = [(Path(entry.path), depth + 1) for entry in entries if is_folder(entry)]
        stack += reversed(below)


def matches(pattern: Path, refuse: Refuse) -> list[Path]:
    """Return what a pattern matches, by name; stars match neither hidden names nor links."""
    parts = pattern.parts
    fixed = next(index for index, part in enumerate(parts) if has_magic(part))
    found = [Path(*parts[:fixed])]
    for part in parts[fixed:]:
        if part == "**":
            found = [below for folder in found for below in _folders(folder, refuse)]
        elif has_magic(part):
            found = [one for folder in found for one in _children(folder, part, refuse)]
        else:
            found = [one for folder in found if os.path.lexists(one := folder / part)]
    return sorted(dict.fromkeys(found))


def _children(folder: Path, part: str, refuse: Refuse) -> Iterator[Path]:
    if not is_dir(folder):
        return
    try:
        entries = listed(folder)
    except OSError as error:
        refuse(str(folder), f"cannot be read: {error.strerror}")
        return
    for entry in entries:
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if not hidden and fnmatch(entry.name, part):
            yield Path(entry.path)


def _folders(folder: Path, refuse: Refuse) -> Iterator[Path]:
    """Yield a folder and those below it; hidden ones and links are left out."""
    stack, count = [folder], 0
    while stack:
        place = stack.pop()
        yield place
        try:
            entries = listed(place)
        except OSError as error:
            if place != folder or is_dir(place):
                refuse(str(place), f"cannot be read: {error.strerror}")
            continue
        count += len(entries)
        if count > ENTRIES:
            refuse(str(folder), TOO_MANY)
            return
        below = [e for e in entries if is_folder(e) and not e.name.startswith(".")]
        stack += [Path(entry.path) for entry in reversed(below)]


TOO_MANY = f"it holds more than {ENTRIES:,} files and folders: name those to audit"
"""Why a search ends."""
