"""Which of many files are models: by name, and folders by what is in them."""

from collections.abc import Callable, Iterable

from regaudit.formats.interface import Format, folder_format, formats
from regaudit.storage.container_names import ARCHIVES, COMPRESSED
from regaudit.storage.location import Location


def files_among(names: Iterable[str], kinds: Iterable[Format] | None = None) -> list[str]:
    """Return the files among these that count as models, by name; hidden ones do not.

    Args:
        names: of the files, or their paths.
        kinds: the formats.
    """
    known = tuple(kinds or formats())
    suffixes = tuple(suffix for kind in known for suffix in kind.suffixes)
    found = {name for name in names if name.endswith(suffixes)}
    return sorted(
        name
        for name in found
        if not name.rpartition("/")[2].startswith(".")
        and not any(kind.listed_in(name) in found for kind in known)
    )


def models_among(names: list[str], there: Callable[[str], Location]) -> set[str]:
    """Return the models among all files of a store's folder: files, and folders that are models.

    Args:
        names: paths of the files.
        there: returns what lies at a path.
    """
    kinds = tuple(formats())
    marks = tuple(f"/{kind.folder_marks[0]}" for kind in kinds if kind.folder_marks)
    marked = {name.rpartition("/")[0] for name in names if name.endswith(marks)}
    folders = {folder: kind for folder in marked if (kind := folder_format(there(folder)))}
    own = {f"{folder}/{part}" for folder, kind in folders.items() for part in kind.folder_parts}
    files = {name for name in files_among(names, kinds) if name not in own}
    return files | set(folders)


def is_named_like_container(name: str) -> bool:
    """Whether a search looks into a file of this name."""
    if not name.endswith((*ARCHIVES, *COMPRESSED)):
        return False
    models = (suffix + end for kind in formats() for suffix in kind.suffixes for end in COMPRESSED)
    return name.endswith((*ARCHIVES, *models))
