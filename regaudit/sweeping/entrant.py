"""One candidate of a sweep while it competes."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import RegauditError
from regaudit.evidence.evidence import Evidence
from regaudit.report.proposal import Edit
from regaudit.sweeping.outcome import Candidate, Role
from regaudit.sweeping.strengths import Base
from regaudit.sweeping.task import BEST, LOSSES, Trained
from regaudit.tensors.tensor import Array


class Entrant(Struct):
    """One candidate while it competes."""

    name: str
    role: Role
    start: str
    """File that its first stretch of training begins with."""
    edits: tuple[Edit, ...] = ()
    base: Base | None = None
    factor: float | None = None
    trained: list[Trained] = []
    """What each repeat made so far."""
    outs: list[str] = []
    """Where."""
    stretches: int = 0
    members: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Lower is better; infinite where a loss was not finite."""
        scores = [inf if one.score is None else one.score for one in self.trained]
        return sum(scores) / len(scores) if scores else inf

    @property
    def best(self) -> int:
        """Number of the repeat with the best weights."""
        scores = [inf if one.score is None else one.score for one in self.trained]
        return min(range(len(scores)), key=scores.__getitem__)

    @property
    def file(self) -> str:
        """With the best weights."""
        return self.outs[self.best] + BEST if self.stretches or self.role == "soup" else self.start

    def losses(self) -> Array:
        """Validation loss of each sample, the mean of the repeats; (samples,)."""
        return np.asarray(np.mean([np.load(f"{out}{LOSSES}") for out in self.outs], axis=0))

    def candidate(self) -> Candidate:
        """Return it as the result shows it."""
        trained = self.trained[self.best]
        candidate = Candidate(
            name=self.name,
            role=self.role,
            kind=self.base.kind if self.base else None,
            factor=self.factor,
            strength=self.base.range(self.factor)
            if self.base and self.factor is not None
            else None,
            edits=self.edits,
            epochs=trained.epochs,
            best_epoch=trained.best_epoch,
            diverged=not isfinite(self.score),
            curve=trained.curve,
            members=self.members,
        )
        if candidate.diverged:
            return candidate
        losses = np.array([each.val_loss for each in self.trained])
        return replace(
            candidate,
            val_loss=float(losses.mean()),
            val_error=_error(self, losses),
            tempered=trained.tempered,
            temperature=trained.temperature,
            accuracy=_mean([each.accuracy for each in self.trained]),
            train_loss=_mean([each.train_loss for each in self.trained]),
            monitored=_mean([each.monitored for each in self.trained]),
            **_audited(self.file),
        )


def _error(one: Entrant, losses: Array) -> float:
    """Return the standard error of a validation loss, over samples and repeats."""
    of_samples = one.losses()
    squares = float(of_samples.var(ddof=1)) / len(of_samples) if len(of_samples) > 1 else 0.0
    if len(losses) > 1:
        squares += float(losses.var(ddof=1)) / len(losses)
    return float(np.sqrt(squares))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _audited(file: str) -> Mapping[str, Any]:
    """Return what an audit says of the weights of a candidate."""
    try:
        report = audit_file(file)
    except RegauditError:
        return {}
    if report.model is None:
        return {}
    evidence = Evidence(report.model, report.moments, report.penalties)
    kernels = [found for _, weight in evidence.kernels() if (found := evidence.measured(weight))]
    size = sum(one.size for one in kernels)
    counted = [
        (one.effective_units, one.units) for one in kernels if one.effective_units is not None
    ]
    return {
        "penalty": report.known_penalty,
        "near_zeros": sum(one.near_zeros for one in kernels) / size if size else None,
        "effective_units": sum(pair[0] or 0 for pair in counted) if counted else None,
        "units": sum(pair[1] or 0 for pair in counted) if counted else None,
    }
