"""Models found by what a user names: a file, a folder, a pattern, a URL."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from glob import has_magic
from os.path import lexists
from pathlib import Path
from typing import NamedTuple

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.formats.interface import HEAD, Format, folder_format, formats
from regaudit.report.report import Failure, Report
from regaudit.storage.location import Location, is_url, redacted_name
from regaudit.storage.plain_file import open_plain
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
        yield target


def _of_match(path: Path, pattern: str, refuse: Refuse, nested: bool) -> Iterator[str]:
    """Yield what a match of a pattern means; its own last part may be a name that a user gives."""
    if is_link(path) and has_magic(Path(pattern).name) and not hub_blob(path):
        refuse(str(path), LINK)
    elif is_dir(path):
        yield from _in_folder(path, str(path), refuse, nested)
    else:
        yield str(path)


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
    stack = [(folder, kind, _entries(folder, refuse))]
    while stack:
        place, kind, entries = stack.pop()
        count += len(entries)
        if count > ENTRIES:
            refuse(str(folder), TOO_MANY)
            return
        inner: list[tuple[Path, Format | None, list[os.DirEntry[str]]]] = []
        for path in (Path(one.path) for one in entries if is_folder(one)):
            if path.name != "site-packages":
                held = _entries(path, refuse)
                found = _format(path) if _marked((one.name for one in held), kinds) else None
                if found:
                    yield str(path)
                inner.append((path, found, held))
        own = kind.folder_parts if kind else frozenset()
        rest = [one for one in entries if not is_folder(one)]
        links = [one.name for one in rest if one.is_symlink() and not hub_blob(Path(one.path))]
        files = _files_in(place, [one.name for one in rest], kinds, own.union(links))
        yield from (str(place / name) for name in files)
        for name in links:
            if name not in own and (why := _why_not(place / name, folder)):
                refuse(str(place / name), why)
        stack += reversed(inner)


def _files_in(
    folder: Path, names: list[str], kinds: Sequence[Format], left_out: Collection[str]
) -> list[str]:
    """Return the files of a folder that count as models: by name, or by how they begin."""
    found = {name for name in files_among(names, kinds) if name not in left_out}
    for kind in kinds:
        for name in names if kind.sniffed_suffixes else ():
            asked = name.endswith(kind.sniffed_suffixes) and name not in left_out
            if asked and name not in found and kind.looks_like(_head(folder / name)):
                found.add(name)
    return sorted(found)


def _head(file: Path) -> bytes:
    """Return how a file begins; nothing of one that cannot be read: it is nobody's model yet."""
    try:
        with open_plain(file, follow_links=False) as stream:
            return stream.read(HEAD)
    except OSError:
        return b""


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
