"""One proposal for a whole model, from its evidence and what is known of its training.

Whatever says how strong a penalty should be takes it from here: findings, `suggest`, `apply`, the
reports.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from regaudit.advice.choose_strengths import choose
from regaudit.advice.losses import remarks_on
from regaudit.advice.places import places_of
from regaudit.advice.situation import Places
from regaudit.advice.without_losses import why_none
from regaudit.evidence.evidence import Evidence
from regaudit.keras_semantics.hub_classes import is_of_hub
from regaudit.model import Weight
from regaudit.report.proposal import UNTESTED, WORTH_OF_A_START, Aim, Decision, Proposal, Purpose
from regaudit.report.spelling import count


def propose(
    evidence: Evidence,
    aim: Aim = "l2",
    purpose: Purpose = "going-on",
    factor: float | None = None,
) -> Proposal:
    """Propose strengths for a model.

    Args:
        evidence: of the model; with both losses among its facts the gap rule speaks.
        aim: kind of penalty, or weight decay by AdamW.
        purpose: what the strengths are for.
        factor: share of the gap that all penalties together may cost; by default that of the
            purpose.
    """
    misplaced = next((weight for _, weight in evidence.model.weights() if weight.loads_from), None)
    broken = [weight.path for _, weight in evidence.kernels() if _is_broken(evidence, weight)]
    if not evidence.model.class_name:
        return _none(
            evidence, aim, purpose, "The file holds weights only: their regularizers are unknown."
        )
    if not evidence.values:
        unread = "The values of the weights were not read."
        why = unread if evidence.model.stored else "There are no weights in the file to go by."
        return _none(evidence, aim, purpose, why)
    if misplaced is not None:
        verdict = (
            f"Save the model as .keras first: Keras loads another weight's values into "
            f"{misplaced.path} (REG905)."
        )
        return _none(evidence, aim, purpose, verdict)
    if broken:
        more = f" and {count(len(broken) - 1, 'more kernel')}" if len(broken) > 1 else ""
        verdict = (
            f"Restore it first: there are NaN or infinite values in {broken[0]}{more}; go back to "
            "the last checkpoint without them."
        )
        return _none(evidence, aim, purpose, verdict)
    places = tuple(places_of(evidence))
    if not places and evidence.untold:
        verdict = "No strength is proposed: custom code decides what regularizes the kernels."
        return _none(evidence, aim, purpose, verdict)
    if not places:
        verdict = "Leave it: no trainable kernel takes a regularizer."
        if is_of_hub(evidence.model.class_name):
            verdict = "Leave it: KerasHub's code makes the layers, and gives them no regularizers."
        return _none(evidence, aim, purpose, verdict, decision="leave")
    if aim == "adamw":
        from regaudit.advice.adamw import with_adamw  # noqa: PLC0415 - no finding needs it

        return with_adamw(evidence, places, purpose)
    found = choose(evidence, places, aim, purpose, factor)
    pairs = zip(places, found.places, strict=True)
    changes = tuple(change for today, then in pairs if (change := then.change_from(today)))
    proposal = Proposal(
        decision=found.decision,
        aim=aim,
        purpose=purpose,
        verdict=found.verdict,
        changes=changes,
        remarks=tuple(remarks_on(evidence)),
        train_loss=evidence.facts.train_loss,
        val_loss=evidence.facts.val_loss,
        before=evidence.total_penalty,
        left=dict(_left(evidence, places, found.places)),
    )
    if proposal.basis != UNTESTED:
        return proposal
    start = f"the strengths proposed are an {UNTESTED}: {WORTH_OF_A_START}"
    return replace(proposal, remarks=(start, *proposal.remarks))


def _left(evidence: Evidence, today: Places, then: Places) -> Iterator[tuple[str, str]]:
    """Yield the kernels that keep what they have, and why, in one clause."""
    known, some = evidence.facts.gap is not None, today != then
    for before, place in zip(today, then, strict=True):
        if place.change_from(before) is not None:
            continue
        why = place.fixed or place.kept or ("" if known else why_none(place, then))
        if not why and some:  # else the verdict says it
            why = "its penalty is as high as the proposal would make it"
            if place.bare:
                why = "nothing in the file says how strong a penalty on it should be"
                why = "the losses ask for no penalty on it" if known else why
        for weight in place.weights if why else ():
            yield weight.path, why


def _none(
    evidence: Evidence, aim: Aim, purpose: Purpose, verdict: str, decision: Decision = "unknown"
) -> Proposal:
    facts = evidence.facts
    return Proposal(
        decision,
        aim,
        purpose,
        verdict,
        train_loss=facts.train_loss,
        val_loss=facts.val_loss,
        before=evidence.total_penalty,
    )


def _is_broken(evidence: Evidence, weight: Weight) -> bool:
    measured = evidence.measured(weight)
    return measured is not None and measured.nonfinite > 0
