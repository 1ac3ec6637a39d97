"""What is done of a sweep, one line a finished task, so that the same command can go on with it.

The models of finished tasks lie in a folder beside it. A line is written once they are on disk.
"""

import contextlib
import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from regaudit.errors import UsageError
from regaudit.sweeping.task import Trained

LARGEST = 64 << 20
"""Bytes of a journal that is read."""

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


class Journal:
    """The journal of one sweep, open and locked."""

    def __init__(self, file: Path, stream: IO[bytes]) -> None:
        self._file, self._stream = file, stream
        self._done: dict[str, Trained] = {}

    @property
    def folder(self) -> Path:
        """Where the models of finished tasks lie."""
        return folder_of(self._file)

    def found(self, name: str) -> Trained | None:
        """Return what a task made, if it is done."""
        return self._done.get(name)

    def add(self, name: str, trained: Trained) -> None:
        """Write down that a task is done.

        Raises:
            UsageError: it cannot be written.
        """
        self._done[name] = trained
        self._append({"task": name, "trained": msgspec.to_builtins(trained)})

    def begin(self, about: Mapping[str, Any]) -> None:
        """Take up what is there, or write the first line.

        Args:
            about: what the sweep is about: with anything else it is another one.

        Raises:
            UsageError: it is the journal of another sweep, or no journal.
        """
        lines = self._lines()
        if not lines:
            self._append({"sweep": about})
            return
        there = lines[0].get("sweep")
        if not isinstance(there, dict):
            raise UsageError(f"{self._file} is not the journal of a sweep: name another, --journal")
        for what, value in about.items():
            if there.get(what) != value:
                before = there.get(what)
                detail = (
                    f"of {_named(what)}"
                    if what in {"model", "data"}
                    else f"with {what} {before}, not {value}"
                )
                raise UsageError(
                    f"{self._file} is the journal of another sweep, {detail}: delete it and its "
                    f"folder {self.folder.name}, or name another, --journal FILE"
                )
        for line in lines[1:]:
            with contextlib.suppress(msgspec.ValidationError):
                self._done[str(line.get("task"))] = msgspec.convert(line.get("trained"), Trained)

    def remove(self) -> None:
        """Remove the journal and its folder: the sweep is done."""
        self._file.unlink(missing_ok=True)  # first, so that no journal names models that are gone
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lines(self) -> list[dict[str, Any]]:
        """Return the whole lines, and cut off what was being written when it ended."""
        self._stream.seek(0)
        data = self._stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise UsageError(f"{self._file} is not the journal of a sweep: name another, --journal")
        whole = data[: data.rfind(b"\n") + 1]
        found = []
        for line in whole.splitlines():
            try:
                one = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{self._file} is not the journal of a sweep: name another, --journal FILE"
                ) from error
            found.append(one if isinstance(one, dict) else {})
        if not whole and data.strip() and not data.startswith(b'{"sweep"'):
            raise UsageError(f"{self._file} is not the journal of a sweep: name another, --journal")
        self._stream.truncate(len(whole))
        return found

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            self._stream.seek(0, os.SEEK_END)
            self._stream.write(line)
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise UsageError(f"{self._file} cannot be written: {error.strerror}") from error


def folder_of(file: Path) -> Path:
    """Return the folder beside a journal."""
    return file.with_name(f"{file.stem}.rungs")


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Journal]:
    """Open a journal, or make it; nobody else uses it meanwhile.

    One in which nothing was written is removed.

    Args:
        file: `sweep.jsonl`.

    Raises:
        UsageError: it is in use, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "r+b") as stream:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415 - not on Windows

            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(
                    f"{file} is in use by another sweep: wait for it, or --journal FILE"
                ) from error
        journal = Journal(file, stream)
        try:
            journal.folder.mkdir(exist_ok=True)
            yield journal
        except OSError as error:
            if error.errno in _FULL or Path(str(error.filename)).is_relative_to(journal.folder):
                raise UsageError(f"{journal.folder} cannot be written: {error.strerror}") from error
            raise
        finally:
            if not os.fstat(stream.fileno()).st_size:
                journal.remove()


def _named(what: str) -> str:
    return {"model": "another model", "data": "other data"}[what]
