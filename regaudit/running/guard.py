"""One file is audited in the process that prints, for speed; this guards that process.

The command forks before it imports anything: the child does all the work, and the parent only
waits. From the opening of a file to the end of rendering the child is held to the limits on time
and memory, by the kernel. If it is killed meanwhile, or has no memory left, the parent knows which
file did it and says so, in the requested format. Nothing is printed or written while it is held.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from regaudit.running.termination import ASKED, PASSED_ON, die_of

if TYPE_CHECKING:
    from regaudit.limits import Limits

_LONGEST = 4096
"""Bytes of a name that are noted: a pipe that nobody reads yet takes no more than 64 kB."""
_OUT_OF_MEMORY = b"/memory/"
_LED = b"/led/"
_LEFT = b"//left//"
"""Notes that are not names: of the end of memory, of hosts that we were redirected to, and of a
file that is to be removed in the end, with its folder."""

LOOK = 0.2
"""Seconds between two looks at who waits for this process."""

TEMPORARY = "regaudit-"
"""Begins the names of temporary folders."""


class Killed(NamedTuple):
    """The end of a guarded process."""

    file: str
    """The file that it was held for; empty if it was none."""
    signal: int | None
    """None if its memory ran out; 0 if it ended without one, in the middle of its work."""
    redirected: str = ""
    """To which hosts; empty if to none."""


class _Guarded:
    """Whether this process is one, where it notes what it audits, and what it is held to."""

    note: int | None = None
    held: ExitStack | None = None
    last: "tuple[str, Limits, str] | None" = None


def fork() -> Killed | None:
    """Return None in the child, which does the work; the parent exits as the child does.

    Returns:
        In the parent, if the child was killed while it audited a file, what happened.
    """
    ended = _forked()
    if ended is None:
        return None
    code, killed = ended
    if killed is None:
        os._exit(code)  # nothing was imported or printed here that would need more
    return killed


def end_with_parent() -> None:
    """Have this process end where the one that waits for it is killed, for work that takes long."""
    if _Guarded.note is None:
        return
    import threading  # noqa: PLC0415 - few commands take long
    import time  # noqa: PLC0415

    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def attempt(work: Callable[[], object], limits: "Limits") -> Killed | None:
    """Do something in a fork that is held to limits, and forget what comes of it.

    Returns:
        What happened, if it was killed; nothing else that goes wrong counts.
    """
    ended = _forked()
    if ended is not None:
        return ended[1]
    with suppress(BaseException):
        hold("(rendering)", limits)
        try:
            work()
        except MemoryError:
            give_up_memory()
    release()
    os._exit(0)


def _forked() -> tuple[int, Killed | None] | None:
    """Fork; return None in the child, and in the parent, later, how it ended.

    Returns:
        In the parent the exit code, or what killed the child while it was held.
    """
    if not hasattr(os, "fork"):
        return None
    readable, writable = os.pipe()
    # Whatever comes from here on waits until the parent can pass it on.
    asking = (*ASKED, signal.SIGINT, PASSED_ON)
    passed = {number for number in asking if signal.getsignal(number) != signal.SIG_IGN}
    signal.signal(signal.SIGCHLD, lambda *_: None)  # ignored, it would not wake the parent
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed, signal.SIGCHLD})
    child = os.fork()
    if not child:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent passes it on
        signal.signal(PASSED_ON, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before - {PASSED_ON})
        os.close(readable)
        _Guarded.note = writable
        return None
    os.close(writable)
    code, asked = _wait(child, passed)
    noted = _without_left(os.read(readable, 1 << 16).split(b"\0")[:-1])
    os.close(readable)
    if asked:
        die_of(asked)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)  # dies here of what came just now
    return code, _fate(code, noted)


def _wait(child: int, passed: set[int]) -> tuple[int, int]:
    """Wait for the child.

    Returns:
        Its exit code, or minus the signal that killed it; and the signal that asked both of us to
        end, 0 if none did.
    """
    asked, status = 0, None
    while status is None:
        number = signal.sigwait({*passed, signal.SIGCHLD})
        if number == signal.SIGCHLD:
            done, status = os.waitpid(child, os.WNOHANG)
            status = status if done else None
        elif number in {signal.SIGINT, PASSED_ON}:
            os.kill(child, PASSED_ON)  # it is there until it is waited for
        else:
            asked = number
            os.kill(child, number)
    return os.waitstatus_to_exitcode(status), asked


def _without_left(notes: list[bytes]) -> list[bytes]:
    """Remove what the child has left of standard input, and return the other notes."""
    for note in notes:
        file = note.removeprefix(_LEFT)
        folder = os.path.dirname(file)  # noqa: PTH120 - pathlib is not imported yet
        if note.startswith(_LEFT) and os.fsencode(TEMPORARY) in folder:
            with suppress(OSError):  # it is gone, as it should be
                os.unlink(file)  # noqa: PTH108 - as above
            with suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 - as above
    return [note for note in notes if not note.startswith(_LEFT)]


def _fate(code: int, notes: list[bytes]) -> Killed | None:
    """Say which file killed the child, if one did; die as it did if somebody else asked for it."""
    out_of_memory = notes[-1:] == [_OUT_OF_MEMORY]
    if out_of_memory:
        notes.pop()
    file, redirected = _noted(notes)
    if out_of_memory:
        return Killed(file, None, redirected)
    if code >= 0:  # what ends as it should lets go of the file before
        return Killed(file, 0, redirected) if file else None
    if -code == PASSED_ON:
        die_of(signal.SIGINT)
    if -code in {*ASKED, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE}:
        die_of(-code)
    return Killed(file, -code, redirected)


def _noted(notes: list[bytes]) -> tuple[str, str]:
    """Return the file that is held, empty for none, and to which hosts its server redirected us."""
    held = last = led = b""
    for note in notes:
        if note.startswith(_LED):
            led = note.removeprefix(_LED)
            continue
        held = note
        if note and note != last:
            last, led = note, b""
    return os.fsdecode(held), led.decode(errors="replace")


def leave(code: str | int | None) -> None:
    """End a guarded process at once: Python takes 70 ms to tidy up what ends with it anyway."""
    if _Guarded.note is None:
        return
    release()
    if isinstance(code, str):
        return
    with suppress(OSError):  # whoever reads may be gone
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed
            stream.flush()
        os._exit(code or 0)


def is_unheld() -> bool:
    """Whether a parent waits for this process, which is not held to anything yet."""
    return _Guarded.note is not None and _Guarded.held is None


def remove_in_the_end(file: str) -> bool:
    """Have a parent that waits for this process remove a file and its folder, whatever happens.

    Args:
        file: in a folder with the name of a temporary one.

    Returns:
        Whether there is such a parent.
    """
    _write(_LEFT + os.fsencode(file))
    return _Guarded.note is not None


def hold(file: str, limits: "Limits", at: str = "") -> None:
    """Hold this process to the limits of a file from here on, if a parent waits for it.

    If it is held already, it gets the time and the memory once more: for the next step.

    Args:
        file: what has to answer for what happens: the name of a model, or of other input.
        limits: of the file.
        at: where it lies, if `file` is only what reports call it.
    """
    if _Guarded.note is None:
        return
    from regaudit.running.process_limits import held  # noqa: PLC0415 - after the fork
    from regaudit.storage.location import redacted_name  # noqa: PLC0415 - the same
    from regaudit.storage.redirects import telling  # noqa: PLC0415 - the same

    _let_go()
    _Guarded.last = file, limits, at
    _write(os.fsencode(redacted_name(file))[:_LONGEST])
    _Guarded.held = ExitStack()
    _Guarded.held.enter_context(telling(lambda led: _write(_LED + led.encode())))
    _Guarded.held.enter_context(held(at or file, limits))


def hold_on() -> None:
    """Start the next step with the same file: rendering, say. Its time and memory start anew."""
    if _Guarded.held is not None and _Guarded.last is not None:
        hold(*_Guarded.last)


def release() -> None:
    """Stop holding this process: what was to be made of the file is made, and can be written."""
    if _Guarded.held is not None:
        _let_go()
        _write(b"")


@contextmanager
def released() -> Iterator[None]:
    """Do something in between that is not the file's to answer for."""
    was_held = _Guarded.held is not None
    release()
    yield
    if was_held and _Guarded.last is not None:
        hold(*_Guarded.last)


def give_up_memory() -> None:
    """Let the parent say that memory ran out while this process was held; else do nothing."""
    if _Guarded.held is not None:
        _write(_OUT_OF_MEMORY)
        os._exit(0)


def _let_go() -> None:
    if _Guarded.held is not None:
        _Guarded.held.close()
        _Guarded.held = None


def _write(note: bytes) -> None:
    if _Guarded.note is not None:
        os.write(_Guarded.note, note + b"\0")
