"""Code of other distributions is called here: whatever it raises is its own failure."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from inspect import isabstract, isclass
from typing import Any, NoReturn, TypeVar

from regaudit.errors import PlugInError, Terminated, described, is_out_of_memory
from regaudit.plugins.installed import EntryPoint

_Kind = TypeVar("_Kind")

TIMED = hasattr(signal, "setitimer")

IMPORT_SECONDS = (20.0, 60.0)
"""Of the processor and by the clock, for an import before any file is looked at."""


class _Overdue(BaseException):
    """It took too long; no `except Exception` of its own keeps that from us."""


@contextmanager
def calling(
    who: object, *passing: type[BaseException], otherwise: tuple[float, float] | None = None
) -> Iterator[None]:
    """Call code of another distribution inside the `with`.

    Where this process is held to limits, it gets half of what is left: the rest goes on after it.
    What it prints is no part of an output: it goes to standard error.

    Args:
        who: is called, for the message.
        passing: what it may raise.
        otherwise: limits for it where the process is held to none, as `IMPORT_SECONDS`.

    Raises:
        PlugInError: it raised anything else, or took too long.
    """
    try:
        with _in_time(otherwise), redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, Terminated):
        raise
    except passing:
        raise
    except BaseException as error:
        raise failed(who, error) from error


def failed(who: object, error: BaseException) -> PlugInError:
    """Return what is said of an error in code of another distribution."""
    if isinstance(error, PlugInError):
        return error
    if isinstance(error, _Overdue):
        why = "it takes too long"
        if signal.getitimer(signal.ITIMER_PROF)[0]:
            why += "; --limit cpu_seconds=N and wall_seconds=N allow more"
    elif is_out_of_memory(error):
        why = "it takes more memory than there is; --limit memory_bytes=N allows more"
    else:
        why = described(error)
    import traceback  # noqa: PLC0415 - a rare case

    trace = "" if is_out_of_memory(error) else "".join(traceback.format_exception(error))
    return PlugInError(f"{who} failed: {why}", trace)


def loaded(entry: EntryPoint, kind: type[_Kind]) -> type[_Kind]:
    """Import the class that an entry point names.

    Raises:
        PlugInError: it cannot be imported, or is not a concrete class of this kind.
    """
    module, _, attribute = entry.value.partition(":")
    with calling(entry, otherwise=IMPORT_SECONDS):
        found: Any = import_module(module.strip())
        for part in attribute.partition("[")[0].strip().split("."):
            found = getattr(found, part)
    if not isclass(found) or not issubclass(found, kind):
        raise PlugInError(f"{entry} failed: {entry.value} is not a {kind.__name__} class")
    if isabstract(found):
        lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise PlugInError(f"{entry} failed: {entry.value} does not define {lacking}")
    return found


@contextmanager
def _in_time(otherwise: tuple[float, float] | None) -> Iterator[None]:
    """Raise `_Overdue` once half of the time is over that this process is held to.

    The kernel would kill it in the end, and what others found in the file would be lost.

    Args:
        otherwise: seconds of the processor and by the clock where it is not held to any.
    """
    main = threading.main_thread()
    if not TIMED or threading.current_thread() is not main:
        yield
        return
    cpu, wall = (signal.getitimer(one)[0] / 2 for one in (signal.ITIMER_PROF, signal.ITIMER_REAL))
    if not (cpu and wall) and otherwise is None:
        yield
        return
    cpu, wall = (cpu, wall) if cpu and wall else otherwise or (cpu, wall)
    before = signal.signal(signal.SIGVTALRM, _end)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu)
    waiting = threading.Timer(wall, signal.pthread_kill, (main.ident, signal.SIGVTALRM))
    waiting.daemon = True
    waiting.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, signal.SIG_IGN)  # for one that is late
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        waiting.cancel()
        waiting.join()
        signal.signal(signal.SIGVTALRM, before)


def _end(_number: int, _frame: object) -> NoReturn:
    raise _Overdue
