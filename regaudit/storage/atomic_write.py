"""New files and folders put in their place as a whole, or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def replacing(output: Path, like: Path | None = None) -> Iterator[IO[bytes]]:
    """Yield a temporary file next to `output` that takes its place once it is complete.

    Args:
        output: the file to make, or to replace.
        like: a file whose permissions the new one gets; without it, those of any new file.

    Raises:
        OSError: it cannot be written, or is not a regular file; what was there is untouched.
    """
    output = output.resolve()  # what a link leads to is replaced, not the link
    if output.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if output.exists() and not output.is_file():  # root could replace /dev/null
        raise OSError(errno.EINVAL, "it is a pipe or a device, which is not replaced")
    import tempfile  # noqa: PLC0415 - to read a model takes none

    file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed before it takes the place
        dir=output.parent, prefix=f".{output.name}.", delete=False
    )
    temporary = Path(file.name)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(like.stat().st_mode & 0o777 if like else _of_new_files())
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_folder(output: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `output`, which must not exist, once it is complete."""
    import tempfile  # noqa: PLC0415 - to read a model takes none

    temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        yield temporary
        temporary.chmod(_of_new_files() | 0o111)
        temporary.rename(output)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _of_new_files() -> int:
    """Return the permissions that the system gives to new files."""
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
