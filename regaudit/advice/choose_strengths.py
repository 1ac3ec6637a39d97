"""Which strengths a model should have: weaker ones, those of the gap rule, its own, or a start.

Each step looks at the model as a whole, by the two losses where they are known, and returns the
places with the strengths that it would give them. Steps are repeated until nothing changes, so
that the same question about the edited file finds nothing to do.
"""

from regaudit.advice.places import COLLAPSED, Place, for_both_directions
from regaudit.advice.recipes import recognized
from regaudit.advice.situation import Choice, Places, Situation
from regaudit.advice.strength import (
    BUDGET,
    FACTORS,
    FAR_OVER_BUDGET,
    MOST_OF_GAP,
    OVER_BUDGET,
    OVER_GAP,
    asked_for,
    chosen,
    gap_strength,
)
from regaudit.advice.without_losses import AS_THE_OTHERS, by_what_is_there
from regaudit.evidence.evidence import NO_CHANGE, Evidence
from regaudit.evidence.needs import CHANCE_LOSS, lacks
from regaudit.evidence.outputs import ChanceLoss
from regaudit.report.proposal import UNTESTED, Aim, Basis, Purpose
from regaudit.report.spelling import count

STEPS = 8
"""Most steps; two or three are taken."""

LEAST_CHANGE = 1.05
"""By less than this factor no strength is changed: some versions of Keras store float32."""


def choose(
    evidence: Evidence,
    places: Places,
    aim: Aim,
    purpose: Purpose,
    factor: float | None = None,
) -> Choice:
    """Choose the strengths of all places.

    Args:
        evidence: of the model.
        places: with today's strengths.
        aim: L2 or L1.
        purpose: what the strengths are for.
        factor: share of the gap that all penalties together may cost; by default that of the
            purpose.
    """
    factor = FACTORS[purpose] if factor is None else factor
    others = evidence.total_penalty - sum(place.paid for place in places)
    here = Situation(evidence, aim, factor, max(others, 0.0), recognized(evidence.model))
    decided = found = _step(here, places)
    now, then = places, for_both_directions(found.places)
    for _ in range(STEPS):
        if then == now:
            break
        if found.verdict == AS_THE_OTHERS and found.verdict not in decided.verdict:
            decided = decided._replace(verdict=f"{decided.verdict} {found.verdict}")
        now, found = then, _step(here, then)
        then = for_both_directions(found.places)
    return decided._replace(places=now)


def _step(here: Situation, places: Places) -> Choice:
    found = (
        _doubled(places)
        or _too_much(here, places)
        or _collapsed(places)
        or _by_losses(here, places)
        or by_what_is_there(here, places)
    )
    if found is not None:
        return found
    some = any(place.bare and not place.closed for place in places)
    return Choice(places, "unknown" if some else "leave", _untouched(here, places))


def _untouched(here: Situation, places: Places) -> str:
    """Say why a model is left as it is."""
    bare = [place for place in places if not place.penalty]
    reasons: dict[str, list[str]] = {}
    for place in bare:
        if why := place.fixed or place.closed:
            reasons.setdefault(why, []).extend(weight.path for weight in place.weights)
    if len(reasons) == 1:
        return f"No strength is proposed: {next(iter(reasons))}."
    if reasons:
        told = (f"{_few(paths)}: {why}" for why, paths in reasons.items())
        return f"No strength is proposed. {'; '.join(told)}."
    if bare:
        chance = lacks(here.evidence, CHANCE_LOSS) or ""
        more = f", and {chance}" if chance.startswith("--") else ""
        return (
            "No strength is proposed: nothing in the file says how strong a penalty should be; "
            f"give --train-loss and --val-loss{more}."
        )
    whose = " of Keras's own layers" if here.evidence.untold else ""
    return (
        f"No strength is proposed: every kernel{whose} has a penalty, and only --train-loss and "
        "--val-loss tell if it is the right one."
    )


def _few(paths: list[str]) -> str:
    more = f" and {count(len(paths) - 1, 'more kernel')}" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"


# Taking off --------------------------------------------------------------------------------------


def _doubled(places: Places) -> Choice | None:
    """Take L2 off kernels that the weight decay of the optimizer acts on."""
    found = []
    for place in places:
        training = place.training
        acts = training is not None and training.weight_decay > 0
        inert = training is not None and training.decayed_nothing
        if place.fixed or not place.l2 or not acts or inert or training is None:
            found.append(place)
            continue
        reason = f"the weight decay of {training.class_name} already acts on it"
        found.append(place.given(place.l1, 0.0, "weight decay in place", reason))
    if tuple(found) == places:
        return None
    verdict = "Keep only the optimizer's weight decay: L2 beside it decays the same kernels twice."
    return Choice(tuple(found), "decouple", verdict)


def _collapsed(places: Places) -> Choice | None:
    """Have a model with collapsed kernels trained again before anything is added to others."""
    found = [place for place in places if place.fixed == COLLAPSED and not place.rescaled]
    if not found:
        return None
    verdict = (
        "Train again from new weights, with a tenth of the strength where a kernel has collapsed: "
        f"{_few([weight.path for place in found for weight in place.weights])}."
    )
    return Choice(places, "unknown", verdict)


