"""Everything that can go wrong on purpose.

RegauditError
├─ UsageError               unknown rule, unknown setting, bad value      exit 2
├─ PlugInError              code of another distribution failed           exit 3, the run goes on
├─ RefusedEditError         `apply` cannot do that to this file           exit 3, nothing is changed
└─ UnreadableModelError     the file is missing, damaged or not a model   exit 3, the run goes on
   ├─ UnknownFormatError    no format recognizes the content
   │  └─ ForeignDataError   it is whole, and HDF5 of something else than a model
   └─ UnsafeFileError       reading on would follow a link or exhaust the machine
"""

from collections.abc import Iterable
from errno import ENOMEM


class RegauditError(Exception):
    """Any error that regaudit raises on purpose; its text is one line for the user."""


class UsageError(RegauditError):
    """The request is wrong: an unknown rule, setting or value."""


class PlugInError(RegauditError):
    """Code of another distribution raised an error, took too long or returned a wrong type."""

    def __init__(self, message: str, trace: str = "") -> None:
        """Make one.

        Args:
            message: whose code, and what happened.
            trace: where, as Python shows it.
        """
        super().__init__(message)
        self.trace = trace


class UnreadableModelError(RegauditError):
    """The file is missing, damaged, or not a saved model."""


class UnknownFormatError(UnreadableModelError):
    """No format recognizes the content of the file."""


class ForeignDataError(UnknownFormatError):
    """The file is whole, and other data than a model in a format that models have, too."""


class UnsafeFileError(UnreadableModelError):
    """Reading on would leave the file or allocate far more than it holds."""


class RefusedEditError(RegauditError):
    """The edit cannot be written into this file, or would do nothing there."""


class InternalError(RegauditError):
    """Something failed that nobody foresaw: a bug here, not a fault of the file."""


class Terminated(BaseException):
    """This process was asked to end, by a signal of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_UNLOADED = ("failed to map segment", "annot allocate memory")
"""What the system says of a library for which there is no memory left."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out: also where a library could not be loaded, or the system says so."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == ENOMEM:
            return True
        if isinstance(error, ImportError) and any(text in str(error) for text in _UNLOADED):
            return True
        error = error.__cause__
    return False


def described(error: BaseException) -> str:
    """Say in one line what an error is that nobody foresaw, and where it was raised."""
    place, last = error.__traceback__, None
    while place is not None:
        if not place.tb_frame.f_code.co_filename.startswith("<frozen"):  # of an import
            last = place
        place = place.tb_next
    file = last.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2] if last else ""
    where = f" in {file}:{last.tb_lineno}" if last else ""
    try:
        said = " ".join(str(error).split())[:200]
    except Exception:  # noqa: BLE001 - an error of another distribution may not even say what it is
        said = "no message"
    return f"{type(error).__name__}{where}: {said}"


def shown(value: object) -> str:
    """Return a value that is not what was asked for for a message: its start, if it is long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a number of thousands of digits, nested as deep, or not ours
        return "that"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def shortened(text: str, most: int = 200) -> str:
    """Return the start of a text, and that it goes on, if it is long."""
    return text if len(text) <= most else f"{text[:most]}..."


def why_no_text(error: Exception) -> str:
    """Say why a parser of JSON or TOML failed, in its words but where it speaks of Python."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if "set_int_max_str_digits" in str(error):
        return "a number has too many digits"
    return shortened(" ".join(str(error).split()))


LONGEST = 100
"""Characters of a value in a message."""


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a hint at the closest known word, whatever its case; empty if none is that close."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes need it

    words = {each.casefold().translate(_LOOK_ALIKE): each for each in known}
    close = len(word) <= LONGEST and get_close_matches(
        word.casefold().translate(_LOOK_ALIKE), words, n=1, cutoff=cutoff
    )
    return f"; did you mean {words[close[0]]!r}?" if close else ""


_LOOK_ALIKE = str.maketrans("oil", "011")
"""What is taken for a digit: a code with a letter O in it is the code with a zero."""
