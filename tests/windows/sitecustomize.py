"""Makes every Python with this folder in PYTHONPATH show regaudit what Windows has, and no more.

Only the modules of regaudit see it: Python and the libraries go on as they are. There is no /proc
either, so that this tells what macOS lacks, too.
"""

import builtins
import os
import signal
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

ABSENT = {"curses", "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios"}
SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"}
NO_CALLS = [
    "alarm",
    "getitimer",
    "pause",
    "pthread_kill",
    "pthread_sigmask",
    "setitimer",
    "siginterrupt",
    "sigpending",
    "sigtimedwait",
    "sigwait",
    "sigwaitinfo",
]
NO_SYSTEM = [
    "chown",
    "chroot",
    "confstr",
    "copy_file_range",
    "environb",
    "fchdir",
    "fchown",
    "fdatasync",
    "fork",
    "forkpty",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getloadavg",
    "getpgid",
    "getpgrp",
    "getpriority",
    "getresuid",
    "getsid",
    "getuid",
    "getxattr",
    "killpg",
    "lchown",
    "listxattr",
    "lockf",
    "major",
    "memfd_create",
    "mkfifo",
    "mknod",
    "nice",
    "openpty",
    "pathconf",
    "pidfd_open",
    "posix_fadvise",
    "posix_fallocate",
    "posix_spawn",
    "pread",
    "preadv",
    "pwrite",
    "pwritev",
    "register_at_fork",
    "sched_getaffinity",
    "sendfile",
    "setpgid",
    "setsid",
    "setuid",
    "setxattr",
    "splice",
    "statvfs",
    "sysconf",
    "uname",
    "wait",
    "wait3",
    "wait4",
    "waitid",
    "O_CLOEXEC",
    "O_DIRECTORY",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_PATH",
    "O_SYNC",
    "O_TMPFILE",
    "WIFEXITED",
    "WIFSIGNALED",
    "WNOHANG",
]


class Part(ModuleType):
    """A module of which some names are missing and others different."""

    def __init__(self, whole, missing, **different):
        super().__init__(whole.__name__)
        self.__dict__.update(different)
        self.__dict__["_whole"], self.__dict__["_missing"] = whole, missing

    def __getattr__(self, name):
        if name in self._missing:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return getattr(self._whole, name)

    def __setattr__(self, name, value):
        setattr(self._whole, name, value)


OTHERS = {name for name in dir(signal) if name.startswith(("SIG", "ITIMER"))} - SIGNALS
SEEN = {
    "os": Part(os, set(NO_SYSTEM), name="nt"),
    "signal": Part(signal, {*OTHERS, *NO_CALLS}),
    "sys": Part(sys, set(), platform="win32"),
}


def _import(name, names=None, locals=None, fromlist=(), level=0):  # noqa: A002 - as it is called
    if name in ABSENT:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    if name not in SEEN:
        return builtins.__import__(name, names, locals, fromlist, level)
    return SEEN[name]


class Loader(SourceFileLoader):
    """Runs a module with an `import` of its own."""

    def exec_module(self, module):
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class Finder(PathFinder):
    """Finds the modules of regaudit."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] != "regaudit":
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = Loader(name, found.origin)
        return found


def _refuse(event, arguments):
    if event == "open" and str(arguments[0]).startswith("/proc/self/"):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])


def _is_dir(self):
    return not str(self).startswith("/proc") and is_dir(self)


is_dir, Path.is_dir = Path.is_dir, _is_dir
sys.meta_path.insert(0, Finder)
sys.addaudithook(_refuse)