def _too_much(here: Situation, places: Places) -> Choice | None:
    """Weaken penalties that are a large part of the chance loss, or far above the gap."""
    chance, gap = here.chance, here.gap
    paying = [place for place in places if place.penalty and not place.fixed]
    free = sum(place.penalty for place in paying if not place.rescaled)
    total = here.others + sum(place.penalty for place in places)
    if chance is None or not paying:
        return None
    loss, level = here.evidence.facts.train_loss, chance.value
    worse = loss is not None and loss < level < loss + total and not asked_for(total, gap)
    if loss is not None and worse and total > BUDGET * level:
        aim = min(max(BUDGET * level, gap or 0.0), (level - loss) / 2)
        why = (
            f"the training loss of {loss:.3g} and the penalty of {total:.3g} together are above "
            f"{level:.3g}, the loss of a model that has learned nothing ({chance.basis})"
        )
        wanted, scaled = max(aim - here.others, aim / 10), total - here.others
    elif gap is None and free > OVER_BUDGET * level:
        why = f"the penalty of {free:.3g} is {free / level:.0%} of the chance loss ({chance.basis})"
        wanted, scaled = BUDGET * level, free
    elif gap is not None and free > over_gap(gap, chance):
        floor = max(gap, 0.01 * level)
        times = "ten times" if free > OVER_GAP * floor else "twice"
        why = f"the penalty of {free:.3g} is over {times} the gap of {gap:.3g}"
        wanted, scaled = min(floor, OVER_BUDGET * level), free
    else:
        return None
    basis: Basis = UNTESTED if gap is None else "two losses"
    factor = wanted / scaled
    reason = f"all strengths x about {factor:.1g}: {why}"
    found = tuple(
        _scaled(place, factor, basis, reason) if place in paying else place for place in places
    )
    return None if found == places else Choice(found, "weaken", f"Weaken the penalties: {why}.")


def over_gap(gap: float, chance: ChanceLoss) -> float:
    """Return what penalties may cost at most, by the two losses.

    Ten times the gap, and twice the gap where that is over half the chance loss.
    """
    floor = max(gap, 0.01 * chance.value)
    return min(OVER_GAP * floor, max(MOST_OF_GAP * floor, FAR_OVER_BUDGET * chance.value))


def _scaled(place: Place, factor: float, basis: Basis, reason: str) -> Place:
    """Multiply both strengths of a place, or neither."""
    scaled = [chosen(strength * factor) if strength else 0.0 for strength in (place.l1, place.l2)]
    if None in scaled:
        return place
    l1, l2 = (strength or 0.0 for strength in scaled)
    weaker = place.given(l1, l2, basis, reason)
    return weaker if weaker.penalty * LEAST_CHANGE < place.penalty else place


# Adding ------------------------------------------------------------------------------------------


def _by_losses(here: Situation, places: Places) -> Choice | None:
    """Share the gap between the kernels, or leave them."""
    chance, gap, facts = here.chance, here.gap, here.evidence.facts
    if gap is None:
        return None
    if chance and facts.train_loss is not None and facts.train_loss >= chance.value:
        return Choice(
            places,
            "unknown",
            f"No strength is proposed: a training loss of {facts.train_loss:.3g} is no better than "
            f"that of a model that has learned nothing ({chance.basis}): check the labels and the "
            "rate first.",
        )
    if here.evidence.overfits is False:
        why = f"Leave it, it does not overfit: a gap of {gap:.3g} between the losses"
        if chance is not None and gap > 0:
            why = f"{why} is within {NO_CHANGE:.0%} of the chance loss ({chance.basis})"
        return Choice(places, "leave", f"{why}.")
    if chance is None:
        return Choice(
            places,
            "unknown",
            "No strength is proposed: judging the size of the gap needs "
            f"{lacks(here.evidence, CHANCE_LOSS)}.",
        )
    open_ = [place for place in places if not place.fixed and not place.closed]
    kernels = sum(len(place.weights) for place in open_)
    if not kernels:
        return Choice(places, "leave", _untouched(here, places))
    share = here.factor * gap
    why = (
        f"about {_times(here.factor)}the gap of {gap:.3g}, shared equally by "
        f"{count(kernels, 'kernel')}"
    )
    found = tuple(
        _raised(place, share * len(place.weights) / kernels, here.aim, why)
        if place in open_
        else place
        for place in places
    )
    if found == places:
        return Choice(
            places,
            "leave",
            "Leave the strengths: they are as high as the gap rule gives, or higher.",
        )
    free = sum(place.penalty for place in found if not place.rescaled)
    total = here.others + sum(place.penalty for place in found)
    worse = (facts.train_loss or 0.0) + total > chance.value and not asked_for(total, gap)
    if free > over_gap(gap, chance) or worse:
        return Choice(
            places,
            "leave",
            "Leave the strengths: the penalties of other kernels are as high as the gap.",
        )
    stronger = any(place.penalty for place in places)
    return Choice(
        found,
        "strengthen" if stronger else "add",
        f"Regularize: the validation loss is {gap:.3g} above the training loss, "
        f"{gap / chance.value:.0%} of the chance loss ({chance.basis}).",
    )


def _times(factor: float) -> str:
    return {0.5: "half ", 1.0: "", 2.0: "twice "}.get(factor, f"{factor:g} times ")


def _raised(place: Place, part: float, aim: Aim, why: str) -> Place:
    """Give a place its part of the penalty, if it has less."""
    strength = chosen(gap_strength(part, place.norm(aim)))
    if strength is None or (place.penalty and place.dead):
        return place
    l1, l2 = (strength, 0.0) if aim == "l1" else (0.0, strength)
    new = place.given(l1, l2, "two losses", why)
    return new if place.penalty * LEAST_CHANGE < new.penalty else place
