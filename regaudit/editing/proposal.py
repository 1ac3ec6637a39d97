"""What a whole model should change: one strength a key, with the evidence, or "leave it"."""

from typing import Literal

from msgspec import Struct

from regaudit.advice.regularizer_code import argument, serialized
from regaudit.editing.optimizer_edit import OPTIMIZER
from regaudit.evidence.training_facts import Facts
from regaudit.model import Regularizer
from regaudit.report.report import Edit, Report

Aim = Literal["l2", "l1", "adamw"]


class StrengthChange(Struct, frozen=True):
    """One strength that should change."""

    layer: str
    key: str
    weights: tuple[str, ...]
    """Paths of the kernels that the key governs."""
    present: Regularizer | None
    l1: float
    l2: float
    before: float
    """Penalty now."""
    after: float
    """Penalty at today's weights with the new strength."""
    confidence: Literal["high", "medium", "low"]
    reason: str

    @property
    def edit(self) -> Edit:
        """The change as data."""
        return Edit(self.layer, self.key, serialized({"l1": self.l1, "l2": self.l2}))

    @property
    def code(self) -> str:
        """The Keras constructor argument."""
        return argument(self.key, self.edit.value)


class Proposal(Struct, frozen=True):
    """What to change in one model, and what to know about it."""

    report: Report
    facts: Facts
    aim: Aim
    changes: tuple[StrengthChange, ...]
    remarks: tuple[str, ...]
    """What to do first, and what the numbers given do not bear."""
    verdict: str
    """One sentence: what is proposed, or why nothing is."""
    decay: float | None = None
    """Weight decay for AdamW, in place of penalties."""
    why_not: str = ""
    """Why `apply` cannot write it into a copy of the file; empty if it can."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """For `apply`."""
        edits = tuple(change.edit for change in self.changes)
        if self.decay is None:
            return edits
        return (*edits, Edit("", OPTIMIZER, {"class_name": "AdamW", "weight_decay": self.decay}))

    @property
    def jump(self) -> float:
        """How much higher the training loss will read."""
        return sum(change.after - change.before for change in self.changes)
