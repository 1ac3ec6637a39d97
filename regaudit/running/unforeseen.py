"""What nobody foresaw, said in one line: exit code 1 means findings, and nothing else."""

import sys
from contextlib import suppress
from pathlib import Path

from regaudit.errors import is_out_of_memory

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
    place, last = error.__traceback__, None
    while place is not None:
        place, last = place.tb_next, place
    where = f" in {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last else ""
    text = _plain(" ".join(str(error).split())[:200])
    how = "" if wants_trace() else "; `regaudit --traceback COMMAND ...` shows more"
    what = f"{type(error).__name__}{where}: {text}"
    return f"stopped by a bug ({what}); please report it{how}"


def _plain(text: str) -> str:
    from regaudit.report.escape import visible  # noqa: PLC0415 - a rare case

    return visible(text)
