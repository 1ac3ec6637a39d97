"""Bytes that are in no file as they are needed, kept in a temporary one without a name."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO
from weakref import finalize

from regaudit.errors import UnreadableModelError


class Spool:
    """A temporary file that is gone with whoever holds it, and with the process, whatever ends it.

    Where the system gives no way to a file without a name, it has one of the system's making.
    """

    file: Path
    """Where it is opened."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Keep bytes.

        Raises:
            UnreadableModelError: there is no room for them.
        """
        try:
            kept, self.file = _temporary()
        except OSError as error:
            raise _no_room(error) from error
        finalize(self, _remove, kept, self.file)
        for piece in pieces:
            try:
                kept.write(piece)
            except OSError as error:
                raise _no_room(error) from error
        try:
            kept.flush()
        except OSError as error:
            raise _no_room(error) from error


def _temporary() -> tuple[IO[bytes], Path]:
    """Return a temporary file, and where it is opened again."""
    import tempfile  # noqa: PLC0415 - most models are in no archive

    if Path("/proc/self/fd").is_dir():
        unnamed = tempfile.TemporaryFile(prefix="regaudit-")  # noqa: SIM115 - it lives as long as its holder
        return unnamed, Path(f"/proc/self/fd/{unnamed.fileno()}")
    # One that goes with its handle could not be opened again on Windows.
    delete = os.name != "nt"
    named = tempfile.NamedTemporaryFile(prefix="regaudit-", delete=delete)  # noqa: SIM115 - as above
    return named, Path(named.name)


def _remove(kept: IO[bytes], file: Path) -> None:
    kept.close()
    with suppress(OSError):  # it is gone with its handle, or Windows has it open
        file.unlink()


def _no_room(error: OSError) -> UnreadableModelError:
    what = f"it cannot be unpacked in {_folder()}: {error.strerror or error}"
    return UnreadableModelError(f"{what}; set TMPDIR to another folder")


def _folder() -> str:
    import tempfile  # noqa: PLC0415 - as above

    try:
        return tempfile.gettempdir()
    except OSError:
        return "a temporary folder"
