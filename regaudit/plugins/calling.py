"""Code of other distributions is called here: whatever it raises is its own failure."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import isabstract, isclass
from typing import Any, NoReturn, TypeVar

from regaudit.errors import PlugInError, described, is_out_of_memory
from regaudit.plugins.installed import EntryPoint

_Kind = TypeVar("_Kind")

TIMED = hasattr(signal, "setitimer")


class _Overdue(BaseException):
    """It took too long; no `except Exception` of its own keeps that from us."""


@contextmanager
def calling(who: object, *passing: type[BaseException]) -> Iterator[None]:
    """Call code of another distribution inside the `with`.

    Where this process is held to limits, it gets half of what is left: the rest goes on after it.

    Args:
        who: is called, for the message.
        passing: what it may raise.

    Raises:
        PlugInError: it raised anything else, or took too long.
    """
    try:
        with _half_of_the_time():
            yield
    except passing:
        raise
    except (Exception, SystemExit, _Overdue) as error:
        raise failed(who, error) from error


def failed(who: object, error: BaseException) -> PlugInError:
    """Return what is said of an error in code of another distribution."""
    if isinstance(error, PlugInError):
        return error
    if isinstance(error, _Overdue):
        why = "it takes too long; --limit cpu_seconds=N and wall_seconds=N allow more"
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
    with calling(entry):
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
def _half_of_the_time() -> Iterator[None]:
    """Raise `_Overdue` once half of what is left is over, if this process is held to limits.

    The kernel would kill it in the end, and what others found in the file would be lost.
    """
    main = threading.main_thread()
    cpu = signal.getitimer(signal.ITIMER_PROF)[0] if TIMED else 0
    if not cpu or threading.current_thread() is not main:
        yield
        return
    wall = signal.getitimer(signal.ITIMER_REAL)[0]
    alarm = signal.SIGVTALRM
    signal.signal(alarm, _end)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu / 2)
    waiting = threading.Timer(wall / 2, signal.pthread_kill, (main.ident, alarm))
    waiting.daemon = True
    waiting.start()
    try:
        yield
    finally:
        signal.signal(alarm, signal.SIG_IGN)  # for one that is late
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        waiting.cancel()


def _end(_number: int, _frame: object) -> NoReturn:
    raise _Overdue
