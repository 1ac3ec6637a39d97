"""What a renderer is: something that turns reports into text, or into the bytes of a file."""

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import IO, ClassVar

from regaudit.discovery import defined, names
from regaudit.errors import UsageError
from regaudit.plugins.installed import RENDERERS, entry_points
from regaudit.report.escape import Escaped, by_format
from regaudit.report.report import Report
from regaudit.report.streams import Stream, acts
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


class StreamingRenderer(Renderer):
    """A format that is written as models are audited, and never needs all reports at once."""

    @abstractmethod
    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        """Return what a report adds, as the stream takes it."""

    def is_part(self, part: bytes) -> bool:
        """Whether a stream can take it: a file may have taken over the process that made it."""
        return self.binary or not acts(part)

    @abstractmethod
    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> Stream:
        """Begin an output."""

    def render(
        self, reports: Sequence[Report], rules: Sequence[About], view: View
    ) -> Escaped | bytes:
        content = io.BytesIO()
        stream = self.stream(content, rules, view)
        for report in reports:
            stream.add(self.part(report, rules, view))
        stream.end()
        return content.getvalue() if self.binary else by_format(content.getvalue().decode())


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


def streaming(name: str) -> StreamingRenderer | None:
    """Return an output format if it can be written in parts."""
    found = renderer(name)
    return found if isinstance(found, StreamingRenderer) else None
