"""Everything plugged in: rules, formats and renderers, found by looking into their folders."""

from functools import cache
from importlib import import_module

from regaudit.discovery import defined, modules
from regaudit.renderer import Renderer
from regaudit.rule import Rule


@cache
def rules() -> tuple[type[Rule], ...]:
    """Return the rules, by code."""
    found: list[type[Rule]] = [
        rule for module in modules("regaudit.rules") for rule in defined(module, Rule)
    ]
    return tuple(sorted(found, key=lambda rule: rule.about.code))


@cache
def renderer(name: str) -> Renderer:
    """Return the output format of this name; its module is called the same.

    Only that module is imported: a run needs one or two of them.
    """
    found: list[type[Renderer]] = defined(import_module(f"regaudit.renderers.{name}"), Renderer)
    return found[0]()
