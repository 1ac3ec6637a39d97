"""Suggestions: which strength a weight should have, as Keras code and as an edit."""

from math import inf

from msgspec import Struct

from regaudit.advice.regularizer_code import argument, serialized
from regaudit.advice.strength import FEW, budget_strength, gap_strength, overfits, usable
from regaudit.evidence.evidence import Evidence
from regaudit.model import Layer, Weight
from regaudit.report.report import Edit, Suggestion


class Advice(Struct, frozen=True):
    """A strength of L2 and where it comes from."""

    l2: float
    reason: str


def suggest(
    evidence: Evidence, layer: Layer, weight: Weight, *, peers: bool = True
) -> Suggestion | None:
    """Suggest an L2 penalty for a weight that has none, or one of the wrong strength.

    By the gap between the losses where the user gave both, else by what the model's own layers of
    the kind use, else by the budget rule. None where nothing supports a number.

    Args:
        evidence: of the whole model.
        layer: the weight's.
        weight: a kernel.
        peers: whether the strengths of other layers are to be trusted.
    """
    measured = evidence.measured(weight)
    if measured is None or not measured.l2_norm or weight.regularizer_key is None:
        return None
    gap = evidence.facts.gap
    if gap is not None:
        advice = _by_gap(evidence, gap, measured.l2_norm)
    else:
        advice = _by_peers(evidence, layer, weight) if peers else None
        # A normalized kernel's scale is free: a penalty would set the effective learning rate.
        if advice is None and not evidence.next_normalization(layer):
            advice = _by_budget(evidence)
    return set_l2(evidence, layer, weight, advice) if advice else None


def set_l2(evidence: Evidence, layer: Layer, weight: Weight, advice: Advice) -> Suggestion | None:
    """Suggest to put an L2 penalty on a weight in place of what it has."""
    measured = evidence.measured(weight)
    if measured is None or measured.l2_norm is None or weight.regularizer_key is None:
        return None
    added = advice.l2 * measured.l2_norm * measured.l2_norm
    return _suggestion(layer, weight, {"l2": advice.l2}, added, advice.reason)


def scale(
    evidence: Evidence, layer: Layer, weight: Weight, factor: float, reason: str
) -> Suggestion | None:
    """Suggest to multiply the strengths that a weight's regularizer has."""
    regularizer = weight.regularizer
    if regularizer is None or weight.regularizer_key is None or factor <= 0:
        return None
    given = {"l1": regularizer.l1, "l2": regularizer.l2}
    scaled = {key: usable(value * factor) for key, value in given.items() if value}
    strengths = {key: value for key, value in scaled.items() if value is not None}
    measured = evidence.measured(weight)
    if (
        not strengths
        or strengths.keys() != scaled.keys()
        or measured is None
        or measured.l1_norm is None
        or measured.l2_norm is None
    ):
        return None
    added = strengths.get("l1", 0.0) * measured.l1_norm
    added += strengths.get("l2", 0.0) * measured.l2_norm * measured.l2_norm
    return _suggestion(layer, weight, strengths, added, reason)


def remove(layer: Layer, weight: Weight, reason: str) -> Suggestion | None:
    """Suggest to take a weight's regularizer away."""
    if weight.regularizer_key is None:
        return None
    edit = Edit(layer.path, weight.regularizer_key, None)
    code = argument(weight.regularizer_key, None)
    return Suggestion(weight.path, code, (edit,), 0.0, reason)


def _suggestion(
    layer: Layer,
    weight: Weight,
    strengths: dict[str, float],
    added: float,
    reason: str,
) -> Suggestion | None:
    """Return None for a strength of zero or infinity: the weights are too large or too small."""
    if not all(0 < strength < inf for strength in strengths.values()):
        return None
    key, value = str(weight.regularizer_key), serialized(strengths)
    return Suggestion(
        weight=weight.path,
        code=argument(key, value, by_name=False),
        edits=(Edit(layer.path, key, value),),
        penalty=added,
        reason=reason,
    )


def _by_gap(evidence: Evidence, gap: float, norm: float) -> Advice | None:
    """The gap rule; nothing for a small gap, or where it cannot be compared with H."""
    chance = evidence.chance
    kernels = evidence.kernel_count
    if chance is None or not kernels or not overfits(gap, chance):
        return None
    l2 = gap_strength(gap, 1 / kernels, norm * norm)
    if l2 is None:
        return None
    reason = (
        f"half the gap of {gap:.3g} between validation and training loss, shared equally by "
        f"{kernels} kernels; first try EarlyStopping(restore_best_weights=True), which often "
        "does as much or more"
    )
    size = evidence.facts.val_size
    if size is not None and size < FEW:
        reason += f"; {size} validation samples are few for this"
    return Advice(l2, reason)


def _by_peers(evidence: Evidence, layer: Layer, weight: Weight) -> Advice | None:
    """The L2 strength that regularized weights of the same class and role agree on."""
    strengths = evidence.peer_strengths(layer, weight)
    if len(strengths) != 1:
        return None
    reason = f"the strength of the model's own regularized {layer.class_name} layers"
    return Advice(strengths.pop(), reason)


def _by_budget(evidence: Evidence) -> Advice | None:
    """The budget rule over all kernels whose scale no normalization undoes."""
    if evidence.chance is None:
        return None
    l2 = budget_strength(evidence.chance, evidence.free_square)
    if l2 is None:
        return None
    reason = (
        "start of a sweep (x0.1, x1, x10): the penalty of all kernels is then 5 % of the "
        f"chance loss ({evidence.chance.basis})"
    )
    return Advice(l2, reason)
