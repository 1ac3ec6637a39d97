"""What nobody foresaw, said in one line: exit code 1 means findings, and nothing else."""

import sys
from contextlib import suppress

from regaudit.errors import described, is_out_of_memory

UNREADABLE = 3
"""The exit code: something could not be audited."""


def say_unforeseen(error: Exception) -> None:
    """Say on standard error what went wrong; with `--traceback` also where."""
    with suppress(OSError, AttributeError):  # nobody listens
        if wants_trace():
            import traceback  # noqa: PLC0415 - a rare case

            lines = "".join(traceback.format_exception(error)).split("\n")
            sys.stderr.write("\n".join(map(_plain, lines)))
        sys.stderr.write(f"regaudit: {_line(error)}\n")
        sys.stderr.flush()


def wants_trace() -> bool:
    """Whether to show where regaudit itself failed."""
    return "--traceback" in sys.argv


def _line(error: Exception) -> str:
    if is_out_of_memory(error):
        return "there is not enough memory"
    how = "" if wants_trace() else "; `regaudit --traceback COMMAND ...` shows more"
    return f"stopped by a bug ({_plain(described(error))}); please report it{how}"


def _plain(text: str) -> str:
    from regaudit.report.escape import visible  # noqa: PLC0415 - a rare case

    return visible(text)
