"""New files and folders put in their place as a whole, or not at all."""

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from regaudit.storage.file_attributes import keep_attributes, mode_of_new_files, set_mode_of_new
from regaudit.storage.plain_file import open_plain
from regaudit.storage.presence import exists

_NO_REPLACE = 1
"""RENAME_NOREPLACE of renameat2(2)."""
_TEMPORARY = ".regaudit-tmp"
"""Ending of files that are not complete: a name that nobody else gives."""
_HERE = -100
"""AT_FDCWD: paths are relative to the working directory."""


@contextlib.contextmanager
def replacing(
    output: Path,
    like: Path | None = None,
    *,
    seal: Callable[[Path], None] | None = None,
    follow: bool = True,
) -> Iterator[IO[bytes]]:
    """Yield a temporary file next to `output` that takes its place once it is complete.

    Owner, group, mode and access list of what is replaced stay.

    Args:
        output: the file to make, or to replace.
        like: the file that a new one is a copy of: it is no more accessible.
        seal: called with the complete file before it takes the place; what it raises prevents that.
        follow: whether what a link leads to is replaced, not the link.

    Raises:
        OSError: it cannot be written, or is not a regular file; what was there is untouched.
    """
    if follow:
        output = Path(os.path.realpath(output))
    there = output.exists() and not output.is_symlink()
    if there and output.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if there and not output.is_file():  # root could replace /dev/null
        raise OSError(errno.EINVAL, "it is a pipe or a device, which is not replaced")
    with temporary_beside(output) as file:
        yield file
        file.flush()
        if there:
            keep_attributes(file.fileno(), output)
        else:
            set_mode_of_new(file.fileno(), like)
        os.fsync(file.fileno())
        file.close()
        if seal is not None:
            seal(Path(file.name))
        Path(file.name).replace(output)
    with contextlib.suppress(Exception):  # it is done, whatever comes
        sync_folder(output.parent)


@contextlib.contextmanager
def temporary_beside(output: Path) -> Iterator[IO[bytes]]:
    """Yield a new file in the folder of another, only ours to read; it is removed on failure.

    It is locked while it is open, so that `remove_leftovers` knows that its process lives.
    """
    import tempfile  # noqa: PLC0415 - to read a model takes none

    file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - who is given it may close it
        dir=output.parent, prefix=f".{output.name}.", suffix=_TEMPORARY, delete=False
    )
    try:
        with file:
            _is_locked(file.fileno())
            yield file
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


def remove_leftovers(output: Path, held: int | None = None) -> None:
    """Remove what `temporary_beside` left of runs that were killed, and nothing else.

    Args:
        output: the file that they were to become.
        held: an open file that this process has locked; another name of it is a leftover, too.
    """
    if os.name == "nt":
        return
    ours = re.compile(re.escape(f".{output.name}.") + r"[a-z0-9_]{8}" + re.escape(_TEMPORARY))
    with contextlib.suppress(OSError), os.scandir(output.parent) as found:
        # Owner and group are those of the model once a file is nearly complete.
        owners = {os.geteuid(), (output if exists(output) else output.parent).stat().st_uid}
        for one in found:
            if ours.fullmatch(one.name) and one.stat(follow_symlinks=False).st_uid in owners:
                with contextlib.suppress(OSError):
                    _remove_leftover(Path(one.path), held)


def _remove_leftover(file: Path, held: int | None) -> None:
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        return
    if held is not None and os.path.samestat(status, os.fstat(held)):
        file.unlink()
        return
    with open_plain(file, follow_links=False) as stream:
        opened = os.fstat(stream.fileno())
        same = os.path.samestat(status, opened) and opened.st_nlink == 1
        if same and _is_locked(stream.fileno()):
            file.unlink()


def _is_locked(opened: int) -> bool:
    """Lock an open file until it is closed; tell whether that could be done."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def place_new(file: Path, name: Path) -> None:
    """Give a complete file its final name, unless that is taken.

    Raises:
        FileExistsError: it is taken.
        OSError: it cannot be done, or not safely: the file system has neither links nor renames
            that do not replace.
    """
    try:
        os.link(file, name)
    except FileExistsError:
        raise
    except OSError:
        _rename_new(file, name)
        return
    try:
        file.unlink()
    except OSError:
        name.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlive a loss of power, where the system can promise it.

    Raises:
        OSError: the disk failed.
    """
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, or a folder that may only be written
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            raise
    finally:
        os.close(opened)


@contextlib.contextmanager
def replacing_folder(output: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `output`, which must not exist, once it is complete."""
    import tempfile  # noqa: PLC0415 - to read a model takes none

    temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        yield temporary
        temporary.chmod(mode_of_new_files() | 0o111)
        temporary.rename(output)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    with contextlib.suppress(Exception):
        sync_folder(output.parent)


def _rename_new(file: Path, name: Path) -> None:
    """Rename a file unless the new name is taken, on file systems without hard links."""
    if os.name == "nt":
        file.rename(name)  # which does not replace there
        return
    import ctypes  # noqa: PLC0415 - few file systems need it

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        code = errno.ENOSYS
    elif rename(_HERE, os.fsencode(file), _HERE, os.fsencode(name), _NO_REPLACE) == 0:
        return
    else:
        code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL}:
        raise OSError(code, "this file system has no links, nor renames that never replace")
    raise OSError(code, os.strerror(code))
