"""The folder of --html-dir: a page for each model, and one on all of them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from regaudit.cli.output import TOLD, emit, say
from regaudit.cli.paths import Named
from regaudit.cli.targets import Target
from regaudit.running.guard import released

if TYPE_CHECKING:
    from regaudit.pages.models_page import NamedPage

INDEX = "index.html"

_OURS = b'<meta name="generator" content="regaudit '
_HEAD = 4096
"""Bytes of a page in which that stands."""

_PAGE = re.compile(r"-[0-9a-f]{10}(-\d+)?\.html")
"""How the names of pages end."""


class Folder(Named):
    """The path of a folder that pages are written into."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from regaudit.storage.location import is_url, redacted_name

        if is_url(str(value)):
            self.fail(f"it is a folder, not a URL: {redacted_name(str(value))}", param, ctx)
        if str(value) == "-":
            self.fail("it is a folder, not standard output", param, ctx)
        return super().convert(value, param, ctx)


def target_of(folder: Path, others: Iterable[Target]) -> Target:
    """Return the page on all models of a folder, as a target.

    Args:
        folder: of --html-dir.
        others: what else is written; none of it may take the place of a page.

    Raises:
        click.UsageError: somebody else's file has its name, or the folder cannot be made.
    """
    for _, file in others:
        if file and _PAGE.search(file.name) and file.parent.resolve() == folder.resolve():
            raise click.UsageError(f"{file} has the name of a page of --html-dir: name another")
    above = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if above.exists() and not above.is_dir():
        raise click.UsageError(f"{folder} cannot be made: {above} is a file")
    _refuse_foreign(folder / INDEX)
    return Target("html", folder / INDEX)


def write_pages(folder: Path, pages: Iterable["NamedPage"]) -> None:
    """Write each page once it is made, that on all models last; say how many there are.

    Raises:
        click.UsageError: one cannot be written, or would replace what is not a page of regaudit.
    """
    from regaudit.report.spelling import count

    written = set()
    for page in pages:
        with released():
            _write(folder / page.name, page.content)
        written.add(page.name)
    say(f"written: {folder / INDEX} and {count(len(written) - 1, 'page')} of models", err=True)
    _say_left(folder, written)


def _write(file: Path, content: Any) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"{file.parent} cannot be made: {error.strerror}") from error
    _refuse_foreign(file)
    emit(content, file)


def _refuse_foreign(file: Path) -> None:
    """Refuse to replace what regaudit did not write, or to follow a link out of the folder."""
    if file.is_symlink():
        raise click.UsageError(f"{file} is a link, which is not followed: give another folder")
    if file.exists() and not _is_ours(file):
        raise click.UsageError(f"{file} is no page of regaudit: give another folder")


def _is_ours(file: Path) -> bool:
    from regaudit.storage.plain_file import open_plain

    try:
        with open_plain(file, follow_links=False) as stream:
            return _OURS in stream.read(_HEAD)
    except OSError:
        return False


def _say_left(folder: Path, written: set[str]) -> None:
    """Name pages of former reports: nothing leads to them any more."""
    there = sorted(one.name for one in folder.glob("*.html") if one.name not in written)
    left = [name for name in there if _PAGE.search(name) and _is_ours(folder / name)]
    for name in left[:TOLD]:
        say(f"{folder / name} is left of an earlier report: no page leads to it", err=True)
    if len(left) > TOLD:
        say(f"and {len(left) - TOLD:,} more pages of earlier reports", err=True)
