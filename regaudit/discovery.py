"""Rules, formats and renderers of our own: classes found by looking into a package's modules."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any


def names(package: str) -> list[str]:
    """Return the modules of a package, but those that say what is in it, and what comes to it."""
    found = pkgutil.iter_modules(import_module(package).__path__)
    return sorted(module.name for module in found if module.name not in {"interface", "outside"})


def modules(package: str) -> Iterator[ModuleType]:
    """Import these modules one by one, by name."""
    for name in names(package):
        yield import_module(f"{package}.{name}")


def defined(module: ModuleType, kind: Any) -> list[Any]:
    """Return the classes of a kind that a module itself defines, abstract ones apart."""
    return [
        found
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, kind)
        and found.__module__ == module.__name__
        and not inspect.isabstract(found)
    ]
