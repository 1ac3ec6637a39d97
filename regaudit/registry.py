"""Everything plugged in: rules, formats and renderers, found by looking into their folders."""

import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from regaudit.format import Format
from regaudit.renderer import Renderer
from regaudit.rule import Rule


@cache
def rules() -> tuple[type[Rule], ...]:
    """Return the rules, by code."""
    found: list[type[Rule]] = [
        rule for module in _modules("regaudit.rules") for rule in _defined(module, Rule)
    ]
    return tuple(sorted(found, key=lambda rule: rule.about.code))


def formats() -> Iterator[Format]:
    """Yield the file formats, by module.

    Each is imported when it is its turn: most files are of the first.
    """
    for module in _modules("regaudit.formats"):
        found: list[type[Format]] = _defined(module, Format)
        yield from (plugin() for plugin in found)


@cache
def renderer(name: str) -> Renderer:
    """Return the output format of this name; its module is called the same.

    Only that module is imported: a run needs one or two of them.
    """
    found: list[type[Renderer]] = _defined(import_module(f"regaudit.renderers.{name}"), Renderer)
    return found[0]()


def _modules(package: str) -> Iterator[ModuleType]:
    """Import the modules of a package one by one, by name."""
    for found in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        yield import_module(found.name)


def _defined(module: ModuleType, kind: Any) -> list[Any]:
    """Return the classes of a kind that a module itself defines."""
    return [
        found
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, kind)
        and found.__module__ == module.__name__
    ]
