"""A process that trains: `python -m regaudit.sweeping.worker FD`, with tasks on standard input.

Keras never enters the process that audits. Each line is a request, each line written to the file
descriptor an answer, as JSON. It ends when its standard input does: with the one who asked.
"""

import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import msgspec
from msgspec import Struct

from regaudit.errors import RegauditError
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.live.keras_package import keras_package, make_deterministic
from regaudit.sweeping.task import Opened, Opening, Task, Trained


class Export(Struct, frozen=True, tag=True):
    """Save what a task made as another file."""

    source: str
    out: str


class Request(Struct, frozen=True):
    """One line to a worker."""

    opening: Opening | None = None
    measured: bool = False
    """Whether the model is run as it is; once is enough."""
    task: Task | None = None
    export: Export | None = None


class Answer(Struct, frozen=True):
    """One line from a worker: a look at an epoch, or the end of a request."""

    epoch: tuple[int, int, float] | None = None
    opened: Opened | None = None
    trained: Trained | None = None
    usage: str = ""
    failure: str = ""


def main(descriptor: int) -> None:
    """Answer requests until there are no more."""
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    sys.path.append(str(Path.cwd()))  # for the user's modules; last, so that they hide nothing
    with os.fdopen(descriptor, "wb", buffering=0) as answers:
        trainer: Any = None
        while True:
            request = msgspec.json.decode(requests.get(), type=Request)
            trainer = _answer(request, trainer, answers)


def _read(requests: "SimpleQueue[bytes]") -> None:
    """Pass on lines; end this process with them, also while it trains."""
    pending = b""
    while block := os.read(0, 1 << 16):  # `sys.stdin` has a lock, on which an exit would wait
        *lines, pending = (pending + block).split(b"\n")
        for line in lines:
            requests.put(line)
    os._exit(0)


def _answer(request: Request, trainer: Any, answers: IO[bytes]) -> Any:
    def tell(epoch: int, epochs: int, val_loss: float) -> None:
        _send(answers, Answer(epoch=(epoch, epochs, val_loss)))

    try:
        if request.opening:
            trainer = opened(request.opening)
            _send(answers, Answer(opened=trainer.open() if request.measured else None))
        elif request.task:
            _send(answers, Answer(trained=trainer.do(request.task, tell)))
        elif request.export:
            trainer.export(request.export.source, request.export.out)
            _send(answers, Answer())
    except DataError as error:
        _send(answers, Answer(usage=str(error)))
    except RegauditError as error:
        _send(answers, Answer(failure=str(error)))
    except MemoryError:
        _send(answers, Answer(failure="there is not enough memory to train it"))
    except Exception as error:  # noqa: BLE001 - Keras and the user's code raise anything
        _send(answers, Answer(failure=str(one_line(error))))
    return trainer


def opened(opening: Opening) -> Any:
    """Return a trainer with the Keras that is asked for, made deterministic."""
    keras = keras_package(opening.package)
    from regaudit.sweeping.trainer import Trainer  # noqa: PLC0415 - takes time without Keras, too

    make_deterministic(keras)
    return Trainer(keras, opening)


def _send(answers: IO[bytes], answer: Answer) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
