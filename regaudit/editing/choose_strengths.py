"""Which strengths a model should have: weaker ones, those of the gap rule, a start, or none.

The rules advise weight by weight; this weighs the model as a whole, by the two losses where they
are known. How well it does is measured by `benchmarks/advice.py`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec.structs import replace

from regaudit.advice.strength import BUDGET, budget_strength, gap_strength, overfits, rounded
from regaudit.editing.proposal import Aim, StrengthChange
from regaudit.editing.slots import Slot
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CHANCE_LOSS, lacks

TOO_MUCH = 0.5
"""Penalties above this share of the chance loss are scaled down, whatever the losses."""
OVER_GAP = 10.0
"""Penalties above this many gaps are scaled down."""


def choose(
    evidence: Evidence, places: Sequence[Slot], aim: Aim
) -> tuple[list[StrengthChange], str]:
    """Choose between scaling down, the gap rule, a starting point and leaving it."""
    chance, gap, penalty = evidence.chance, evidence.facts.gap, evidence.total_penalty
    paying = [place for place in places if place.regularizer and place.penalty]
    if chance is not None and penalty > TOO_MUCH * chance.value and paying:
        factor = BUDGET * chance.value / penalty
        why = f"the penalty {penalty:.3g} is over half the chance loss ({chance.basis})"
        return _scaled(paying, factor, why), f"Weaken the penalties: {why}."
    if gap is None:
        return _start(evidence, places, aim)
    if chance is None:
        lacking = lacks(evidence, CHANCE_LOSS)
        return [], f"Leave it: judging the size of the gap needs {lacking}."
    floor = max(gap, 0.01 * chance.value)
    if penalty > OVER_GAP * floor and paying:
        why = f"the penalty {penalty:.3g} is over ten times the gap of {gap:.3g}"
        return _scaled(paying, floor / penalty, why), f"Weaken the penalties: {why}."
    if not overfits(gap, chance):
        return [], (
            f"Leave it: a gap of {gap:.3g} between validation and training loss is within 5 % of "
            f"the chance loss ({chance.basis}); it does not overfit."
        )
    kernels = sum(len(place.weights) for place in places)
    why = f"half the gap of {gap:.3g}, shared equally by {kernels} kernels"
    changes: list[StrengthChange] = []
    for place in places:
        strength = gap_strength(gap, len(place.weights) / kernels, place.norm(aim))
        changes += _strengthened(place, strength, aim, "medium", why)
    if not changes:
        return (
            [],
            "Leave it: the present strengths are as high as the gap rule gives, or higher.",
        )
    return changes, (
        f"Regularize: the validation loss is {gap:.3g} above the training loss, "
        f"{gap / chance.value:.0%} of the chance loss ({chance.basis})."
    )


def _start(
    evidence: Evidence, places: Sequence[Slot], aim: Aim
) -> tuple[list[StrengthChange], str]:
    """Propose where to start a sweep: without losses the right strength is not known."""
    chance = evidence.chance
    firsts = [(place, place.weights[0]) for place in places]
    bare = [place for place, one in firsts if one.regularizer is None or one.rewarded]
    free = [place for place in places if not evidence.next_normalization(place.layer)]
    if not bare:
        return [], "Leave it: every kernel has a regularizer; only the two losses can say more."
    known = {place.regularizer.l2 for place in places if place.regularizer}
    changes: list[StrengthChange] = []
    norm = sum(place.norm(aim) for place in free)
    for place in bare:
        if aim == "l2" and len(known) == 1 and (peer := next(iter(known))):
            why = "the strength of the model's own regularized layers; sweep x0.1, x1, x10"
            changes += _strengthened(place, peer, aim, "low", why)
        elif chance is not None and norm and place in free:
            why = (
                f"all kernels together: 5 % of the chance loss ({chance.basis}); sweep x0.1 to x10"
            )
            strength = budget_strength(chance, norm)
            changes += _strengthened(place, strength, aim, "low", why)
    if not changes:
        lacking = lacks(evidence, CHANCE_LOSS) or "both losses"
        return [], f"No strength can be proposed without {lacking}."
    return changes, (
        "Only a starting point: without --train-loss and --val-loss, nothing in a file says "
        "whether this model overfits, or how strong a penalty should be."
    )


def _strengthened(
    place: Slot, strength: float | None, aim: Aim, confidence: Literal["medium", "low"], why: str
) -> Iterator[StrengthChange]:
    """Yield the change to a strength, if the present one is weaker."""
    if strength is None:
        return
    l1, l2 = (strength, 0.0) if aim == "l1" else (0.0, strength)
    after = l1 * place.l1_norm + l2 * place.squared_norm
    if place.penalty < after:
        yield place.changed((l1, l2), after, confidence, why)


def _scaled(paying: Sequence[Slot], factor: float, why: str) -> list[StrengthChange]:
    changes = []
    for place in paying:
        regularizer = place.regularizer
        l1, l2 = (
            rounded(value * factor) if value else 0.0
            for value in ((regularizer.l1, regularizer.l2) if regularizer else (0.0, 0.0))
        )
        after = l1 * place.l1_norm + l2 * place.squared_norm
        if l1 or l2:
            changes.append(place.changed((l1, l2), after, "high", why))
    return changes


def same_for_both_directions(changes: Sequence[StrengthChange]) -> Iterator[StrengthChange]:
    """Give the two directions of a Bidirectional one strength: Keras 2 stores one for both."""
    for change in changes:
        base, _, name = change.layer.rpartition("/")
        direction, _, rest = name.partition("_")
        other = {"forward": "backward", "backward": "forward"}.get(direction, "")
        twin = f"{base}/{other}_{rest}"
        pair = next((c for c in changes if other and (c.layer, c.key) == (twin, change.key)), None)
        if pair is None:
            yield change
            continue
        l1, l2 = min(change.l1, pair.l1), min(change.l2, pair.l2)
        scale = (l1 or l2) / (change.l1 or change.l2)
        yield replace(change, l1=l1, l2=l2, after=change.after * scale)
