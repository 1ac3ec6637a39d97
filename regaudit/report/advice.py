"""Sentences about what to change: the proposal for a model, and what its strengths are worth."""

from collections.abc import Iterator, Mapping, MutableMapping

from regaudit.report.escape import command, plain
from regaudit.report.proposal import UNTESTED, Proposal, Purpose, Suggestion
from regaudit.report.report import Occurrence, Report
from regaudit.report.spelling import number

PURPOSES: Mapping[Purpose, str] = {
    "going-on": "for training on from the saved weights",
    "new-weights": "for training anew",
}


def tested(item: Occurrence) -> Suggestion | None:
    """Return what is worth writing at a place of a fault; None for nothing, or for a mere start."""
    found = item.suggestion
    return found if found is not None and found.basis != UNTESTED else None


def elsewhere(item: Occurrence, code: str, said: MutableMapping[tuple[str, str], str]) -> str:
    """Return the worse fault beside which a place's suggestion stands already; empty for none.

    Args:
        item: the place.
        code: of the fault.
        said: by weight and code, beside which fault a suggestion stands; it is added to.
    """
    found = item.suggestion
    first = said.setdefault((found.weight, found.code), code) if found else code
    return first if first != code else ""


def sentence(suggestion: Suggestion) -> str:
    """Say what a suggestion costs and where it comes from."""
    text = f"adds {number(suggestion.penalty)} to the loss"
    return f"{text}; {suggestion.reason}" if suggestion.reason else text


def proposed(proposal: Proposal | None) -> Iterator[str]:
    """Say what is proposed for the model as a whole, and what that is worth."""
    if proposal is None:
        return
    yield plain(proposal.verdict)
    if proposal.changes:
        purpose = f", {PURPOSES[proposal.purpose]}" if proposal.basis == "two losses" else ""
        yield (
            f"Basis: {proposal.basis}{purpose}. At today's weights the penalty would be "
            f"{number(proposal.after)} in place of {number(proposal.before)}."
        )
    yield from (f"{plain(text[0].upper() + text[1:])}." for text in proposal.remarks)


def more(report: Report) -> str:
    """Name the command that finds strengths; empty where losses were given, or nothing is open."""
    proposal = report.proposal
    if proposal is None or None not in {proposal.train_loss, proposal.val_loss}:
        return ""
    asked = any(
        item.no_suggestion or (item.suggestion and item.suggestion.basis == UNTESTED)
        for finding in report.findings
        for item in finding.items
    )
    if not asked or (proposal.decision != "unknown" and proposal.basis != UNTESTED):
        return ""
    needed = "--train-loss LOSS --val-loss LOSS"
    if any("--target-variance" in rule.needs for rule in report.not_run):
        needed += " --target-variance VARIANCE"
    file = "MODEL" if report.file == "-" else report.file  # standard input has been read
    suggest = command(f"regaudit suggest {{}} {needed}", file)
    return f"How strong a penalty should be: {suggest}"
