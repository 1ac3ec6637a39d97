"""Bytes that are in no file as they are needed, kept in a temporary one without a name."""

from collections.abc import Iterable
from pathlib import Path
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
        import tempfile  # noqa: PLC0415 - most models are in no archive

        unnamed = Path("/proc/self/fd").is_dir()
        make = tempfile.TemporaryFile if unnamed else tempfile.NamedTemporaryFile
        try:
            kept = make(prefix="regaudit-")
        except OSError as error:
            raise _no_room(error) from error
        finalize(self, kept.close)
        self.file = Path(f"/proc/self/fd/{kept.fileno()}" if unnamed else kept.name)
        for piece in pieces:
            try:
                kept.write(piece)
            except OSError as error:
                raise _no_room(error) from error
        try:
            kept.flush()
        except OSError as error:
            raise _no_room(error) from error


def _no_room(error: OSError) -> UnreadableModelError:
    what = f"it cannot be unpacked in {_folder()}: {error.strerror or error}"
    return UnreadableModelError(f"{what}; set TMPDIR to another folder")


def _folder() -> str:
    import tempfile  # noqa: PLC0415 - as above

    try:
        return tempfile.gettempdir()
    except OSError:
        return "a temporary folder"
