"""Where a model lies, in the terms of tools that know the repository and not the caller."""

from pathlib import Path

from regaudit.storage.container_names import split_name
from regaudit.storage.presence import exists


def relative(file: str, root: Path | None) -> str:
    """Return the path of a file below the top of a repository, with slashes.

    Args:
        file: as the user named it.
        root: absolute path of the top; None to leave the name as it is.

    Returns:
        The name itself for what lies elsewhere: a URL, a model in memory, another disk.
    """
    if root is not None and "://" not in file:
        path = Path(file).absolute()
        if exists(split_name(str(path))[0]) and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return Path(file).as_posix() if "://" not in file else file


def repository(start: Path) -> Path:
    """Return the top of the repository around a folder; the folder itself if there is none."""
    for folder in (start, *start.parents):
        if exists(folder / ".git"):
            return folder
    return start
