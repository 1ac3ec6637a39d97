"""Everything plugged in: rules, formats and renderers, found by looking into their folders."""

import inspect
import pkgutil
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
    found: list[type[Rule]] = _plugins("regaudit.rules", Rule)
    return tuple(sorted(found, key=lambda rule: rule.about.code))


@cache
def formats() -> tuple[Format, ...]:
    """Return the file formats, by name."""
    found: list[type[Format]] = _plugins("regaudit.formats", Format)
    return tuple(plugin() for plugin in sorted(found, key=lambda plugin: plugin.name))


@cache
def renderer(name: str) -> Renderer:
    """Return the output format of this name; its module is called the same.

    Only that module is imported: a run needs one or two of them.
    """
    found: list[type[Renderer]] = _defined(import_module(f"regaudit.renderers.{name}"), Renderer)
    return found[0]()


def _plugins(package: str, kind: Any) -> list[Any]:
    """Return the classes of a kind that the modules of a package define."""
    names = pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
    return [found for name in names for found in _defined(import_module(name.name), kind)]


def _defined(module: ModuleType, kind: Any) -> list[Any]:
    """Return the classes of a kind that a module itself defines."""
    return [
        found
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, kind)
        and found.__module__ == module.__name__
    ]
