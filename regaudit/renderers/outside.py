"""Renderers of other distributions: loaded by their entry points, and held to what one is."""

from collections.abc import Sequence
from functools import cache

from regaudit.errors import PlugInError
from regaudit.plugins.calling import calling, loaded
from regaudit.plugins.installed import EntryPoint
from regaudit.renderers.interface import Renderer
from regaudit.report.escape import Escaped, page
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About


class _Outside(Renderer):
    """A renderer of another distribution: what it raises is its failure."""

    who: str
    inner: Renderer

    def missing(self) -> str:
        try:
            with calling(self.who):
                return str(self.inner.missing())
        except PlugInError:
            return ""  # rendering fails as well, and says so

    def render(
        self, reports: Sequence[Report], rules: Sequence[About], view: View
    ) -> Escaped | bytes:
        with calling(self.who):
            made: object = self.inner.render(reports, rules, view)
        if not isinstance(made, bytes if self.binary else str):
            kind, wanted = type(made).__name__, "bytes" if self.binary else "str"
            raise PlugInError(f"{self.who} failed: render returns {kind}, not {wanted}")
        if isinstance(made, bytes | Escaped):
            return made
        return page(str(made).removesuffix("\n").split("\n"))  # names in it are anybody's text


class _Broken(Renderer):
    """Stands for a renderer that cannot be loaded."""

    def __init__(self, error: PlugInError) -> None:
        self.error = error

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        raise self.error


@cache
def renderer_of(entry: EntryPoint) -> Renderer:
    """Load a renderer; what stands for one that cannot be loaded fails to render."""
    try:
        return _checked(entry)
    except PlugInError as error:
        return _Broken(error)


def _checked(entry: EntryPoint) -> Renderer:
    """Load a renderer.

    Raises:
        PlugInError: it cannot be imported, or is not what it should be.
    """
    kind: type[Renderer] = loaded(entry, Renderer)  # type: ignore[type-abstract]
    with calling(entry):
        inner = kind()
        facts = {"name": inner.name, "detailed": inner.detailed, "binary": inner.binary}
    if facts["name"] != entry.name:
        raise PlugInError(f"{entry} failed: it calls itself {facts['name']!r}")
    for name in ("detailed", "binary"):
        if not isinstance(facts[name], bool):
            raise PlugInError(f"{entry} failed: its {name} is neither True nor False")
    made: Renderer = type("Outside", (_Outside,), {**facts, "who": str(entry), "inner": inner})()
    return made
