"""The pages of the documentation, and the blocks of code on them.

A comment before a block says what the page does not show: `<!-- run: COMMAND -->` prepares
something, `<!-- file: NAME -->` has the block written to a file, and `<!-- after: PAGE -->` has the
first program of another page done before. `<!-- needs: WHAT -->` anywhere on a page says which test
follows it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from paths import ROOT

_FENCE = re.compile(r"^( *)```([\w{}-]*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (run|file|needs|after): (.*?) -->", re.DOTALL)

FOLLOWED_BY = {
    "": "tests/test_docs.py",
    "keras": "tests/test_docs.py",
    "sweep": "tests/test_sweep_page.py",
    "sweep keras": "tests/test_sweep_page.py",
    "stores": "tests/storage/test_stores.py",
    "dask": "tests/running/test_dask_cluster.py",
    "plug-in": "tests/plugins/test_example.py",
}
"""What a page needs, and the test that has it."""

NOT_FOLLOWED = (
    *("docs/_build/", "docs/changes/", "docs/rules/", "docs/reference/commands/"),
    *("docs/reference/settings.md", "docs/reference/json.md"),
)
"""Other pages: they are made from the code. tests/rules builds the examples of rules, and the build
of the documentation reads those of settings."""


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its text, and what a comment before it says."""

    language: str
    text: str
    line: int
    notes: list[tuple[str, str]] = field(default_factory=list)

    def note(self, kind: str) -> str | None:
        return next((value for name, value in self.notes if name == kind), None)

    def steps(self) -> Iterator[tuple[str, str]]:
        """Yield each command of a console, with what is shown below it."""
        for step in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            yield command, shown


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page; of a MyST directive none, it is no code."""
    found, last = [], 0
    fences = re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE)
    matches = list(_FENCE.finditer(text))
    assert len(fences) == 2 * len(matches), "a block that nobody reads"
    for match in matches:
        if match[2].startswith("{"):
            continue
        notes = _COMMENT.findall(text, last, match.start())
        body = re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
        found.append(Block(match[2], body, text.count("\n", 0, match.start()) + 1, notes))
        last = match.end()
    return found


def pages(need: str | None = None) -> list[str]:
    """Return the README and all pages of the documentation, or those with this need."""
    found = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    names = [file.relative_to(ROOT).as_posix() for file in found]
    names = [name for name in names if not name.startswith(NOT_FOLLOWED)]
    return [name for name in names if need is None or need_of(name) == need]


def need_of(page: str) -> str:
    text = (ROOT / page).read_text("utf-8")
    return next((value for kind, value in _COMMENT.findall(text) if kind == "needs"), "")


def program_of(page: str) -> str:
    """Return the first program of a page."""
    found = blocks((ROOT / page).read_text("utf-8"))
    return next(block.text for block in found if block.language == "python")
