"""Printing and writing, and the exit code."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from regaudit.finding import Report

OK, FINDINGS, USAGE, UNREADABLE = range(4)
"""Exit codes: nothing to say; findings; wrong usage; something could not be audited."""


def emit(text: str, output: Path | None) -> None:
    """Print the text, or put it in the place of a file, as a whole.

    Raises:
        click.UsageError: the file cannot be written; what was there is untouched.
    """
    if output is None:
        _print(text)
        return
    special = output.exists() and not output.is_file() and not output.is_dir()
    try:
        # A pipe or a device has nothing to replace; of a link, what it leads to is replaced.
        with output.open("wb") if special else _replacing(output.resolve()) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise click.UsageError(f"{output} cannot be written: {error.strerror}") from error


SUMMARY = 1024 * 1024
"""Bytes that GitHub keeps of the summary of a step."""


def summarize(markdown: str) -> None:
    """Append to the summary of the step of GitHub Actions that this runs in, if it does.

    What does not fit is cut at a line, and the cut is announced.
    """
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    file, text = Path(name), markdown.encode("utf-8", "backslashreplace")
    note = b"\n\nThe rest is left out: GitHub keeps 1 MiB of a summary.\n"
    try:
        room = SUMMARY - (file.stat().st_size if file.exists() else 0) - len(note)
        if len(text) > room:
            text = text[:room].rpartition(b"\n")[0] + note if room > 0 else b""
        with file.open("ab") as stream:
            stream.write(text)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}") from error


def _print(text: str) -> None:
    """Print, or say that standard output takes no more; a reader that left is Click's to handle."""
    try:
        click.echo(text, nl=False, color=True)  # whether there is colour was decided before
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nor is there a second attempt at the end
        message = f"standard output cannot be written: {error.strerror}"
        raise click.UsageError(message) from error


def unreadable(reports: Sequence["Report"]) -> int:
    """Return the exit code that wins over findings: 3 if anything could not be audited, else 0."""
    return UNREADABLE if not reports or any(report.failure for report in reports) else OK


@contextlib.contextmanager
def _replacing(output: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary file beside `output` that takes its place once it is complete."""
    output = output.resolve()  # what a link leads to is replaced, not the link
    if output.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with tempfile.NamedTemporaryFile(
        dir=output.parent, prefix=f".{output.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(output)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
