"""The proposal for a file, asked for by itself: other facts, another aim, another purpose."""

from msgspec.structs import replace

from regaudit.advice.losses import without_penalty
from regaudit.advice.propose import propose
from regaudit.errors import RefusedEditError
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.formats.interface import WEIGHTS_ONLY, formats
from regaudit.report.proposal import Aim, Proposal, Purpose
from regaudit.report.report import Report


def suggest(
    report: Report,
    facts: Facts | None = None,
    aim: Aim = "l2",
    *,
    purpose: Purpose = "going-on",
    with_penalty: bool = False,
    factor: float | None = None,
) -> Proposal:
    """Propose strengths for a model.

    Args:
        report: its audit.
        facts: what is known of its training: with both losses the gap rule speaks.
        aim: kind of penalty, or weight decay by AdamW.
        purpose: what the strengths are for: going on from the saved weights, or training anew.
        with_penalty: whether the losses contain the penalty, as `model.evaluate` prints them.
        factor: share of the gap that all penalties together may cost; by default the one that
            measurements chose for the purpose.

    Raises:
        UsageError: losses that cannot be.
        RefusedEditError: there is nothing in the file to advise on.
    """
    model = report.model
    if model is None or report.failure:
        raise RefusedEditError(report.failure.message if report.failure else "nothing was read")
    if not model.class_name:
        raise RefusedEditError(WEIGHTS_ONLY)
    given = Evidence(model, report.moments, report.penalties, facts or Facts(), report.measured)
    facts = without_penalty(
        report, given.facts, with_penalty=with_penalty, floor=given.chance is not None
    )
    proposal = propose(replace(given, facts=facts), aim, purpose, factor)
    why_not = next((one.why_not for one in formats() if one.name == report.format), "")
    return replace(proposal, why_not=why_not)
