"""The models in an archive, or in a file that is compressed: found as in a folder."""

from pathlib import Path

from regaudit.auditing.among_files import is_named_like_container, models_among
from regaudit.errors import ForeignDataError, UnreadableModelError, UnsafeFileError
from regaudit.formats.interface import HEAD, formats
from regaudit.storage.checkpoint_files import in_order, index_of
from regaudit.storage.container import Container, Member, missing, opened
from regaudit.storage.container_marks import head_of, is_zip, may_be_container
from regaudit.storage.container_names import split_name
from regaudit.storage.location import Location
from regaudit.storage.search import LEFT_OUT
from regaudit.storage.standard_input import NAME

NOT_PIPED = "give it as a file, as standard input is one model"
NESTED = "an archive in an archive, which is not looked into: take it out and audit it by itself"


def models_in(container: Container) -> list[str]:
    """Return the paths of the models in a container, sorted; empty for all of it.

    Raises:
        UnreadableModelError: it is damaged or unsafe.
    """
    if container.only:
        return [""]
    # A slash in front: the archive itself may be a model.
    names = _shown(container)
    found = models_among(names, lambda path: container.at(path.lstrip("/")))
    parts = {part for kind in formats() for part in (*kind.folder_marks, *kind.folder_parts)}
    own = {f"{name}/{part}" for name in found for part in parts}
    begun = [name for name in names if name not in own and _begins_like_model(container, name)]
    return in_order(path.lstrip("/") for path in {*found, *begun})


def _begins_like_model(container: Container, name: str) -> bool:
    """Whether a member whose name does not say it begins as a model does."""
    asked = [kind for kind in formats() if name.endswith(kind.sniffed_suffixes)]
    part = container.part(name.lstrip("/"))
    if not asked or part is None or part.fault or name.rpartition("/")[2].startswith("."):
        return False
    with container.at(name.lstrip("/")).open("rb") as stream:
        head = stream.read(HEAD)
    return any(kind.looks_like(head) for kind in asked)


def archives_in(container: Container) -> list[str]:
    """Return the paths of members that are named like containers."""
    names = [name.lstrip("/") for name in _shown(container)]
    return [name for name in names if not container.only and is_named_like_container(name)]


def model_at(file: Location, member: str) -> Location:
    """Return what an audit reads: the model in a container, or the file itself if it is none.

    Args:
        file: as the user named it.
        member: the path of the model there, empty for the one that there is.

    Raises:
        UnreadableModelError: there is no such model, or not one.
    """
    container = looked_into(file)
    if container is None:
        if member:
            raise UnreadableModelError("no such file: what it would lie in is not an archive")
        return file
    if not member:
        return _the_one(container, file)
    place = container.at(member)
    if container.only or not index_of(place).exists():
        raise UnreadableModelError(missing(container, member))
    return _plain(place)


def _the_one(container: Container, file: Location) -> Location:
    """Return the model that a container holds, if it holds one, or is one itself."""
    if container.only:
        return _plain(container.at(container.only))
    models = models_in(container)
    if "" in models or len(models) == 1:
        return _plain(container.at(models[0]))
    if models:
        what = f"{container.kind} with {len(models):,} models"
        one = f"name one of them, such as {file.name}/{models[0]}"
        raise UnreadableModelError(f"{what}: {one if file.name != NAME else NOT_PIPED}")
    if container.kind == "a zip archive" and not file.name.endswith(".zip"):
        return file  # such as PyTorch's: formats know what it is
    inner = archives_in(container)
    more = f"; {inner[0]!r} in it is {NESTED}" if inner else ""
    raise ForeignDataError(f"{container.kind} without a saved Keras model{more}")


def refuse_inside(name: str) -> None:
    """Refuse a model in a container, for what needs a file of its own.

    Args:
        name: of the model, as it was audited.

    Raises:
        UnreadableModelError: it is in one.
    """
    file, member = split_name(name)
    if not member and not looked_into(Path(file)):
        return
    what = "a model in an archive or a compressed file is only read"
    raise UnreadableModelError(f"{what}: unpack it, and name what comes out")


def looked_into(file: Location) -> Container | None:
    """Return a file as a container; None if it is none, or is named like a model in itself."""
    named = tuple(suffix for kind in formats() for suffix in kind.suffixes)
    if file.name.endswith(named) or not may_be_container(file):
        return None
    return opened(file)


def _plain(place: Member) -> Member:
    """Return a member unless it is a container in turn.

    Raises:
        UnsafeFileError: it is one, or cannot be read.
    """
    if may_be_container(place) and not is_zip(head_of(place)):  # which may be a model
        raise UnsafeFileError(NESTED)
    return place


def _shown(container: Container) -> list[str]:
    """Return the paths of all members, with a slash in front, but what a search leaves out."""
    names = [f"/{name}" for name in container.names]
    return [name for name in names if not LEFT_OUT.search(name)]
