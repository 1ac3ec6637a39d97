"""One proposal for a whole model, from its audit and what is known of its training."""

from msgspec.structs import replace

from regaudit.editing.adamw import with_adamw
from regaudit.editing.choose_strengths import choose, same_for_both_directions
from regaudit.editing.losses import remarks_on, without_penalty
from regaudit.editing.proposal import Aim, Proposal
from regaudit.editing.slots import slots_of
from regaudit.editing.validity import refusal
from regaudit.errors import RefusedEditError
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.formats.interface import WEIGHTS_ONLY, formats
from regaudit.model import Weight
from regaudit.report.report import Report
from regaudit.report.spelling import count


def suggest(
    report: Report, facts: Facts | None = None, aim: Aim = "l2", *, with_penalty: bool = False
) -> Proposal:
    """Propose strengths for a model.

    Args:
        report: its audit.
        facts: what is known of its training: with both losses the gap rule speaks.
        aim: kind of penalty, or weight decay by AdamW.
        with_penalty: whether the losses contain the penalty, as `model.evaluate` prints them.

    Raises:
        UsageError: losses that cannot be.
        RefusedEditError: there is nothing in the file to advise on.
    """
    model = report.model
    if model is None or report.failure:
        raise RefusedEditError(report.failure.message if report.failure else "nothing was read")
    if not model.class_name:
        raise RefusedEditError(WEIGHTS_ONLY)
    given = Evidence(model, report.moments, report.penalties, facts or Facts())
    facts = without_penalty(
        report, given.facts, with_penalty=with_penalty, floor=given.chance is not None
    )
    evidence = replace(given, facts=facts)
    remarks = tuple(remarks_on(evidence))
    broken = [weight.path for _, weight in evidence.kernels() if _is_broken(evidence, weight)]
    if broken:
        more = f" and {count(len(broken) - 1, 'more kernel')}" if len(broken) > 1 else ""
        verdict = (
            f"Restore it first: there are NaN or infinite values in {broken[0]}{more}; go back to "
            "the last checkpoint without them."
        )
        return Proposal(report, facts, aim, (), (), verdict)
    places = tuple(slots_of(evidence))
    if not places:
        verdict = "Leave it: no trainable kernel takes a regularizer."
        return Proposal(report, facts, aim, (), remarks, verdict)
    why_not = next((one.why_not for one in formats() if one.name == report.format), "")
    if aim == "adamw":
        nothing = Proposal(report, facts, aim, (), remarks, "", why_not=why_not)
        return with_adamw(nothing, evidence, places)
    changes, verdict = choose(evidence, places, aim)
    changes = [*same_for_both_directions(changes)]
    refused = [why for change in changes if (why := refusal(model, change.edit))]
    if refused and not why_not:
        remarks += (f"apply refuses {len(refused)} of {len(changes)}: {refused[0]}",)
    return Proposal(report, facts, aim, tuple(changes), remarks, verdict, why_not=why_not)


def _is_broken(evidence: Evidence, weight: Weight) -> bool:
    measured = evidence.measured(weight)
    return measured is not None and measured.nonfinite > 0
