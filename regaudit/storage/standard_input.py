"""A model from standard input, kept in a temporary file: readers of models go back and forth."""

import sys
from pathlib import Path
from typing import BinaryIO, NamedTuple

from regaudit.errors import RegauditError, UsageError

NAME = "-"
"""What stands for standard input on the command line and in reports, and the file is called."""
ONE_FILE = (
    "standard input takes a model of one file, not a folder such as a SavedModel, unless it is "
    "piped as an archive: `tar -c FOLDER | regaudit inspect -`"
)

_BLOCK = 1 << 20


class Spooled(NamedTuple):
    """What standard input was, as far as it was read."""

    file: Path
    trouble: str = ""
    """Why it was not read to its end, if so."""


def opened() -> BinaryIO:
    """Return standard input to read from.

    Raises:
        UsageError: it is closed, or a terminal, where nobody types a model.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("- is standard input, which is closed: pipe a model into it")
    if sys.stdin.isatty():
        raise UsageError(
            "- is standard input: pipe a model into it, as in `cat model.keras | regaudit "
            "inspect -`; a file of that name is ./-"
        )
    return sys.stdin.buffer


def spooled(stream: BinaryIO, folder: Path) -> Spooled:
    """Copy a stream into a file, within the limits; each block buys time as those of a store do.

    Args:
        stream: to read to its end.
        folder: for the file, and nothing else.
    """
    from regaudit.limits import enforce_limit  # noqa: PLC0415 - `--help` needs the name alone
    from regaudit.storage.arrivals import arrived  # noqa: PLC0415 - the same

    file, size = folder / NAME, 0
    try:
        with file.open("xb") as out:
            while block := stream.read1(_BLOCK):  # type: ignore[attr-defined]  # what there is
                size += len(block)
                enforce_limit("spooled_bytes", size, "standard input is longer than {limit} bytes")
                out.write(block)
                arrived(len(block))
    except RegauditError as error:
        return Spooled(file, str(error))
    except OSError as error:
        what = f"standard input cannot be kept in {folder.parent}: {error.strerror or error}"
        return Spooled(file, f"{what}; give the file itself, or set TMPDIR to another folder")
    return Spooled(file)
