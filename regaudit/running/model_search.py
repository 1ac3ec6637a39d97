"""Models found by what a user names: a file, a folder, a pattern, a URL."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from glob import has_magic
from os.path import lexists
from pathlib import Path
from typing import NamedTuple

from regaudit.auditing.among_files import files_among, is_named_like_container, models_among
from regaudit.errors import RegauditError, UnreadableModelError, UnsafeFileError, shown
from regaudit.formats.interface import HEAD, Format, folder_format, formats
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
from regaudit.storage.container_marks import may_be_container
from regaudit.storage.container_names import is_named_like_one, joined_name, split_name
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
        yield from _in_store(target, refuse, nested)
    elif is_dir(path):
        yield from _in_folder(path, target, refuse, nested)
    elif has_magic(target) and not lexists(path) and not split_name(target)[1]:
        matched = matches(Path(pattern_of(target)), refuse)
        found = (_of_match(path, target, refuse, nested) for path in matched)
        yield from dict.fromkeys(file for files in found for file in files)
    else:
        yield from _in_container(target, refuse, nested)


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
        yield from _in_container(str(path), refuse, nested)


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


def _in_container(name: str, refuse: Refuse, nested: bool, *, met: bool = False) -> Iterator[str]:
    """Yield the models in an archive or a compressed file; any other file is one by itself.

    Args:
        name: of the file.
        refuse: is told what was not looked into.
        nested: whether an archive that is a model is searched for others, too.
        met: whether a search met it: then it is left out if there is nothing in it.
    """
    try:
        found = _contained(Path(name), name, refuse, nested)
    except (RegauditError, OSError):
        found = None  # the audit says why
    if found or (met and found is not None):
        yield from found
    else:
        yield from _named(Path(name), name, refuse)


def _contained(file: Location, name: str, refuse: Refuse, nested: bool) -> list[str] | None:
    """Return the names of the models in a container; None for what is none."""
    if not may_be_container(file):
        return None
    from regaudit.auditing.containers import (  # noqa: PLC0415 - most models are in none
        NESTED,
        archives_in,
        looked_into,
        models_in,
    )

    container = looked_into(file)
    if container is None:
        return None
    models, inner = models_in(container), archives_in(container)
    if inner and not models:
        return None  # which its audit says
    if inner and nested:
        more = f" ({len(inner) - 1:,} more of them)" if len(inner) > 1 else ""
        refuse(redacted_name(joined_name(name, inner[0])), f"{NESTED}{more}")
    whole = "" in models and not nested
    return [joined_name(name, one) for one in models if not (whole and one)]


def is_searched(url: str) -> bool:
    """Whether a URL means all models below it: it ends with a slash, or has a star."""
    return not url.startswith("http") and (url.endswith("/") or "*" in url)


def _in_store(url: str, refuse: Refuse, nested: bool) -> Iterator[str]:
    """Yield the models that a URL means."""
    if not is_searched(url):
        yield from _in_store_container(url, refuse, nested)
        return
    from regaudit.storage.remote_file import models_below  # noqa: PLC0415 - paths need none of it

    try:
        yield from models_below(url, _among_in_store)
    except UnsafeFileError as error:  # not asked again: it took all its time, or lists too much
        refuse(redacted_name(url), str(error))
    except (UnreadableModelError, FileNotFoundError):
        yield url  # whose audit says why


def _in_store_container(url: str, refuse: Refuse, nested: bool) -> Iterator[str]:
    """Yield the models in what a URL leads to, if that is named like a container."""
    if not is_named_like_one(url) or split_name(url)[1]:
        yield url
        return
    from regaudit.storage.remote_file import reached  # noqa: PLC0415 - paths need none of it

    try:
        with reached(url) as file:
            found = _contained(file, url, refuse, nested)
    except (RegauditError, OSError):
        found = None  # the audit says why
    yield from found or [url]


def _among_in_store(names: list[str], there: Callable[[str], Location]) -> set[str]:
    """Return the models among the files of a folder; what is in containers their audit finds."""
    return models_among(names, there) | set(filter(is_named_like_container, names))


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
        files = _files_in(place, names, kinds, parts.union(links))
        _refuse_shards(place, names, parts, refuse)
        yield from (str(place / name) for name in _in_order(place, names, files, refuse))
        for name in names:
            if is_named_like_container(name) and name not in links:
                yield from _in_container(str(place / name), refuse, nested=True, met=True)
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
    named |= is_named_like_container(link.name)
    if not named and not (is_dir(link) and _format(link)):
        return ""
    return LINK if leads_outside(link, searched) else ""
