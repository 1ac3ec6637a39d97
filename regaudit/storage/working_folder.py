"""The folder that the program runs in, which may have been removed since."""

from pathlib import Path

GONE = "the current folder is gone: change to another one, or give absolute paths"
"""What to say where a path needs it."""


def working_folder() -> Path | None:
    """Return its path; None where it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return None


def is_of_folder_gone(error: Exception) -> bool:
    """Whether that is why a path could not be completed."""
    return isinstance(error, FileNotFoundError) and working_folder() is None
