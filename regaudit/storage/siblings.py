"""Files next to or below the one that was named: opened only if they are what they seem."""

import re
from collections.abc import Callable
from os.path import lexists, realpath
from pathlib import Path
from stat import S_ISREG

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.storage.lfs_pointer import LONGEST, is_pointer, pointer
from regaudit.storage.location import Location
from regaudit.storage.presence import is_file, is_link


def beside(folder: Location, *parts: str) -> Location:
    """Return the path of a file in a folder, if that is where it lies.

    Args:
        folder: what the user named, or where the file lies that the user named.
        parts: names of the folders below it and of the file.

    Raises:
        UnreadableModelError: there is no such file, we may not look, or it is a Git LFS pointer.
        UnsafeFileError: it, or a folder on the way, is a link, but for those of a hub's cache; or
            it is a pipe or a device.
        OSError: it cannot be opened.
    """
    place = folder
    for part in parts:
        place /= part
        if isinstance(place, Path) and is_link(place):
            blob = hub_blob(place)
            if blob is None or part != parts[-1]:
                name = "/".join(parts)
                raise UnsafeFileError(
                    f"{name}: {part!r} is a link, and links are not followed: "
                    "audit a copy that has the file itself"
                )
            place = blob
    try:
        status = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        missing = f"part of the model is missing: there is no {'/'.join(parts)}"
        raise UnreadableModelError(missing) from None
    except OSError as error:
        why = f"{'/'.join(parts)} cannot be read: {error.strerror}"
        raise UnreadableModelError(why) from None
    if not S_ISREG(status.st_mode):
        raise UnsafeFileError(f"{parts[-1]} is a folder, a pipe or a device, not a file")
    if status.st_size < LONGEST and _is_pointer(place):
        raise UnreadableModelError(f"{'/'.join(parts)} is {pointer('the file')}")
    return place


def _is_pointer(file: Location) -> bool:
    with file.open("rb") as stream:
        return is_pointer(stream.read(LONGEST))


def hub_blob(link: Path) -> Path | None:
    """Return the file behind a link of the cache that Hugging Face's hub keeps.

    There `models--NAME/snapshots/REVISION/...` are links to `models--NAME/blobs/HASH`, the files as
    they were fetched. None for every other link: one that leaves its model's own blobs, or whose
    blob is again a link, may lead anywhere.
    """
    for folder in Path(realpath(link.parent)).parents:
        if folder.name == "snapshots" and folder.parent.name.startswith("models--"):
            blob = Path(realpath(link))
            is_blob = blob.parent == folder.parent / "blobs" and _HASH.fullmatch(blob.name)
            return blob if is_blob and is_file(blob) else None
    return None


_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""Git's of a small file, SHA-256 of one in LFS."""


def is_inside(folder: Location, name: str) -> bool:
    """Whether a folder has something of this name, even a link that leads nowhere."""
    place = folder / name
    return lexists(place) if isinstance(place, Path) else place.exists()


def names_in(folder: Location) -> list[str]:
    """Return the names of what lies in a folder, sorted; none of one that cannot be listed."""
    if not isinstance(folder, Path):
        listed: Callable[[], list[str]] = getattr(folder, "names", list)
        return listed()
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return []
