"""Trains on a Dask cluster: one task of a sweep is one task of Dask.

A worker trains in a child process, which stays open for the next task. The files of models travel
with the task; the data do not: each worker reads them by the same path, or calls the same function.
If the cluster loses a worker, another one does its task again.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import RegauditError, UnreadableModelError
from regaudit.running.dask_cluster import as_done, connected
from regaudit.sweeping.processes import Process, Told
from regaudit.sweeping.task import BEST, LAST, LOSSES, Opened, Opening, Task, Trained
from regaudit.sweeping.worker import Answer, Export, Request

Files = Mapping[str, bytes]
"""Contents by names without a folder."""


class Order(Struct, frozen=True):
    """What every task of a sweep needs to know; sent once to each worker."""

    sweep: str
    """Two sweeps may differ in nothing else."""
    opening: Opening
    """Its files have no folder."""
    model: bytes
    folder: str
    """From which relative paths of data lead, and where the user's modules lie."""


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
        self._sweep = os.urandom(8).hex()
        self._order: Any = None

    def open(self, opening: Opening) -> Opened:
        """Open the model and the data on a worker, and run the model as it is.

        Raises:
            UsageError: the data cannot be had there, or do not fit the model.
            UnreadableModelError: Keras cannot load the model there, or the cluster is lost.
        """
        file, out = Path(opening.file), Path(opening.out)
        if not file.is_file():
            raise UnreadableModelError(f"{file} is a folder: a cluster takes a .keras or .h5 file")
        bare = replace(opening, file=file.name, out=out.name)
        order = msgspec.msgpack.encode(Order(self._sweep, bare, file.read_bytes(), str(Path.cwd())))
        # A task of its own, so that a worker that comes later, or instead of a lost one, gets it.
        self._order = self._client.submit(_same, order, key=f"regaudit-sweep-{self._sweep}")
        answer = self._answered(self._submitted(Request(measured=True), ()), "open it", out.parent)
        if answer.opened is None:
            raise UnreadableModelError("the worker that opened it gave no answer")
        return answer.opened

    def do(self, tasks: Sequence[Task], done: Callable[[Task, Trained], None], told: Told) -> None:
        """Do tasks, as many at once as the cluster likes; epochs are not told.

        Raises:
            UsageError: the data do not fit on a worker.
            UnreadableModelError: Keras fails, every worker that tried was lost, or the cluster is.
        """
        del told
        waiting = {}
        try:
            for task in tasks:
                future = self._submitted(Request(task=_bare(task)), _needed(task))
                waiting[future.key] = (task, future)
            for future in as_done([future for _, future in waiting.values()]):
                task, _ = waiting.pop(future.key)
                answer = self._answered(future, f"train {task.name}", Path(task.out).parent)
                if answer.trained is None:
                    raise UnreadableModelError(f"training {task.name} gave no result")
                done(task, answer.trained)
        finally:
            for _, future in waiting.values():
                future.cancel()

    def export(self, source: str, out: str) -> None:
        """Save what a task made in the format that a name ends with."""
        asked = Request(export=Export(Path(source).name, Path(out).name))
        self._answered(self._submitted(asked, [source]), "save it", Path(out).parent)

    def close(self) -> None:
        """End the processes of this sweep on the workers, and leave the cluster."""
        with suppress(Exception):  # of a scheduler that is gone
            if self._order is not None:
                self._order.release()
                self._client.run(_end, self._sweep, on_error="ignore")
        with suppress(OSError, TimeoutError):
            self._stack.close()

    def _submitted(self, request: Request, names: Sequence[str]) -> Any:
        files = {Path(name).name: Path(name).read_bytes() for name in names}
        # Not pure: the files at the paths of the data change between two sweeps.
        return self._client.submit(
            _done, self._order, msgspec.json.encode(request), files, pure=False
        )

    def _answered(self, future: Any, what: str, folder: Path) -> Answer:
        """Wait for an answer, keep its files, and let the cluster forget it."""
        try:
            answer, files = future.result()
        except RegauditError:
            raise
        except (CancelledError, OSError) as error:
            raise UnreadableModelError("the cluster is lost: its scheduler is gone") from error
        except Exception as error:
            kind = type(error).__name__
            message = f"the cluster could not {what} ({kind}: {error})"
            raise UnreadableModelError(message) from error
        finally:
            future.release()
        _write(files, folder)
        return msgspec.json.decode(answer, type=Answer)


def _bare(task: Task) -> Task:
    """Return a task whose names have no folder."""
    return _elsewhere(task, lambda name: Path(name).name)


def _elsewhere(task: Task, place: Callable[[str], str]) -> Task:
    """Return a task whose files lie elsewhere."""
    return replace(
        task,
        start=place(task.start),
        out=place(task.out),
        before=place(task.before) if task.before else None,
        soup=tuple(map(place, task.soup)),
    )


def _needed(task: Task) -> list[str]:
    """Return the files that a task reads."""
    names = [*task.soup] if task.soup else [task.start]
    return [*names, task.before + BEST, task.before + LOSSES] if task.before else names


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


# What follows runs on the cluster.


def _same(order: bytes) -> bytes:
    return order


class _Site:
    """The folder and the process of one sweep on a worker."""

    def __init__(self, order: Order) -> None:
        self.lock = Lock()
        self.folder = tempfile.TemporaryDirectory(prefix="regaudit-", ignore_cleanup_errors=True)
        self.opening = replace(
            order.opening, file=self.put(order.opening.file), out=self.put(order.opening.out)
        )
        Path(self.opening.file).write_bytes(order.model)
        self.process = Process(order.folder if Path(order.folder).is_dir() else None)

    def put(self, name: str) -> str:
        return str(Path(self.folder.name, name))

    def end(self) -> None:
        self.process.end()
        self.folder.cleanup()


_SITES: dict[str, _Site | None] = {}
"""By sweep; None once it has ended."""
_STARTING = Lock()


def _done(order: bytes, request: bytes, files: Files) -> tuple[bytes, Files]:
    """Do what is asked for; return the answer, and the files that it made."""
    known = msgspec.msgpack.decode(order, type=Order)
    with _STARTING:
        if known.sweep not in _SITES:
            _SITES[known.sweep] = _Site(known)
        site = _SITES[known.sweep]
    if site is None:  # this task was on its way here when the sweep ended
        raise UnreadableModelError("the sweep was ended")
    asked = msgspec.json.decode(request, type=Request)
    with site.lock:
        try:
            _write(files, Path(site.folder.name))
            answer, made = _asked(site, asked)
            return msgspec.json.encode(answer), {
                file.name: file.read_bytes() for file in map(Path, made) if file.exists()
            }
        finally:
            for file in Path(site.folder.name).iterdir():
                if str(file) != site.opening.file:
                    file.unlink(missing_ok=True)


def _asked(site: _Site, request: Request) -> tuple[Answer, list[str]]:
    """Have the process answer; return the answer, and the names of the files that it made."""
    ask = partial(site.process.ask, opening=site.opening)
    if request.task:
        task = _elsewhere(request.task, site.put)
        return ask(Request(task=task)), [task.out + ending for ending in (LAST, BEST, LOSSES)]
    if request.export:
        out = site.put(request.export.out)
        return ask(Request(export=Export(site.put(request.export.source), out))), [out]
    answer = site.process.ask(Request(opening=site.opening, measured=True))
    return answer, [site.opening.out + LOSSES]


def _end(sweep: str) -> None:
    """End the process of a sweep."""
    with _STARTING:
        site, _SITES[sweep] = _SITES.get(sweep), None
    if site is not None:
        site.end()
