"""Names of files on the command line: models, what is read beside them, and outputs."""

from pathlib import Path
from typing import Any

import click

STANDARD_OUTPUT = Path("/dev/stdout")
"""What `-` stands for where a file is written."""


class Named(click.Path):
    """A path that is not empty: Python takes the empty one for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("the name is empty: give the name of a file", param, ctx)
        return super().convert(value, param, ctx)


class LocalModel(Named):
    """The path of a model for commands that do more than read it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from regaudit.storage.location import is_url

        if is_url(str(value)):
            self.fail("this command needs a file: download the URL first", param, ctx)
        if str(value) == "-":
            self.fail("this command needs a file: write standard input to one first", param, ctx)
        return super().convert(value, param, ctx)


class LocalFile(Named):
    """The path of a file that is read, and not from a store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from regaudit.storage.location import is_url, redacted_name

        if is_url(str(value)):
            self.fail(f"it is a file, not a URL: {redacted_name(str(value))}", param, ctx)
        if str(value) == "-":
            self.fail("it is a file, not standard input", param, ctx)
        return super().convert(value, param, ctx)


class Output(Named):
    """The path of a file that is written; `-` is standard output."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return STANDARD_OUTPUT if value == "-" else super().convert(value, param, ctx)
