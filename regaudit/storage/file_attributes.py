"""Owner, group, mode and extended attributes: what a file keeps that gets new content."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE


def keep_attributes(file: int, old: Path) -> None:
    """Give an open file the owner, group, mode, access list and `user.` attributes of another.

    By descriptor: a name could lead elsewhere by now, and who runs this may be root.

    Raises:
        OSError: not permitted, or no room for them.
    """
    if not hasattr(os, "fchown"):  # Windows: a file has those of its folder
        return
    before, now = old.stat(), os.fstat(file)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        try:
            os.fchown(file, before.st_uid, before.st_gid)
        except OSError as error:
            owner = f"its owner {before.st_uid} and group {before.st_gid} cannot be kept"
            raise OSError(error.errno, f"{owner}: write to another file") from error
    _keep_extended(file, old)
    if S_IMODE(os.fstat(file).st_mode) != S_IMODE(before.st_mode):
        os.fchmod(file, S_IMODE(before.st_mode))


def set_mode_of_new(file: int, like: Path | None = None) -> None:
    """Give an open file the mode of any new one, or less, where the one it is a copy of has less.

    File systems without modes are left alone.
    """
    if not hasattr(os, "fchmod"):
        return
    mode = mode_of_new_files()
    with suppress(PermissionError):
        os.fchmod(file, mode & like.stat().st_mode if like else mode)


def mode_of_new_files() -> int:
    """Return the permissions that the system gives to new files."""
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _keep_extended(file: int, old: Path) -> None:
    """Copy the attributes that belong to the user; without its access list, a mode means more."""
    if not hasattr(os, "listxattr"):
        return
    before, now = _extended(old), _extended(file)
    for name in now - before:  # an access list that the folder hands down
        os.removexattr(file, name)
    for name in sorted(before):
        os.setxattr(file, name, os.getxattr(old, name))


def _extended(file: int | Path) -> set[str]:
    try:
        names = os.listxattr(file)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENOSYS}:  # a file system without them
            return set()
        raise
    return {n for n in names if n.startswith("user.") or n == "system.posix_acl_access"}
