"""The door through which all text leaves, printed or written, and the exit code."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from regaudit.running.guard import release
from regaudit.running.termination import ending_tidily
from regaudit.running.unforeseen import wants_trace

if TYPE_CHECKING:
    from regaudit.report.escape import Escaped
    from regaudit.report.report import Failure, Report

OK, FINDINGS, USAGE, UNREADABLE = range(4)
"""Exit codes: nothing to say; findings; wrong usage; something could not be audited."""


def say(line: str, *, err: bool = False) -> None:
    """Print one line; what is not `Escaped` yet is escaped as a whole.

    Args:
        line: of people's text; a newline in it is shown, not obeyed.
        err: to standard error instead of standard output.
    """
    say_page([line], err=err)


def say_page(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines, each as `say` does; URLs in what is not `Escaped` are shown without secrets."""
    from regaudit.report.escape import Escaped, page
    from regaudit.storage.location import without_secrets

    shown = (line if isinstance(line, Escaped) else without_secrets(line) for line in lines)
    _print(page(shown), err=err)


def say_trace(failure: "Failure | None") -> None:
    """Show on standard error where regaudit itself failed, if `--traceback` asks for it."""
    if failure and failure.trace and wants_trace():
        say_page(failure.trace.rstrip().split("\n"), err=True)


def say_progress(line: str) -> None:
    """Show a line on standard error in the place of the one before."""
    from regaudit.report.escape import line_that_replaces

    _print(line_that_replaces(line), err=True)


def emit(content: "Escaped | bytes", output: Path | None) -> None:
    """Print the content, or put it in the place of a file, as a whole.

    Raises:
        click.UsageError: the file cannot be written; what was there is untouched.
    """
    release()  # all that is the file's doing is done
    if output is None and isinstance(content, str):
        _print(content)
        return
    if output is None:
        raise click.UsageError("this is a binary format: write it to a file, -o FILE")
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with ending_tidily(), written_file(output) as file:
        file.write(data)


@contextmanager
def written_file(output: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of another as a whole, once all is written.

    Raises:
        click.UsageError: it cannot be written; what was there is untouched.
    """
    from regaudit.cli.protected import refuse_report
    from regaudit.storage.atomic_write import replacing

    refuse_report(output)  # what became of it meanwhile; and for commands that audit nothing
    try:
        special = output.exists() and not output.is_file() and not output.is_dir()
        # A pipe or a device has nothing to replace.
        with output.open("wb") if special else replacing(output) as file:
            yield file
    except OSError as error:
        raise click.UsageError(f"{output} cannot be written: {error.strerror}") from error


class Printed(io.RawIOBase):
    """Standard output, for what is written in bytes of text."""

    def writable(self) -> bool:
        """Say so."""
        return True

    def write(self, content: Any) -> int:
        """Print text of which a format has escaped all that it must."""
        from regaudit.report.escape import by_format

        _print(by_format(bytes(content).decode()))
        return len(content)


SUMMARY = 1024 * 1024
"""Bytes that GitHub keeps of the summary of a step."""


def summarize(markdown: "Escaped") -> None:
    """Append to the summary of the step of GitHub Actions that this runs in, if it does.

    What does not fit is cut at a line, and the cut is announced.
    """
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    file, text = Path(name), markdown.encode("utf-8", "backslashreplace")
    note = b"\n\nThe rest is left out: GitHub keeps at most 1 MiB of a summary.\n"
    try:
        room = SUMMARY - (file.stat().st_size if file.exists() else 0) - len(note)
        if len(text) > room:
            text = text[:room].rpartition(b"\n")[0] + note if room > 0 else b""
        with file.open("ab") as stream:
            stream.write(text)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}") from error


TOLD = 20
"""Models named at most; a fleet may have thousands that fail."""


def say_failed(reports: Sequence["Report"], fail_on: float = inf) -> None:
    """Say on standard error which models failed, for a run that prints nothing else.

    Args:
        reports: of the whole run.
        fail_on: lowest severity that fails a model; by default none does.
    """
    from regaudit.report.sentences import verdict

    failed = [report for report in reports if not report.complete or report.worst >= fail_on]
    told = [(report.file, verdict(report)) for report in failed[:TOLD]]
    say_verdicts(told, len(failed) - len(told))


def say_verdicts(failed: Iterable[tuple[str, str]], more: int) -> None:
    """Say on standard error how some models came out, and how many more failed."""
    from regaudit.report.spelling import count

    for file, verdict in failed:
        say(f"{file}: {verdict}", err=True)
    if more:
        say(f"and {count(more, 'more model')} that failed", err=True)


def say_unjudged(unknown: Iterable[tuple[str, str]], more: int, *, fail: bool) -> None:
    """Say on standard error of which models no regularizer is known, and why."""
    from regaudit.report.escape import plain

    why = "; unknown is set to fail" if fail else ""
    for file, unjudged in unknown:
        say(f"{plain(file)}: {unjudged}{why}", err=True)
    if more:
        say(f"and {more:,} more of which no regularizer is known", err=True)


def _print(text: "Escaped", *, err: bool = False) -> None:
    """Print, or say that standard output takes no more; a reader that left is Click's to handle."""
    try:
        # Whether there is colour was decided before.
        click.echo(text, nl=False, err=err, color=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        if err:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nor is there a second attempt at the end
        message = f"standard output cannot be written: {error.strerror}"
        raise click.UsageError(message) from error


def unreadable(reports: Sequence["Report"]) -> int:
    """Return the exit code that wins over findings: 3 if anything could not be audited, else 0."""
    return OK if reports and all(report.complete for report in reports) else UNREADABLE
