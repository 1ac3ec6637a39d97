"""What lies below a folder or matches a pattern: without recursion, and without following links."""

import os
import re
from collections.abc import Callable, Iterator
from errno import EACCES
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path

from regaudit.errors import UsageError, shown
from regaudit.storage.presence import exists, is_dir, is_link

ENTRIES = 1_000_000
"""Most files and folders that one search looks at."""

LEFT_OUT = re.compile(r"/(\.[^/]*|site-packages)/")
"""In the path of what a search leaves out: in stores and archives, too."""

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
    """Return the entries of a folder by name; those that are numbers, such as steps, by number.

    Raises:
        OSError: it cannot be read, or its names can be, but nothing of what they stand for.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: _by_number(entry.name))
    if found and not os.access(folder, os.X_OK):
        raise PermissionError(EACCES, os.strerror(EACCES), str(folder))
    return found


def _by_number(name: str) -> tuple[str, str]:
    return name.zfill(20) if name.isascii() and name.isdigit() else name, name


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
    """Return what a pattern matches, by name.

    Stars match neither hidden names nor folders behind links; a link that the last part matches is
    returned as it is.
    """
    parts = pattern.parts
    fixed = next(index for index, part in enumerate(parts) if has_magic(part))
    top = Path(*parts[:fixed])
    found = [top]
    for index, part in enumerate(parts[fixed:], fixed + 1):
        if part == "**":
            found = [below for folder in found for below in _folders(folder, refuse)]
        elif has_magic(part):
            found = [one for folder in found for one in _children(folder, part, refuse)]
            if index < len(parts):
                found = [one for one in found if not _is_link_to_folder(one, top, refuse)]
        else:
            found = [one for folder in found if _is_there(one := folder / part, refuse)]
    return sorted(dict.fromkeys(found))


def leads_outside(link: Path, searched: Path) -> bool:
    """Whether what is behind a link is not found in a folder that is searched anyway."""
    there, top = Path(os.path.realpath(link)), Path(os.path.realpath(searched))
    return not (exists(there) and there.is_relative_to(top))


def _is_link_to_folder(path: Path, searched: Path, refuse: Refuse) -> bool:
    if not is_link(path):
        return False
    if is_dir(path) and leads_outside(path, searched):
        refuse(str(path), LINK)
    return True


def _is_there(path: Path, refuse: Refuse) -> bool:
    try:
        path.lstat()
    except PermissionError as error:
        refuse(str(path), f"cannot be read: {error.strerror}")
    except OSError:
        pass
    else:
        return True
    return False


def _children(folder: Path, part: str, refuse: Refuse) -> Iterator[Path]:
    for entry in _entries(folder, refuse):
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if not hidden and fnmatch(entry.name, part):
            yield Path(entry.path)


def _folders(folder: Path, refuse: Refuse) -> Iterator[Path]:
    """Yield a folder and those below it; hidden ones and links are left out."""
    stack, count = [folder], 0
    while stack:
        place = stack.pop()
        yield place
        entries = _entries(place, refuse)
        count += len(entries)
        if count > ENTRIES:
            refuse(str(folder), TOO_MANY)
            return
        below = [e for e in entries if is_folder(e) and not e.name.startswith(".")]
        stack += [Path(entry.path) for entry in reversed(below)]


def _entries(folder: Path, refuse: Refuse) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing where there is none, or where it cannot be read."""
    try:
        return listed(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        refuse(str(folder), f"cannot be read: {error.strerror}")
        return []


LINK = "a link, and links are not followed where models are searched: name it to audit it"
"""Why a link is left out."""
TOO_MANY = f"it holds more than {ENTRIES:,} files and folders: name those to audit"
"""Why a search ends."""
