"""Where a model takes strengths: the keys of its layers, with the kernels that each governs."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from regaudit.editing.proposal import Aim, StrengthChange
from regaudit.evidence.evidence import Evidence
from regaudit.model import Layer, Regularizer, Status, Weight


class Slot(Struct, frozen=True):
    """One key of one layer, with the kernels that it governs."""

    layer: Layer
    key: str
    weights: tuple[Weight, ...]
    l1_norm: float
    squared_norm: float
    penalty: float
    """What they add to the loss now."""

    @property
    def regularizer(self) -> Regularizer | None:
        """The one in force now, if it penalizes: one of a negative strength rewards."""
        found = self.weights[0].regularizer
        penalizes = found and found.status is Status.IN_FORCE and not found.negative
        return found if penalizes else None

    def norm(self, aim: Aim) -> float:
        """What a penalty multiplies its strength by: L1 and L2 differ."""
        return self.l1_norm if aim == "l1" else self.squared_norm

    def changed(
        self,
        strengths: tuple[float, float],
        after: float,
        confidence: Literal["high", "medium", "low"],
        why: str,
    ) -> StrengthChange:
        """Return the change to strengths of L1 and L2.

        Args:
            strengths: of L1 and of L2.
            after: what the kernels add to the loss then.
            confidence: how surely it helps.
            why: the reason.
        """
        layer, weights = self.layer.path, tuple(weight.path for weight in self.weights)
        present, before = self.weights[0].regularizer, self.penalty
        return StrengthChange(
            layer, self.key, weights, present, *strengths, before, after, confidence, why
        )


def slots_of(evidence: Evidence) -> Iterator[Slot]:
    """Yield the keys of the trainable kernels; an attention layer has one for all of its own."""
    groups: dict[tuple[str, str], list[Weight]] = defaultdict(list)
    layers = {}
    for layer, weight in evidence.kernels():
        measured = evidence.measured(weight)
        key = weight.regularizer_key
        taken = layer.known and (not layer.custom_class or key in layer.config)
        if key and taken and measured and measured.l2_norm:
            groups[layer.path, key].append(weight)
            layers[layer.path] = layer
    for (path, key), weights in groups.items():
        moments = [evidence.moments[weight.stored_path] for weight in weights]
        yield Slot(
            layers[path],
            key,
            tuple(weights),
            sum(found.l1_norm or 0.0 for found in moments),
            sum((found.l2_norm or 0.0) ** 2 for found in moments),
            sum(evidence.penalty(weight) for weight in weights),
        )
