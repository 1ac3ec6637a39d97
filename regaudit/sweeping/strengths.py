"""The strengths of a ladder: those that the advice engine proposes, times a factor."""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from regaudit.advice.places import places_of
from regaudit.advice.regularizer_code import serialized
from regaudit.advice.strength import chosen, gap_strength
from regaudit.advice.suggest import suggest
from regaudit.editing.config_edit import STRONGEST, WEAKEST
from regaudit.editing.validity import ACTIVITY, keys_of
from regaudit.errors import UsageError
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Model, Status
from regaudit.report.proposal import OPTIMIZER, Aim, Edit, Proposal, Purpose
from regaudit.report.report import Report
from regaudit.sweeping.outcome import Kind

LEAST_GAP = 0.1
"""Where the losses ask for no penalty, or do not say how strong, a ladder begins with kernels that
share half of this part of the chance loss; where that is not known, of the validation loss."""

Slot = tuple[str, str]
"""Path of a layer, and a key of its configuration."""


class Base(Struct, frozen=True):
    """The strengths of factor 1."""

    kind: Kind
    penalties: Mapping[Slot, tuple[float, float]] = {}
    """L1 and L2 strength."""
    fixed: tuple[Edit, ...] = ()
    """What every rung changes as well."""
    decay: float | None = None
    """Weight decay of AdamW."""
    proposed: bool = True
    """Whether the losses asked for them."""

    def times(self, factor: float) -> tuple[Edit, ...]:
        """Return the edits of a rung."""
        edits = [
            Edit(layer, key, serialized({"l1": _taken(l1 * factor), "l2": _taken(l2 * factor)}))
            for (layer, key), (l1, l2) in self.penalties.items()
        ]
        if self.decay is None:
            return (*self.fixed, *edits)
        decay = {"class_name": "AdamW", "weight_decay": _taken(self.decay * factor)}
        return (*self.fixed, *edits, Edit("", OPTIMIZER, decay))

    def range(self, factor: float) -> tuple[float, float]:
        """Return the lowest and the highest strength of a rung."""
        if self.decay is not None:
            return _taken(self.decay * factor), _taken(self.decay * factor)
        found = [_taken(max(pair) * factor) for pair in self.penalties.values() if max(pair) > 0]
        return min(found), max(found)


def _taken(strength: float) -> float:
    """Return the nearest strength that an edit may write; a ladder of many rungs leads beyond."""
    return min(max(strength, WEAKEST), STRONGEST) if strength else 0.0


def base_of(
    report: Report,
    facts: Facts,
    kind: Kind,
    purpose: Purpose,
    activity: Mapping[str, float],
) -> Base:
    """Find the strengths that a ladder begins with.

    Args:
        report: of the file.
        facts: losses and sizes, as they were measured.
        kind: of regularization.
        purpose: whether the rungs go on from the saved weights.
        activity: mean over the samples of the sum of squares of what a layer puts out, by the paths
            of the layers that may have an activity regularizer.

    Raises:
        UsageError: the model takes no such regularization.
    """
    gap = max(facts.gap or 0.0, _least_gap(report, facts))
    if kind == "activity":
        found = _of_activity(activity, gap)
    elif kind == "adamw":
        found = _of_decay(report, facts, purpose)
    else:
        found = _proposed(report, facts, kind, purpose) or _equal(report, kind, gap)
    if found is None:
        raise UsageError(_why_none(report, facts, kind, purpose, gap))
    return found


def without(model: Model) -> tuple[Edit, ...]:
    """Return the edits that take every penalty out of a model."""
    edits = {
        (layer.path, weight.regularizer_key): None
        for layer, weight in model.weights()
        if weight.regularizer_key and weight.regularizer and _is_in_force(weight.regularizer.status)
    }
    edits |= {
        (layer.path, ACTIVITY): None
        for layer in model.layers
        if layer.activity_regularizer and _is_in_force(layer.activity_regularizer.status)
    }
    return tuple(Edit(path, str(key), None) for path, key in edits)


def _least_gap(report: Report, facts: Facts) -> float:
    """Return a gap for which strengths are proposed where the losses ask for none."""
    chance = None
    if report.model is not None:
        chance = Evidence(report.model, report.moments, report.penalties, facts).chance
    return max(
        facts.gap or 0.0, LEAST_GAP * (chance.value if chance else abs(facts.val_loss or 0.0))
    )


