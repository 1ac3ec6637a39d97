"""Everything plugged in: rules, formats and renderers, found by looking into their folders."""

from functools import cache
from importlib import import_module

from regaudit.discovery import defined
from regaudit.renderer import Renderer


@cache
def renderer(name: str) -> Renderer:
    """Return the output format of this name; its module is called the same.

    Only that module is imported: a run needs one or two of them.
    """
    found: list[type[Renderer]] = defined(import_module(f"regaudit.renderers.{name}"), Renderer)
    return found[0]()
