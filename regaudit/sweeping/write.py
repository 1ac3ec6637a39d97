"""The chosen model put where the user wants it, as a whole or not at all."""

import shutil
from pathlib import Path

from regaudit.errors import UsageError
from regaudit.storage.atomic_write import replacing
from regaudit.sweeping.processes import Trainers

SUFFIXES = (".keras", ".h5", ".hdf5")
"""Of the files that Keras writes a whole model to."""


def write(trainers: Trainers, file: str, out: Path) -> None:
    """Write a model.

    Args:
        trainers: which convert it, where `out` has another ending.
        file: a `.keras` file that a task made.
        out: what to make or to replace.

    Raises:
        UsageError: it cannot be written; what was there is untouched.
    """
    if out.suffix.lower() != Path(file).suffix:
        other = f"{file}{out.suffix}"
        trainers.export(file, other)
        file = other
    try:
        with Path(file).open("rb") as source, replacing(out) as target:
            shutil.copyfileobj(source, target)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
