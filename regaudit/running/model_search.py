"""Models found by what a user names: a file, a folder, a pattern, a URL."""

import os
from collections.abc import Callable, Iterable, Iterator
from glob import has_magic
from os.path import lexists
from pathlib import Path
from typing import NamedTuple

from regaudit.errors import UnreadableModelError, UnsafeFileError, shown
from regaudit.formats.interface import Format, folder_format, formats
from regaudit.report.report import Failure, Report
from regaudit.storage.checkpoint_files import (
    INDEX,
    NO_INDEX,
    STATE,
    in_order,
    index_name,
    index_of,
    read_state,
    renamed,
)
from regaudit.storage.location import Location, is_url, redacted_name
from regaudit.storage.presence import is_dir, is_link
from regaudit.storage.search import (
    ENTRIES,
    LINK,
    TOO_MANY,
    Refuse,
    is_folder,
    leads_outside,
    listed,
    matches,
    pattern_of,
)
from regaudit.storage.siblings import hub_blob


class Found(NamedTuple):
    """What a search came to."""

    models: list[str]
    refused: list[Report]
    """Failures of what was not looked into: links, and folders that cannot be read."""


def search(target: str, *, nested: bool = True) -> Found:
    """Return the models that a target means: itself, those below a directory, those of a glob.

    Args:
        target: a path, a URL or a pattern.
        nested: whether a directory that is a model is searched for others, too.

    Raises:
        UsageError: a pattern whose stars make no sense.
    """
    refused: dict[str, Report] = {}

    def refuse(path: str, why: str) -> None:
        refused[path] = Report(path, failure=Failure("UnsafeFileError", why))

    return Found(list(find_models(target, refuse, nested=nested)), list(refused.values()))


def find_models(
    target: str, refuse: Refuse = lambda _path, _why: None, *, nested: bool = True
) -> Iterator[str]:
    """Yield the models that a target means.

    Args:
        target: a path, a URL or a pattern.
        refuse: is told what was not looked into.
        nested: whether a directory that is a model is searched for others, too.

    Raises:
        UsageError: a pattern whose stars make no sense.
    """
    path = Path(target)
    if is_url(target):
        yield from _in_store(target, refuse)
    elif is_dir(path):
        yield from _in_folder(path, target, refuse, nested)
    elif has_magic(target) and not lexists(path):
        matched = matches(Path(pattern_of(target)), refuse)
        found = (_of_match(path, target, refuse, nested) for path in matched)
        yield from dict.fromkeys(file for files in found for file in files)
    else:
        yield from _named(path, target, refuse)


def _named(path: Path, name: str, refuse: Refuse) -> Iterator[str]:
    """Yield the model that a file is or is a part of, or the checkpoints that it lists.

    Args:
        path: of the file.
        name: how the user calls it.
        refuse: is told what is not there.
    """
    index = index_of(path)
    state = read_state(path) if path.name == STATE and index == path else []
    listed = [path.with_name(one + INDEX) for one in state]
    there = [one for one in listed if lexists(one)]
    if not there:
        yield renamed(name, path, index)
        return
    if listed[-1] not in there:
        refuse(name, _MISSING.format(shown(state[-1]), listed[-1].name))
    yield from (renamed(name, path, one) for one in there)


_MISSING = "it names {} as the latest checkpoint, and there is no {} beside it"


def _of_match(path: Path, pattern: str, refuse: Refuse, nested: bool) -> Iterator[str]:
    """Yield what a match of a pattern means; its own last part may be a name that a user gives."""
    if is_link(path) and has_magic(Path(pattern).name) and not hub_blob(path):
        refuse(str(path), LINK)
    elif is_dir(path):
        yield from _in_folder(path, str(path), refuse, nested)
    else:
        yield from _named(path, str(path), refuse)


def _in_folder(folder: Path, name: str, refuse: Refuse, nested: bool) -> Iterator[str]:
    """Yield a directory if it is a model, and those below it."""
    kind = _format(folder)
    if kind:
        yield name
    if nested or not kind:
        yield from _below(folder, kind, refuse)


def _format(folder: Path) -> Format | None:
    try:
        return folder_format(folder)
    except OSError:  # the search of it says why
        return None


def is_searched(url: str) -> bool:
    """Whether a URL means all models below it: it ends with a slash, or has a star."""
    return not url.startswith("http") and (url.endswith("/") or "*" in url)


