"""Everything plugged in: rules, formats and renderers, found by looking into their folders."""

import inspect
import pkgutil
from functools import cache
from importlib import import_module
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
def renderers() -> dict[str, Renderer]:
    """Return the output formats, by name."""
    found: list[type[Renderer]] = _plugins("regaudit.renderers", Renderer)
    return {plugin.name: plugin() for plugin in sorted(found, key=lambda plugin: plugin.name)}


def _plugins(package: str, kind: Any) -> list[Any]:
    """Return the classes of a kind that the modules of a package define."""
    modules = [
        import_module(module.name)
        for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
    ]
    return [
        found
        for module in modules
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, kind) and found.__module__ == module.__name__
    ]
