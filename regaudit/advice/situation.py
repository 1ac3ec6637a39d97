"""What strengths are chosen by, and what is chosen."""

from collections.abc import Mapping
from typing import NamedTuple

from regaudit.advice.places import Place
from regaudit.advice.recipes import Recipe
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.outputs import ChanceLoss
from regaudit.report.proposal import Aim, Decision

Places = tuple[Place, ...]


class Choice(NamedTuple):
    """Strengths for all places, with what was decided."""

    places: Places
    decision: Decision
    verdict: str


class Situation(NamedTuple):
    """What does not change while strengths are chosen."""

    evidence: Evidence
    aim: Aim
    factor: float
    """Share of the gap that all penalties together may cost."""
    others: float
    """What other weights add to the loss: biases, frozen statistics, custom regularizers."""
    recipes: Mapping[str, Recipe]
    """Of known architectures, by the path below which their layers lie."""

    @property
    def chance(self) -> ChanceLoss | None:
        """The loss of a model that has learned nothing."""
        return self.evidence.chance

    @property
    def gap(self) -> float | None:
        """Between validation and training loss; None where both were not given."""
        return self.evidence.facts.gap
