"""Trains on a Dask cluster: one task of a sweep is one task of Dask.

A worker trains in a child process, which stays open for the next task. The files of models travel
with the task; the data do not: each worker reads them by the same path, or calls the same function.
If the cluster loses a worker, another one does its task again.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from msgspec.structs import replace

from regaudit.errors import RegauditError, UnreadableModelError
from regaudit.running.dask_cluster import connected
from regaudit.sweeping.processes import Process, Processes, Told
from regaudit.sweeping.task import BEST, LAST, LOSSES, Opened, Opening, Task, Trained
from regaudit.sweeping.worker import Request

Files = Mapping[str, bytes]
"""Contents by names without a folder."""


class OnDask:
    """Does tasks on a cluster.

    Args:
        address: of the scheduler, `tcp://host:8786`; or `local` for a cluster of this machine.
        jobs: workers of a local one.

    Raises:
        UsageError: Dask is missing here, or the scheduler does not answer, or a worker has another
            version of regaudit or none.
    """

    def __init__(self, address: str, jobs: int | None = None) -> None:
        """Connect."""
        self._stack = ExitStack()
        self._client = self._stack.enter_context(connected(address, jobs))
        self._order = b""
        self._model: Files = {}
        self._here = Processes(1)
        self._opening: Opening | None = None

    def open(self, opening: Opening) -> Opened:
        """Open the model and the data on a worker, and run the model as it is."""
        file = Path(opening.file)
        if not file.is_file():
            raise UnreadableModelError(f"{file} is a folder: a cluster takes a .keras or .h5 file")
        out = Path(opening.out)
        self._opening = opening
        self._order = msgspec.json.encode(replace(opening, file=file.name, out=out.name))
        self._model = {file.name: file.read_bytes()}
        answer, files = self._submitted(b"", {}).result()
        _write(files, out.parent)
        return msgspec.json.decode(answer, type=Opened)

    def do(self, tasks: Sequence[Task], done: Callable[[Task, Trained], None], told: Told) -> None:
        """Do tasks, as many at once as the cluster likes; epochs are not told.

        Raises:
            UsageError: the data do not fit on a worker.
            UnreadableModelError: Keras fails, or every worker that tried was lost.
        """
        del told
        waiting = [(task, self._submitted(*_packed(task))) for task in tasks]
        try:
            for task, future in waiting:
                try:
                    answer, files = future.result()
                except RegauditError:
                    raise
                except Exception as error:
                    kind = type(error).__name__
                    message = f"the cluster could not train {task.name} ({kind}: {error})"
                    raise UnreadableModelError(message) from error
                _write(files, Path(task.out).parent)
                done(task, msgspec.json.decode(answer, type=Trained))
        finally:
            for _, future in waiting:
                future.cancel()

    def export(self, source: str, out: str) -> None:
        """Save what a task made in the format that a name ends with, on this machine."""
        if self._opening is None:
            raise AssertionError
        self._here.open(self._opening)
        self._here.export(source, out)

    def close(self) -> None:
        """End the processes of this sweep on the workers, and leave the cluster."""
        self._here.close()
        with suppress(Exception):  # of a scheduler that is gone
            self._client.run(_end, self._order, on_error="ignore")
        self._stack.close()

    def _submitted(self, task: bytes, files: Files) -> Any:
        # Not pure: the files at the paths of the data change between two sweeps.
        return self._client.submit(
            partial(_done, self._order, self._model), task, dict(files), pure=False
        )


def _packed(task: Task) -> tuple[bytes, Files]:
    """Return a task whose names have no folder, and the files that it needs."""
    names = [*task.soup] if task.soup else [task.start]
    if task.before:
        names += [task.before + BEST, task.before + LOSSES]
    bare = replace(
        task,
        start=Path(task.start).name,
        out=Path(task.out).name,
        before=Path(task.before).name if task.before else None,
        soup=tuple(Path(name).name for name in task.soup),
    )
    return msgspec.json.encode(bare), {Path(name).name: Path(name).read_bytes() for name in names}


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


# What follows runs on the cluster.


class _Site:
    """The folder and the process of one sweep on a worker."""

    def __init__(self, order: bytes, model: Files) -> None:
        self.lock = Lock()
        self.folder = tempfile.TemporaryDirectory(prefix="regaudit-")
        place = Path(self.folder.name)
        _write(model, place)
        opening = msgspec.json.decode(order, type=Opening)
        self.opening = replace(
            opening, file=str(place / opening.file), out=str(place / opening.out)
        )
        self.process = Process()

    def end(self) -> None:
        self.process.end()
        self.folder.cleanup()


_SITES: dict[bytes, _Site] = {}
_STARTING = Lock()


def _done(order: bytes, model: Files, task: bytes, files: Files) -> tuple[bytes, Files]:
    """Do a task; without one, open the model and the data. Return the answer, and its files."""
    with _STARTING:
        if order not in _SITES:
            _SITES[order] = _Site(order, model)
        site = _SITES[order]
    place = Path(site.folder.name)
    with site.lock:
        _write(files, place)
        if not task:
            opened = site.process.ask(Request(opening=site.opening, measured=True)).opened
            return msgspec.json.encode(opened), _read(site.opening.out, (LOSSES,))
        asked = msgspec.json.decode(task, type=Task)
        put = partial(_put, place)
        here = replace(
            asked,
            start=put(asked.start),
            out=put(asked.out),
            before=put(asked.before) if asked.before else None,
            soup=tuple(map(put, asked.soup)),
        )
        trained = site.process.ask(Request(task=here), site.opening).trained
        if trained is None:
            raise UnreadableModelError(f"training {asked.name} gave no result")
        made = _read(here.out, (LAST, BEST, LOSSES))
        for name in {*files, *made}:
            (place / name).unlink(missing_ok=True)
        return msgspec.json.encode(trained), made


def _put(place: Path, name: str) -> str:
    return str(place / name)


def _read(out: str, endings: Sequence[str]) -> Files:
    found = [Path(out + ending) for ending in endings]
    return {file.name: file.read_bytes() for file in found if file.exists()}


def _end(order: bytes) -> None:
    """End the process of a sweep."""
    with _STARTING:
        site = _SITES.pop(order, None)
    if site is not None:
        site.end()
