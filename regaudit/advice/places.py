"""Where a model takes strengths: the keys of its layers, with the kernels that each governs."""

from collections import defaultdict
from collections.abc import Iterator
from math import isfinite

from msgspec import Struct
from msgspec.structs import replace

from regaudit.advice.pruning import MIN_DEAD, MIN_UNITS, dead_units
from regaudit.advice.regularizer_code import argument, serialized
from regaudit.evidence.collapse import shrunk
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.optimizer_state import EFFECTIVE_DECAY, Training
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Layer, Status, Weight
from regaudit.report.proposal import Aim, Basis, Edit, StrengthChange

LARGE_TABLE = 100_000
"""Embeddings with more values get no L2: it decays the rows that no batch holds."""

COLLAPSED = (
    "a collapsed kernel does not come back: train again from new weights with a tenth of its "
    "strength"
)
"""Why a place keeps what it has."""

_NORMS = {"L1", "L2", "L1L2"}


class Place(Struct, frozen=True):
    """One key of one layer, with the kernels that it governs and strengths for them."""

    layer: Layer
    key: str
    weights: tuple[Weight, ...]
    l1_norm: float
    squared_norm: float
    l1: float
    l2: float
    """Strengths: today's, or those of a proposal in the making; zero for none."""
    paid: float
    """What the kernels add to the loss today, whatever regularizes them."""
    rescaled: bool
    """Whether a normalization after the layer undoes its scale, or a custom layer may."""
    training: Training | None
    """Of these kernels."""
    fixed: str = ""
    """Why a proposal leaves what is there, in one clause; empty where it may change it."""
    closed: str = ""
    """Why a proposal adds nothing here, though it may take something off."""
    dead: str = ""
    """That many units are dead: a penalty that is there may be too strong, and is not raised."""
    basis: Basis | None = None
    """Where strengths in the making come from."""
    reason: str = ""

    @property
    def penalty(self) -> float:
        """What the kernels add to the loss at today's weights."""
        return self.l1 * self.l1_norm + self.l2 * self.squared_norm

    @property
    def bare(self) -> bool:
        """Whether it has no penalty, or one of no strength."""
        return not self.l1 and not self.l2 and not self.fixed

    @property
    def kept(self) -> str:
        """Why it keeps what it has where nothing asks for another strength; empty for no reason."""
        training = self.training
        if self.l2 and training is not None and training.weight_decay > 0:
            return (
                f"the weight decay of {training.class_name} has had no effect on it: keep the "
                "penalty, and compile without a weight decay"
            )
        return self.closed or (self.dead if self.penalty else "")

    def norm(self, aim: Aim) -> float:
        """What a penalty multiplies its strength by: L1 and L2 differ."""
        return self.l1_norm if aim == "l1" else self.squared_norm

    def acts_from(self) -> float | None:
        """Return the L2 from which on it acts in as many steps as before; None if unknown."""
        shrinkage = self.training.penalty_shrinkage(1.0) if self.training else None
        if shrinkage is None or not shrinkage or self.training is None:
            return None
        return EFFECTIVE_DECAY / shrinkage if self.training.class_name == "SGD" else None

    def given(self, l1: float, l2: float, basis: Basis, reason: str) -> "Place":
        """Return it with other strengths."""
        return replace(self, l1=l1, l2=l2, basis=basis, reason=reason)

    def change_from(self, today: "Place") -> StrengthChange | None:
        """Return how it differs from what is there today; None where it does not."""
        if (self.l1, self.l2) == (today.l1, today.l2) or self.basis is None:
            return None
        value = serialized({"l1": self.l1, "l2": self.l2})
        return StrengthChange(
            layer=self.layer.path,
            key=self.key,
            weights=tuple(weight.path for weight in self.weights),
            l1=self.l1,
            l2=self.l2,
            before=today.paid,
            after=self.penalty,
            basis=self.basis,
            reason=self.reason,
            edit=Edit(self.layer.path, self.key, value),
            code=argument(self.key, value),
        )


