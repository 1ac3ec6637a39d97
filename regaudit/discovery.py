"""Plug-ins: classes found by looking into the modules of a package."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any


def modules(package: str) -> Iterator[ModuleType]:
    """Import the modules of a package one by one, by name."""
    for found in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        yield import_module(found.name)


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
