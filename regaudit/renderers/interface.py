"""What a renderer is: something that turns reports into text, or into the bytes of a file."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import ClassVar

from regaudit.discovery import defined, names
from regaudit.errors import UsageError
from regaudit.plugins.installed import RENDERERS, entry_points
from regaudit.report.escape import Escaped
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class Renderer(ABC):
    """One output format; each lives in a module of `regaudit.renderers`."""

    name: ClassVar[str]
    """As `--format` calls it."""
    detailed: ClassVar[bool] = False
    """Whether it shows what an audit measures only on request: SHA-256, histograms, settings."""
    binary: ClassVar[bool] = False
    """Whether it makes bytes, which go into a file, `-o FILE.NAME`, and never to a terminal."""

    def missing(self) -> str:
        """Say what the format needs that is not installed, and how to install it; else nothing."""
        return ""

    @abstractmethod
    def render(
        self, reports: Sequence[Report], rules: Sequence[About], view: View
    ) -> Escaped | bytes:
        """Return the reports as text that ends in a newline, or as bytes."""


def renderer(name: str) -> Renderer:
    """Return the output format of this name, our own or that of a plug-in in use.

    Only that one is imported: a run needs one or two of them.

    Raises:
        UsageError: there is none, or plug-ins clash.
    """
    if name in names(RENDERERS):
        return _own(name)
    entry = entry_points(RENDERERS).get(name)
    if entry is None:
        raise UsageError(f"no plug-in in use has a format {name}")
    found: Renderer = import_module("regaudit.renderers.outside").renderer_of(entry)
    return found


@cache
def _own(name: str) -> Renderer:
    """Return one of our own; its module is called the same."""
    found: list[type[Renderer]] = defined(import_module(f"{RENDERERS}.{name}"), Renderer)
    return found[0]()
