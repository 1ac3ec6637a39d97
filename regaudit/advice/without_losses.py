"""Strengths without losses: a paper's recipe, the model's own strengths, or a start of a sweep."""

from math import isclose

from msgspec.structs import replace

from regaudit.advice.places import Place
from regaudit.advice.recipes import above
from regaudit.advice.situation import Choice, Places, Situation
from regaudit.advice.strength import BUDGET, budget_strength, chosen
from regaudit.keras_semantics.regularizers import DEFAULT_STRENGTH
from regaudit.report.proposal import UNTESTED
from regaudit.report.spelling import count

AS_THE_OTHERS = "Give the bare kernels what the model's own other layers have."

ROOM = 0.2
"""Of the chance loss: what all penalties together may cost that no loss asked for."""


def by_what_is_there(here: Situation, places: Places) -> Choice | None:
    """Choose without losses; None where nothing is to be changed, or where both are known."""
    if here.gap is not None:
        return None
    recipes = _recipes(here, places)
    if recipes != places:
        return Choice(
            recipes,
            "add" if any(place.bare for place in places) else "weaken",
            "Take the weight decay of the paper: the layers are those of "
            f"{_names(here)}, whose authors state it.",
        )
    own = _own(here, places)
    if own != places:
        return Choice(own, "add", AS_THE_OTHERS)
    start = _start(here, places)
    if start != places:
        return Choice(
            start,
            "unknown",
            "Nothing in a file says whether this model overfits, or how strong a penalty should "
            "be.",
        )
    return None


def why_none(place: Place, places: Places) -> str:
    """Say in one clause why the model has no strength for a bare place; empty for another.

    Args:
        place: one of them.
        places: as they are in the end, of a model without losses.
    """
    if not place.bare or place.closed:
        return ""
    peers = _peers(place, places)
    strengths = {(peer.l1, peer.l2) for peer in peers}
    if any(peer.dead for peer in peers):
        return "units of the other kernels are dead: their strength may be too strong"
    if len(strengths) > 1:
        return "the model's other kernels differ in strength: two losses would tell"
    if any(DEFAULT_STRENGTH in pair for pair in strengths):
        return "the other kernels have Keras's default strength, which nobody chose"
    if place.training and any(not _acts(place, *pair) for pair in strengths):
        steps = count(place.training.steps or 0, "step")
        return f"the strength of the other kernels would not act in {steps} of SGD"
    if place.rescaled and not strengths:
        return (
            "a normalization after it undoes its scale, so that what a penalty on it costs does "
            "not tell how strong it should be"
        )
    return ""


# A paper's ---------------------------------------------------------------------------------------


def _names(here: Situation) -> str:
    return " and ".join(dict.fromkeys(recipe.name for recipe in here.recipes.values()))


def _recipes(here: Situation, places: Places) -> Places:
    """Put the L2 of a paper on the kernels of its architecture."""
    if here.aim != "l2" or not here.recipes:
        return places
    found = []
    for place in places:
        at = next((one for one in above(place.layer.path) if one in here.recipes), None)
        recipe = here.recipes[at] if at is not None else None
        if recipe is None or place.fixed or place.closed or place.l1:
            found.append(place)
            continue
        spared = recipe.name.startswith("MobileNet") and "depthwise" in place.key
        doubled = bool(place.l2) and isclose(place.l2, recipe.decay, rel_tol=1e-6)
        if doubled or (place.bare and not spared):
            reason = (
                f"half the weight decay of {recipe.decay:g}, as Keras writes it: {recipe.source}"
            )
            found.append(place.given(0.0, recipe.decay / 2, "recipe of a paper", reason))
        else:
            found.append(place)
    return tuple(found) if _fits(here, places, found) else places


# The model's own ---------------------------------------------------------------------------------


def _own(here: Situation, places: Places) -> Places:
    """Give bare kernels the one strength that the other kernels of their kind have.

    What these were themselves given without a test is no more tested on others.
    """
    found = []
    for place in places:
        open_ = place.bare and not place.fixed and not place.closed
        peers = _peers(place, places) if open_ else ()
        strengths = {(peer.l1, peer.l2) for peer in peers}
        l1, l2 = next(iter(strengths), (0.0, 0.0))
        doubtful = DEFAULT_STRENGTH in (l1, l2) or any(peer.dead for peer in peers)
        if len(strengths) != 1 or doubtful or not _acts(place, l1, l2):
            found.append(place)
        elif any(peer.basis == UNTESTED for peer in peers):
            found.append(place.given(l1, l2, UNTESTED, "the same start as for the other layers"))
        else:
            reason = "the strength of the model's own other layers"
            found.append(place.given(l1, l2, "the model's own other layers", reason))
    return tuple(found) if _fits(here, places, found) else places


def _peers(place: Place, places: Places) -> Places:
    """Return the penalized kernels of the same class, else all; of strengths without float32 noise.

    Kernels that a normalization rescales are compared with each other alone: what suits the others
    is no measure for them.
    """
    paying = [
        replace(one, l1=float(f"{one.l1:.6g}"), l2=float(f"{one.l2:.6g}"))
        for one in places
        if one.penalty and not one.fixed and (one.rescaled or not place.rescaled)
    ]
    kind = (place.layer.class_name, place.key)
    alike = [one for one in paying if (one.layer.class_name, one.key) == kind]
    return tuple(alike or paying)


def _acts(place: Place, l1: float, l2: float) -> bool:
    """Whether an L2 acts in as many steps as the training took, as far as is known."""
    least = place.acts_from()
    return bool(l1) or least is None or l2 >= least


# A start -----------------------------------------------------------------------------------------


def _start(here: Situation, places: Places) -> Places:
    """Begin a sweep where all kernels together cost about 5% of the chance loss."""
    chance = here.chance
    bare = [place for place in places if place.bare and not place.closed and not place.rescaled]
    if chance is None or not bare or any(place.penalty for place in places if not place.rescaled):
        return places
    strength = chosen(budget_strength(chance, sum(place.norm(here.aim) for place in bare)))
    if strength is None:
        return places
    l1, l2 = (strength, 0.0) if here.aim == "l1" else (0.0, strength)
    acting = [place for place in bare if _acts(place, l1, l2)]
    cost = sum(place.given(l1, l2, UNTESTED, "").penalty for place in acting)
    reason = (
        f"all of them together then cost {cost / chance.value:.1%} of the chance loss "
        f"({chance.basis})"
    )
    found = [
        place.given(l1, l2, UNTESTED, reason) if place in acting else place for place in places
    ]
    return tuple(found) if _fits(here, places, found) else places


def _fits(here: Situation, before: Places, found: list[Place]) -> bool:
    """Whether penalties that no loss asked for leave the model room to learn."""
    if here.chance is None:
        return True
    level = here.chance.value
    free = sum(place.penalty for place in found if not place.rescaled)
    if free > max(ROOM * level, sum(place.penalty for place in before if not place.rescaled)):
        return False
    loss = here.evidence.facts.train_loss
    total = here.others + sum(place.penalty for place in found)
    return loss is None or total <= BUDGET * level or loss + total <= level
