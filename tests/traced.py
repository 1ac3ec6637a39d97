"""A call in a process of its own, whose system calls strace lists, makes fail, or kills at.

The process is forked, with all that is imported, and strace is attached to it: no Python starts.
"""

import ctypes
import os
import re
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

import regaudit

STRACE = shutil.which("strace")
CHANGING = (
    "?link,linkat,?rename,renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,?chmod,fchmod,fchmodat,"
    "?chown,fchown,fchownat,utimensat,setxattr,fsetxattr,ftruncate,write,copy_file_range,sendfile"
)
"""System calls that change what is on the disk; a kill before any other leaves the same."""
DONE, REFUSED, FAILED = range(3)
"""How a call ended: well, with an error of regaudit's own, or with any other."""


def traced(call, *options):
    """Run something under strace.

    Returns:
        How it ended, or minus the signal that killed it; and the lines of strace.
    """
    return finished(started(call, *options))


def started(call, *options):
    """Start what `traced` runs, and return what `finished` takes."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.close(writable)
        os._exit(_ended(call, readable))
    os.close(readable)
    command = [STRACE, "-qq", *options, "-p", str(child)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    status = Path(f"/proc/{child}/status")
    while "TracerPid:\t0" in status.read_text() and strace.poll() is None:
        time.sleep(0.001)
    os.close(writable)
    return child, strace


def finished(process):
    """Wait for what was started; return what `traced` does."""
    child, strace = process
    lines = strace.communicate()[1].splitlines()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), lines


def steps(call, *options):
    """Return the system calls by which something changes the disk, each with its number.

    Of several writes in a row only the first.
    """
    ended, lines = traced(call, "-e", f"trace={CHANGING}", *options)
    assert ended == DONE, lines
    names = [found[1] for line in lines if (found := re.match(r"(\w+)\(", line))]
    numbered = [(name, names[: at + 1].count(name)) for at, name in enumerate(names)]
    again = [one == other == "write" for one, other in pairwise(names)]
    return [step for step, left_out in zip(numbered, [False, *again], strict=True) if not left_out]


def _ended(call, gate):
    """Run the call once strace is there."""
    try:
        ctypes.CDLL(None).prctl(0x59616D61, -1)  # Yama: whoever may trace us is welcome
        os.read(gate, 1)
        call()
    except regaudit.RegauditError:
        return REFUSED
    except BaseException:  # noqa: BLE001 - a process that was forked runs no tests
        return FAILED
    return DONE


def _may_trace():
    if not STRACE or not hasattr(os, "fork"):
        return False
    try:
        return traced(lambda: None, "-e", "trace=none")[0] == DONE
    except OSError:
        return False


needs_strace = pytest.mark.skipif(not _may_trace(), reason="strace is not there, or may not trace")