def _of_decay(report: Report, facts: Facts, purpose: Purpose) -> Base | None:
    """Move to AdamW as the engine proposes it, whatever the losses say."""
    proposal = suggest(
        report, replace(facts, train_loss=None, val_loss=None), "adamw", purpose=purpose
    )
    if proposal.decay is None:
        return None
    fixed = tuple(change.edit for change in proposal.changes)
    return Base("adamw", fixed=fixed, decay=proposal.decay)


def _proposed(report: Report, facts: Facts, kind: Kind, purpose: Purpose) -> Base | None:
    """Return what the engine makes of the losses, with the penalties that it leaves as they are."""
    aim: Aim = "l1" if kind == "l1" else "l2"
    try:
        proposal = suggest(report, facts, aim, purpose=purpose)
    except UsageError:  # losses that may be below zero, or whose yardstick is unknown
        return None
    penalties = dict(_today(report)) | _changed(proposal)
    penalties = {slot: pair for slot, pair in penalties.items() if max(pair) > 0}
    return Base(kind, penalties) if penalties else None


def _equal(report: Report, kind: Kind, gap: float) -> Base | None:
    """Give every kernel an equal part of half a gap."""
    if report.model is None or gap <= 0:
        return None
    aim: Aim = "l1" if kind == "l1" else "l2"
    evidence = Evidence(report.model, report.moments, report.penalties)
    places = [one for one in places_of(evidence) if not one.fixed and not one.closed]
    penalties: dict[Slot, tuple[float, float]] = {}
    for place in places:
        strength = chosen(gap_strength(0.5 * gap / len(places), place.norm(aim)))
        if strength is not None:
            pair = (strength, 0.0) if aim == "l1" else (0.0, strength)
            penalties[place.layer.path, place.key] = pair
    return Base(kind, penalties, proposed=False) if penalties else None


def _today(report: Report) -> Iterator[tuple[Slot, tuple[float, float]]]:
    """Yield the penalties that kernels have."""
    for layer, weight in report.model.weights() if report.model else ():
        there = weight.regularizer
        if (
            there
            and weight.regularizer_key
            and weight.role not in {"bias", "gamma", "beta"}
            and there.status is Status.IN_FORCE
            and there.l1 is not None
            and there.l2 is not None
        ):
            yield (layer.path, weight.regularizer_key), (there.l1, there.l2)


def _changed(proposal: Proposal) -> dict[Slot, tuple[float, float]]:
    return {(one.layer, one.key): (one.l1, one.l2) for one in proposal.changes}


def _of_activity(activity: Mapping[str, float], gap: float) -> Base | None:
    """Give each layer's outputs an equal part of half the gap, as L2."""
    if gap <= 0:
        return None
    parts = {path: square for path, square in activity.items() if square > 0}
    return (
        Base(
            "activity",
            {
                (path, ACTIVITY): (0.0, 0.5 * gap / len(parts) / square)
                for path, square in parts.items()
            },
        )
        if parts
        else None
    )


def _why_none(report: Report, facts: Facts, kind: Kind, purpose: Purpose, gap: float) -> str:
    if gap <= 0 and kind != "adamw":
        return "there is nothing to sweep: the validation loss is 0, which no penalty lowers"
    if kind == "activity":
        return "no layer of this model takes an activity regularizer: leave out --aim activity"
    if kind != "adamw":
        return "there is nothing to sweep: no trainable kernel takes a regularizer"
    bare = replace(facts, train_loss=None, val_loss=None)
    return f"there is nothing to sweep: {suggest(report, bare, 'adamw', purpose=purpose).verdict}"


def _is_in_force(status: Status) -> bool:
    return status is Status.IN_FORCE


def measurable(report: Report) -> tuple[str, ...]:
    """Return the layers whose outputs a ladder of activity regularizers may penalize."""
    if report.model is None:
        return ()
    dialect = Dialect.of(report.model.keras_version)
    evidence = Evidence(report.model, report.moments, report.penalties)
    layers = {layer.path: layer for layer, _ in evidence.kernels()}
    return tuple(
        path
        for path, layer in layers.items()
        if "activity" in keys_of(layer, dialect) and not evidence.graph.heads_of(layer)
    )
