"""Which rules, formats and renderers other distributions add, by their entry points.

    [project.entry-points."regaudit.rules"]
    ACME101 = "acme_rules.rules:LayerWithoutName"

An entry point has the name of what it adds: a rule's code, a format's or a renderer's name. So all
names, and those that clash, are known before any of it is imported.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.machinery import PathFinder
from typing import NamedTuple

from regaudit.discovery import names
from regaudit.errors import UsageError, shown

RULES, FORMATS, RENDERERS = "regaudit.rules", "regaudit.formats", "regaudit.renderers"
"""Groups of entry points, and the packages that hold regaudit's own."""

CODE = r"[A-Z]{2,8}[0-9]{3,4}"
"""What the code of a rule looks like."""
RESERVED = "REG"
"""Begins the codes of regaudit's own rules, and of no others."""
NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
"""What the name of a rule, a format or a renderer looks like."""

_KINDS = {RULES: "rule", FORMATS: "format", RENDERERS: "renderer"}
_WAY_OUT = (
    'uninstall one, or say which to use: plugins = ["{}"] in the settings, or --no-plugins for none'
)

Selection = tuple[str, ...] | None
"""The distributions whose plug-ins are used; None for all that are installed."""


class EntryPoint(NamedTuple):
    """One rule, format or renderer of another distribution."""

    group: str
    name: str
    value: str
    """Where it is: `module:Class`."""
    distribution: str
    version: str

    @property
    def source(self) -> str:
        """Whose it is: `acme-rules 1.0`."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        """Name it in a message: `rule ACME101 of acme-rules 1.0`."""
        return f"{_KINDS[self.group]} {self.name} of {self.source}"


_SELECTED: ContextVar[Selection] = ContextVar("plugins", default=None)


def selected() -> Selection:
    """Return the distributions whose plug-ins are used where this is called."""
    return _SELECTED.get()


@contextmanager
def using(selection: Selection) -> Iterator[None]:
    """Use the plug-ins of these distributions inside the `with`, in this thread."""
    token = _SELECTED.set(selection)
    try:
        yield
    finally:
        _SELECTED.reset(token)


def entry_points(group: str) -> dict[str, EntryPoint]:
    """Return what the plug-ins in use add to a group, by name.

    Raises:
        UsageError: two of them clash, one has a name that it cannot have, or a distribution that
            the settings name is not installed.
    """
    return {one.name: one for one in in_use() if one.group == group}


def in_use() -> tuple[EntryPoint, ...]:
    """Return everything that the plug-ins in use add; raises as `entry_points`."""
    if selected() == ():
        return ()
    found = installed()
    return _checked(found, selected()) if found or selected() else ()


def versions() -> dict[str, str]:
    """Return the distributions in use with their versions."""
    return {one.distribution: one.version for one in in_use()}


def is_outside(code: str) -> bool:
    """Whether a code can only be of another distribution."""
    return bool(re.fullmatch(CODE, code)) and not code.startswith(RESERVED)


def normalized(name: str) -> str:
    """Return the name of a distribution as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _checked(found: tuple[EntryPoint, ...], selection: Selection) -> tuple[EntryPoint, ...]:
    there = {normalized(one.distribution) for one in found}
    for name in selection or ():
        if name not in there:
            known = f"; installed: {', '.join(sorted(there))}" if there else ""
            raise UsageError(
                f"plugins: no distribution {shown(name)} with plug-ins is installed{known}"
            )
    used = [one for one in found if selection is None or normalized(one.distribution) in selection]
    for one in used:
        _check_name(one)
    own = {(RENDERERS, name) for name in names(RENDERERS)} if used else set()
    first: dict[tuple[str, str], EntryPoint] = {}
    for one in used:
        key = one.group, one.name
        if key in own:
            refuse_clash(f"the {_KINDS[one.group]} {one.name}", None, one)
        if key in first:
            refuse_clash(f"the {_KINDS[one.group]} {one.name}", first[key], one)
        first[key] = one
    return tuple(used)


def _check_name(one: EntryPoint) -> None:
    of_rule = one.group == RULES
    if of_rule and not is_outside(one.name):
        raise UsageError(
            f"{one.source} calls a rule {shown(one.name)}: codes of plug-ins are 2 to 8 capital "
            f"letters that do not begin with {RESERVED}, and 3 or 4 digits, such as ACME101 "
            "(--no-plugins leaves all plug-ins out)"
        )
    if not of_rule and not re.fullmatch(NAME, one.name):
        raise UsageError(
            f"{one.source} calls a {_KINDS[one.group]} {shown(one.name)}: names are small letters "
            "and digits, with dashes between words (--no-plugins leaves all plug-ins out)"
        )


def refuse_clash(what: str, one: EntryPoint | None, other: EntryPoint) -> None:
    """Refuse that two distributions add the same thing.

    Args:
        what: both add.
        one: of them; None for regaudit itself.
        other: the other one.

    Raises:
        UsageError: always.
    """
    first = one.source if one else "regaudit itself"
    keep = one.distribution if one else "another-distribution"
    raise UsageError(f"{what} is both of {first} and of {other.source}: {_WAY_OUT.format(keep)}")


def installed() -> tuple[EntryPoint, ...]:
    """Return all entry points of other distributions that are for regaudit, used or not.

    What lies in the working directory is not installed, though `python -m regaudit` would find it.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 - as sys.path has it
    except OSError:
        here = ""
    return _installed(tuple(dict.fromkeys(one for one in sys.path if one not in {"", here})))


@cache
def _installed(places: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    others = any(
        hasattr(finder, "find_distributions") for finder in sys.meta_path if finder != PathFinder
    )
    if not others and not any(map(_may_have, places)):
        return ()
    from importlib.metadata import distributions  # noqa: PLC0415 - takes longer than an audit

    found: dict[str, list[EntryPoint]] = {}
    for one in distributions(path=list(places)):
        points = [point for point in one.entry_points if point.group in _KINDS]
        if points:
            name = str(one.metadata["Name"])
            added = [
                EntryPoint(p.group, p.name, p.value, name, one.version)
                for p in sorted(points, key=lambda point: (point.group, point.name))
            ]
            found.setdefault(normalized(name), added)  # the first on the path is what is imported
    return tuple(point for name in sorted(found) for point in found[name])


def _may_have(place: str) -> bool:
    """Whether a folder of `sys.path` may hold a distribution with entry points for regaudit.

    `importlib.metadata` would answer as well, but takes as long to import as a small audit.
    """
    try:
        held: Iterable[str] = os.listdir(place)  # noqa: PTH208 - no need for paths
    except NotADirectoryError:
        return True  # an archive
    except OSError:
        return False
    ours = (one for one in held if one.endswith((".dist-info", ".egg-info")))
    return any(_mentions(f"{place}/{one}") for one in ours)


def _mentions(distribution: str) -> bool:
    try:
        with open(f"{distribution}/entry_points.txt", "rb") as file:  # noqa: PTH123 - as above
            return b"[regaudit." in file.read()
    except OSError:
        return False
