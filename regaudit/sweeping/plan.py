"""What to sweep, and how."""

import hashlib
from pathlib import Path

from msgspec import Struct

from regaudit.report.report import Report
from regaudit.sweeping.outcome import Kind
from regaudit.sweeping.task import Opening


class Wanted(Struct, frozen=True):
    """How to sweep."""

    kinds: tuple[Kind, ...] = ("l2",)
    rungs: int = 4
    """Most of a ladder."""
    epochs: int | None = None
    """Of a rung; by default a quarter of those that the file's optimizer has done."""
    budget: float = 2.0
    """Most trainings for each kind; the ladder is never cut short."""
    batch_size: int | None = None
    from_scratch: bool = False
    repeats: int = 1
    seed: int = 0
    jobs: int = 1


BATCH = 32
"""Samples in a training step, where it was not given: Keras's default."""


class Plan(Struct, frozen=True):
    """What to sweep, and how."""

    file: Path
    report: Report
    """Its audit."""
    opening: Opening
    """The data, and what the model lacks."""
    wanted: Wanted


def digest(file: Path) -> str:
    """Return the SHA-256 of a model's file; of a folder, one of the names and contents in it."""
    if not file.is_dir():
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    total = hashlib.sha256()
    for one in sorted(one for one in file.rglob("*") if one.is_file()):
        total.update(f"{one.relative_to(file)}\0{digest(one)}".encode())
    return total.hexdigest()
