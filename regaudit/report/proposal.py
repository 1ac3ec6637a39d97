"""What to change: edits as data, and the one proposal for a whole model that holds them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

from msgspec import Struct

Aim = Literal["l2", "l1", "adamw"]
"""Kind of penalty, or weight decay by AdamW."""

Purpose = Literal["going-on", "new-weights"]
"""What a strength is for: training on from the saved weights, or training anew."""

Decision = Literal["leave", "weaken", "strengthen", "add", "decouple", "unknown"]
"""For the model as a whole; `decouple` moves to the weight decay of an optimizer."""

Basis = Literal[
    "two losses",
    "recipe of a paper",
    "the model's own other layers",
    "untested start of a sweep",
    "weight decay in place",
]
"""Where a strength comes from."""

Confidence = Literal["high", "medium", "low"]
"""How surely a change helps."""

UNTESTED: Basis = "untested start of a sweep"

WORTH_OF_A_START = (
    "in measurements such a start did not lower the test loss on average; EarlyStopping with "
    "restore_best_weights=True lowered it, but hardly the errors; --train-loss and --val-loss "
    "tell more, and regaudit sweep --data --val-data finds strengths by validation"
)
"""What an untested start of a sweep is worth, and what to do instead."""

OPTIMIZER = "optimizer"
"""Key of an edit that is about no layer: its value names a class and a weight decay."""


class Edit(Struct, frozen=True):
    """One change to a layer's configuration, as data."""

    layer: str
    """Path of the layer."""
    key: str
    """Key of its configuration: `kernel_regularizer`."""
    value: Mapping[str, Any] | None
    """The serialized regularizer to put there; None removes it."""


class Suggestion(Struct, frozen=True):
    """A concrete change worth making to one weight."""

    weight: str
    """Path of the weight."""
    code: str
    """Keras constructor argument: `kernel_regularizer=keras.regularizers.L2(0.0002)`."""
    edits: tuple[Edit, ...]
    """The same for `apply`."""
    penalty: float
    """What the change adds to the loss at today's weights."""
    reason: str
    """Where the strength comes from, in one sentence."""
    basis: Basis | None = None
    """The same in two or three words; None for a change that is none of strength."""


class StrengthChange(Struct, frozen=True):
    """One strength that should change."""

    layer: str
    """Path of the layer."""
    key: str
    """Key of its configuration: `kernel_regularizer`."""
    weights: tuple[str, ...]
    """Paths of the kernels that the key governs."""
    l1: float
    """Factor of sum(abs(w))."""
    l2: float
    """Factor of sum(w^2), without 1/2."""
    before: float
    """Penalty now."""
    after: float
    """Penalty at today's weights with the new strength."""
    basis: Basis
    reason: str
    edit: Edit
    """The change as data."""
    code: str
    """The Keras constructor argument."""

    @property
    def confidence(self) -> Confidence:
        """How surely it helps: a weaker penalty in place of one far too strong, most surely."""
        if self.after < self.before and (self.after or self.basis != UNTESTED):
            return "high"
        return "medium" if self.basis in {"two losses", "recipe of a paper"} else "low"

    def suggestion(self, weight: str) -> Suggestion:
        """Return it as the suggestion for one of its weights."""
        return Suggestion(
            weight, self.code, (self.edit,), self.after, self.reason, basis=self.basis
        )


class Proposal(Struct, frozen=True):
    """What to change in one model, and what to know about it."""

    decision: Decision
    """For the model as a whole."""
    aim: Aim
    """Which kind of strengths it has."""
    purpose: Purpose
    """What the strengths are for."""
    verdict: str
    """One or two sentences: what is proposed, or why nothing is."""
    changes: tuple[StrengthChange, ...] = ()
    """Empty where nothing should change."""
    remarks: tuple[str, ...] = ()
    """What to do first, and what the numbers given do not bear."""
    train_loss: float | None = None
    """Without the penalty; None where it was not given."""
    val_loss: float | None = None
    """Likewise."""
    before: float = 0.0
    """What all weights add to the loss now, as far as is known."""
    decay: float | None = None
    """Weight decay for AdamW, in place of penalties."""
    why_not: str = ""
    """Why `apply` cannot write it into a copy of the file; empty if it can."""
    left: Mapping[str, str] = {}
    """Why a kernel keeps what it has, in one clause, by its path."""

    def __repr__(self) -> str:
        """Say what is proposed."""
        return f"<Proposal: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        page: str = import_module("regaudit.renderers.notebook").proposal_html(self)
        return page

    @property
    def basis(self) -> Basis | None:
        """Where the strengths come from: of the least tested; None where none changes."""
        found = {change.basis for change in self.changes}
        order: tuple[Basis, ...] = (
            UNTESTED,
            "the model's own other layers",
            "recipe of a paper",
            "two losses",
            "weight decay in place",
        )
        return next((basis for basis in order if basis in found), None)

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
        return sum((change.after - change.before for change in self.changes), 0.0)

    @property
    def after(self) -> float:
        """What all weights add to the loss then, at today's weights."""
        return self.before + self.jump

    def of(self, weight: str) -> StrengthChange | None:
        """Return the change for a weight; None where it keeps what it has."""
        return next((change for change in self.changes if weight in change.weights), None)
