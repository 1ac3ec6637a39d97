"""What a sweep found: candidates with what each is worth on the validation set, and the best."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from regaudit.report.dataframe import dataframe
from regaudit.report.proposal import Edit

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["l2", "l1", "activity", "adamw"]
"""What a ladder is about: penalties of kernels, of outputs of layers, or weight decay by AdamW."""

Role = Literal["as it is", "without", "rung", "soup"]
"""What a candidate is: the model as it is; trained on without a penalty; trained on with one; the
mean of the weights of some of them."""


Measure = Literal["accuracy", "R2", ""]
"""What says how good predictions are; empty where nothing does."""


class Epoch(Struct, frozen=True):
    """One look at the validation set."""

    epoch: int
    train_loss: float | None
    """As `fit` reports it, less the penalty of the weights; None where it was not finite."""
    val_loss: float | None
    """Without the penalty; None where it was not finite."""


class Candidate(Struct, frozen=True):
    """One model that competes, by its best weights."""

    name: str
    """`as it is`, `no penalty`, `l2 x4`, `soup`."""
    role: Role
    kind: Kind | None = None
    factor: float | None = None
    """Of the strengths that the proposal has; None where it has no strength of its own."""
    strength: tuple[float, float] | None = None
    """Lowest and highest strength among its layers, or its weight decay twice."""
    edits: tuple[Edit, ...] = ()
    """What `apply` writes for it into the file."""
    epochs: int = 0
    """Trained in all."""
    best_epoch: int = 0
    """Whose weights it has; 0 for those it began with."""
    diverged: bool = False
    """Whether a loss was not finite; then it has no other values."""
    val_loss: float | None = None
    """Without the penalty, as all losses here."""
    val_error: float | None = None
    """Standard error of it, over the validation samples and the repeats."""
    tempered: float | None = None
    """Validation loss after the one temperature that suits it best; None where there is none."""
    temperature: float | None = None
    accuracy: float | None = None
    """Share of right predictions, or R2; None where the loss tells neither."""
    train_loss: float | None = None
    penalty: float | None = None
    """Of the weights."""
    near_zeros: float | None = None
    """Share of the values of kernels that are near zero, from 0 to 1."""
    effective_units: int | None = None
    units: int | None = None
    """Units of all kernels, of which so many are effective."""
    monitored: float | None = None
    """What `--monitor` names, where it is not the validation loss."""
    apart: float | None = None
    """Mean of its validation loss less that of the best, over paired samples."""
    apart_error: float | None = None
    """Standard error of that."""
    no_different: bool = False
    """Whether it differs from the best by less than one standard error."""
    members: tuple[str, ...] = ()
    """Names of the candidates whose mean a soup is."""
    curve: tuple[Epoch, ...] = ()

    @property
    def gap(self) -> float | None:
        """How much higher the validation loss is than the training loss."""
        if self.val_loss is None or self.train_loss is None:
            return None
        return self.val_loss - self.train_loss

    @property
    def row(self) -> dict[str, Any]:
        """Its values by name, for a table."""
        low, high = self.strength or (None, None)
        return {
            "name": self.name,
            "role": self.role,
            "kind": self.kind,
            "factor": self.factor,
            "strength_low": low,
            "strength_high": high,
            **{name: getattr(self, name) for name in _FIGURES},
            "gap": self.gap,
            "members": " + ".join(self.members),
        }


_FIGURES: dict[str, type] = {
    "epochs": int,
    "best_epoch": int,
    "diverged": bool,
    "no_different": bool,
    "val_loss": float,
    "val_error": float,
    "tempered": float,
    "temperature": float,
    "accuracy": float,
    "train_loss": float,
    "penalty": float,
    "near_zeros": float,
    "effective_units": int,
    "units": int,
    "monitored": float,
    "apart": float,
    "apart_error": float,
}

_COLUMNS: dict[str, type] = {
    "name": str,
    "role": str,
    "kind": str,
    "factor": float,
    "strength_low": float,
    "strength_high": float,
    **_FIGURES,
    "gap": float,
    "members": str,
    "chosen": bool,
}
"""Types of a row, by column."""


class Setting(Struct, frozen=True):
    """How a sweep was done: with the same setting and data it comes out the same."""

    file: str
    keras: str
    backend: str
    loss: str
    """Its name."""
    measure: Measure
    """What `Candidate.accuracy` is; empty where it is None."""
    train_samples: int
    val_samples: int
    split: float | None
    """Share of the one data set that became the validation set, shuffled by the seed."""
    kinds: tuple[Kind, ...]
    from_scratch: bool
    epochs: int
    """Of one rung."""
    whole: int
    """Epochs of one training: those that the file's optimizer did, or four rungs."""
    batch_size: int
    batch_size_given: bool
    budget: float
    """Most trainings for each kind."""
    spent: float
    """Trainings in all."""
    repeats: int
    seed: int
    monitor: str
    sha256: str = ""
    """Of the file; empty for a model in memory."""


class Sweep(Struct, frozen=True):
    """What a sweep found."""

    setting: Setting
    candidates: tuple[Candidate, ...]
    """All that competed, in the order of training; `as it is` is the first."""
    chosen: str
    """Name of the best by validation; of the model as it is where nothing is better."""
    verdict: str
    """Two sentences."""
    remarks: tuple[str, ...] = ()
    model: "Any" = None
    """The chosen model, live, where a live one was given; else None."""
    out: "Path | None" = None
    """Where the chosen model was written."""

    @property
    def best(self) -> Candidate:
        """The chosen candidate."""
        return next(one for one in self.candidates if one.name == self.chosen)

    @property
    def rungs(self) -> tuple[Candidate, ...]:
        """The candidates that were trained with a strength."""
        return tuple(one for one in self.candidates if one.role == "rung")

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What `apply` writes for the chosen one."""
        return self.best.edits

    def to_dataframe(self) -> Any:
        """Return a row for each candidate, with pandas or else polars.

        Raises:
            UsageError: neither is installed.
        """
        rows = [{**one.row, "chosen": one.name == self.chosen} for one in self.candidates]
        frame = dataframe(rows, _COLUMNS)
        return frame.set_index("name") if hasattr(frame, "set_index") else frame

    def __repr__(self) -> str:
        """Name the model and what came out."""
        return f"<Sweep {self.setting.file}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        found: str = import_module("regaudit.sweeping.html").fragment(self)
        return found