def _in_store(url: str, refuse: Refuse) -> Iterator[str]:
    """Yield the models that a URL means."""
    if not is_searched(url):
        yield url
        return
    from regaudit.storage.remote_file import models_below  # noqa: PLC0415 - paths need none of it

    try:
        yield from models_below(url, models_among)
    except UnsafeFileError as error:  # not asked again: it took all its time, or lists too much
        refuse(redacted_name(url), str(error))
    except (UnreadableModelError, FileNotFoundError):
        yield url  # whose audit says why


def _below(folder: Path, kind: Format | None, refuse: Refuse) -> Iterator[str]:
    """Yield the models below a directory by name; hidden and installed folders are left out.

    Args:
        folder: the directory.
        kind: its format, if it is a model in itself.
        refuse: is told what was not looked into.
    """
    kinds = tuple(formats())
    count = 0
    parts = kind.folder_parts if kind else frozenset()
    stack = [(folder, parts, _entries(folder, refuse))]
    while stack:
        place, parts, entries = stack.pop()
        count += len(entries)
        if count > ENTRIES:
            refuse(str(folder), TOO_MANY)
            return
        inner: list[tuple[Path, frozenset[str], list[os.DirEntry[str]]]] = []
        for path in (Path(one.path) for one in entries if is_folder(one)):
            if path.name != "site-packages":
                held = _entries(path, refuse)
                found = _format(path) if _marked((one.name for one in held), kinds) else None
                if found:
                    yield str(path)
                start = f"{path.name}/"
                own = {part.removeprefix(start) for part in parts if part.startswith(start)}
                inner.append((path, found.folder_parts if found else frozenset(own), held))
        rest = [one for one in entries if not is_folder(one)]
        links = [one.name for one in rest if one.is_symlink() and not hub_blob(Path(one.path))]
        names = [one.name for one in rest]
        files = [name for name in files_among(names, kinds) if name not in parts]
        files = [name for name in files if name not in links]
        _refuse_shards(place, names, parts, refuse)
        yield from (str(place / name) for name in _in_order(place, names, files, refuse))
        for name in links:
            if name not in parts and (why := _why_not(place / name, folder)):
                refuse(str(place / name), why)
        stack += reversed(inner)


def _refuse_shards(folder: Path, names: list[str], parts: frozenset[str], refuse: Refuse) -> None:
    """Refuse the shards in a folder that no index is there for, one of each checkpoint."""
    there = {*names, *parts}
    lost: dict[str, str] = {}
    for name in names:
        index = index_name(name)
        if index is not None and index not in there:
            lost.setdefault(index, name)
    for index, name in lost.items():
        refuse(str(folder / name), NO_INDEX.format(shown(index)))


def _in_order(folder: Path, names: list[str], files: list[str], refuse: Refuse) -> list[str]:
    """Return the models of a folder in the order that a list of its checkpoints has.

    Args:
        folder: the folder.
        names: of all files in it.
        files: those that are models.
        refuse: is told what the list names and is not there.
    """
    state = read_state(folder / STATE) if STATE in names else []
    if state and state[-1] + INDEX not in names:
        refuse(str(folder / STATE), _MISSING.format(shown(state[-1]), shown(state[-1] + INDEX)))
    return in_order(files, state)


def _entries(folder: Path, refuse: Refuse) -> list[os.DirEntry[str]]:
    """Return what is in a folder, hidden things apart; nothing where it cannot be read."""
    try:
        return [one for one in listed(folder) if not one.name.startswith(".")]
    except OSError as error:
        refuse(str(folder), f"cannot be read: {error.strerror}")
        return []


def _marked(names: Iterable[str], kinds: Iterable[Format]) -> bool:
    """Whether a folder may be a model, by the names in it."""
    marks = {kind.folder_marks[0] for kind in kinds if kind.folder_marks}
    return not marks.isdisjoint(names)


def _why_not(link: Path, searched: Path) -> str:
    """Say that a link is not followed where it would be a model; empty for what is found anyway."""
    named = link.name.endswith(tuple(suffix for kind in formats() for suffix in kind.suffixes))
    if not named and not (is_dir(link) and _format(link)):
        return ""
    return LINK if leads_outside(link, searched) else ""


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
