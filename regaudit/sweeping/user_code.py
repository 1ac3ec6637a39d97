"""The user's own modules: imported, and a function of theirs called for data."""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from regaudit.errors import did_you_mean
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.report.escape import plain

_STANDARD = Path(traceback.__file__).parent
"""Where Python's own modules lie."""


def imported(name: str, what: str) -> ModuleType:
    """Import a module, installed or of the working directory.

    That directory comes last, so that no file of it hides an installed module.

    Args:
        name: `package.module`.
        what: the option that asks for it, for messages.

    Raises:
        DataError: it does not import.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        raise DataError(f"{what}: {_why_not_imported(name, error)}") from error


def called(spec: str, what: str) -> Any:
    """Return what a function of the user returns, called without arguments.

    Args:
        spec: `package.module:function`; the function may be an attribute of a class or an object.
        what: the option that asks for it, for messages.

    Raises:
        DataError: the module does not import, it has no such function, or that raises.
    """
    name, _, path = spec.partition(":")
    module = imported(name, what)
    function = _attribute(module, path, what)
    if not callable(function):
        kind = type(function).__name__
        raise DataError(
            f"{what}: {spec} is no function but of type {kind}: give one that returns it"
        )
    try:
        return function()
    except (Exception, SystemExit) as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            how = "cannot be called without arguments"  # it failed before its first line
        else:
            how = "raises"
        raise DataError(f"{what}: {spec} {how}: {_told(error)}{_place(error, module)}") from error


def _attribute(module: ModuleType, path: str, what: str) -> Any:
    target: Any = module
    for part in path.split("."):
        try:
            target = getattr(target, part)
        except Exception as error:
            known = [name for name in dir(target) if not name.startswith("_")]
            hint = _hidden(module) or did_you_mean(part, known)
            raise DataError(f"{what}: {module.__name__} has no {path!r}{hint}") from error
    return target


def _hidden(module: ModuleType) -> str:
    """Say it where the user has a module of the same name, which an installed one hides."""
    top = module.__name__.partition(".")[0]
    file, here = getattr(module, "__file__", None), Path.cwd()
    if file and Path(file).is_relative_to(here):
        return ""
    mine = next((path for path in (here / f"{top}.py", here / top) if path.exists()), None)
    origin = file or "a built-in one"
    return f"; it is {origin}, which comes before your {mine.name}: rename yours" if mine else ""


def _why_not_imported(name: str, error: BaseException) -> str:
    if (
        isinstance(error, ModuleNotFoundError)
        and error.name
        and f"{name}.".startswith(f"{error.name}.")
    ):
        here = Path.cwd()
        mine = [path.stem for path in here.glob("*.py")]
        hint = did_you_mean(name, mine)
        return f"there is no module {error.name!r}, neither installed nor in {here}{hint}"
    return f"the module {name!r} does not import: {_told(error)}{_place(error)}"


def _told(error: BaseException) -> str:
    name, text = type(error).__name__, one_line(error)
    return name if text == name else f"{name}: {text}"


def _place(error: BaseException, module: ModuleType | None = None) -> str:
    """Return the last line of the user's own code that led to an error."""
    if isinstance(error, SyntaxError):  # says it itself
        return ""
    homes = [Path.cwd()]
    if module is not None and getattr(module, "__file__", None):
        homes.append(Path(str(module.__file__)).parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        library = "site-packages" in file.parts or file.is_relative_to(_STANDARD)
        if (
            not library
            and file != Path(__file__)
            and any(file.is_relative_to(home) for home in homes)
        ):
            return f" ({plain(file.name)}, line {frame.lineno})"
    return ""
