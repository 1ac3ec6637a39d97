"""Files that lie beside or below the one that was named: opened only if they are what they seem."""

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.place import Place


def beside(folder: Place, *parts: str) -> Place:
    """Return the path of a file in a folder, if that is where it lies.

    Args:
        folder: what the user named, or where the file lies that the user named.
        parts: names of the folders below it and of the file.

    Raises:
        UnreadableModelError: there is no such file.
        UnsafeFileError: it, or a folder on the way, is a link; or it is a pipe or a device.
    """
    place = folder
    for part in parts:
        place /= part
        if place.is_symlink():
            name = "/".join(parts)
            raise UnsafeFileError(
                f"{name}: {part!r} is a link that may lead anywhere: it is not followed; "
                "audit a copy that has the file itself"
            )
    if not place.exists():
        raise UnreadableModelError(f"part of the model is missing: there is no {'/'.join(parts)}")
    if not place.is_file():
        raise UnsafeFileError(f"{parts[-1]} is no file, but a folder, a pipe or a device")
    return place


def lies_in(folder: Place, name: str) -> bool:
    """Whether there is something of this name in a folder, be it a link that leads nowhere."""
    place = folder / name
    return place.exists() or place.is_symlink()