def places_of(evidence: Evidence) -> Iterator[Place]:
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
        layer = layers[path]
        moments = [evidence.moments[weight.stored_path] for weight in weights]
        l1, l2 = _strengths(weights[0])
        training = evidence.training_of(weights[0])
        place = Place(
            layer,
            key,
            tuple(weights),
            sum(found.l1_norm or 0.0 for found in moments),
            sum((found.l2_norm or 0.0) ** 2 for found in moments),
            l1,
            l2,
            sum(evidence.penalty(weight) for weight in weights),
            evidence.graph.may_be_normalized(layer),
            training,
        )
        yield replace(
            place,
            fixed=_fixed(evidence, place),
            closed=_closed(place),
            dead=next(filter(None, (_dead(evidence, layer, weight) for weight in weights)), ""),
        )


def _strengths(weight: Weight) -> tuple[float, float]:
    """Return the strengths of L1 and L2 in force; zero where one is no strength at all."""
    found = weight.regularizer
    if found is None or found.status is not Status.IN_FORCE or found.class_name not in _NORMS:
        return 0.0, 0.0
    l1, l2 = found.l1 or 0.0, found.l2 or 0.0
    valid = all(isfinite(value) and value >= 0 for value in (l1, l2))
    return (l1, l2) if valid else (0.0, 0.0)


def _fixed(evidence: Evidence, place: Place) -> str:
    """Say why what a place has is to stay; empty if it need not."""
    weight = place.weights[0]
    found = weight.regularizer
    if found is not None and found.status is Status.IN_FORCE and found.class_name not in _NORMS:
        return f"its {found.class_name} is no penalty by a norm"
    if found is not None and found.status is Status.OPAQUE:
        return f"what {found.class_name} does cannot be read"
    if not _adds_up(evidence, weight):
        return (
            f"Keras fails to add a penalty of {weight.dtype} to the loss: use dropout or weight "
            "decay"
        )
    trained = bool(evidence.training and evidence.training.steps)
    for one in place.weights:
        left = shrunk(place.layer, one, evidence.measured(one), trained=trained)
        if (place.l1 or place.l2) and left is not None and left.collapsed():
            return COLLAPSED
    return ""


def _dead(evidence: Evidence, layer: Layer, weight: Weight) -> str:
    """Say that a penalty may be too strong for the units of a kernel, as REG402 does."""
    found = dead_units(evidence, layer, weight)
    if found is None or found.units < MIN_UNITS or found.dead < MIN_DEAD * found.units:
        return ""
    return f"{found.dead:,} of its {found.units:,} units are dead: no stronger penalty is proposed"


def _adds_up(evidence: Evidence, weight: Weight) -> bool:
    """Whether Keras can add the penalty of a weight of this dtype to the loss."""
    return (
        weight.dtype in {"float32", ">f4"}
        or Dialect.of(evidence.model.keras_version).before_keras_3
    )


def _closed(place: Place) -> str:
    """Say why nothing is to be added at a place; empty if it may be."""
    weight, training = place.weights[0], place.training
    if place.layer.class_name == "Embedding" and weight.size > LARGE_TABLE:
        return (
            "a penalty on an embedding acts on the rows that no batch holds; try dropout on its "
            "output"
        )
    if training is not None and training.weight_decay > 0:
        return (
            f"{training.class_name} has a weight decay for this: tune that, and add no second "
            "penalty"
        )
    return ""


def for_both_directions(places: tuple[Place, ...]) -> tuple[Place, ...]:
    """Give the two directions of a Bidirectional one strength: Keras 2 stores one for both."""
    by_path = {(place.layer.path, place.key): place for place in places}
    found = []
    for place in places:
        base, _, name = place.layer.path.rpartition("/")
        direction, _, rest = name.partition("_")
        other = {"forward": "backward", "backward": "forward"}.get(direction, "")
        twin = by_path.get((f"{base}/{other}_{rest}", place.key)) if other else None
        changed = twin is not None and place.basis is not None and twin.basis is not None
        if twin is not None and changed:
            l1, l2 = min(place.l1, twin.l1), min(place.l2, twin.l2)
            found.append(replace(place, l1=l1, l2=l2))
        else:
            found.append(place)
    return tuple(found)
