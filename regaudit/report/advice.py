"""Sentences about what to change: the proposal for a model, and what its strengths are worth."""

from collections.abc import Iterator, Mapping, MutableMapping

from regaudit.report.escape import command, plain
from regaudit.report.proposal import UNTESTED, Proposal, Purpose, Suggestion
from regaudit.report.report import Occurrence, Report
from regaudit.report.spelling import count, number
from regaudit.storage.container_names import is_named_packed

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


def unchanged(item: Occurrence) -> str:
    """Say why nothing is suggested at a place: the proposal's sentence, or a clause on it."""
    why = item.no_suggestion
    return why if why.endswith(".") else f"no change: {why}"


def sentence(suggestion: Suggestion) -> str:
    """Say what a suggestion costs and where it comes from."""
    text = f"adds {number(suggestion.penalty)} to the loss"
    return f"{text}; {suggestion.reason}" if suggestion.reason else text


def proposed(proposal: Proposal | None) -> Iterator[str]:
    """Say what is proposed for the model as a whole, and what that is worth."""
    if proposal is None:
        return
    yield plain(proposal.verdict)
    remarks = [f"{plain(text[0].upper() + text[1:])}." for text in proposal.remarks]
    if proposal.basis == UNTESTED and proposal.decay is None:
        yield from remarks[:1]  # which says it
        del remarks[:1]
    if proposal.changes:
        yield (
            f"{_basis(proposal)}At today's weights the penalty would be "
            f"{number(proposal.after)} in place of {number(proposal.before)}."
        )
    yield from remarks


def _basis(proposal: Proposal) -> str:
    """Name what strengths are chosen by; a remark says it of an untested start."""
    if proposal.basis == UNTESTED:
        return ""
    found = " and ".join(dict.fromkeys(str(change.basis) for change in proposal.changes))
    purpose = f", {PURPOSES[proposal.purpose]}" if proposal.basis == "two losses" else ""
    return f"Basis: {found}{purpose}. "


def _takes(report: Report, *, architecture: bool) -> bool:
    """Whether `suggest` takes the model: no stream, no URL, and its configuration in the file."""
    return not architecture and report.file != "-" and "://" not in report.file


def unseen(report: Report, *, architecture: bool) -> str:
    """Say where all strengths are shown, where they are not all beside findings."""
    proposal = report.proposal
    if proposal is None or not _takes(report, architecture=architecture):
        return ""
    shown = {
        item.suggestion.weight
        for finding in report.findings
        for item in finding.items
        if item.suggestion is not None
    }
    if all(shown & {*change.weights} for change in proposal.changes):
        return ""
    known = {proposal.train_loss, proposal.val_loss} != {None}
    options = " with the same options" if known else ""
    strengths = count(len(proposal.changes), "strength")
    return f"`regaudit suggest`{options} shows all {strengths}."


def more(report: Report, *, architecture: bool) -> str:
    """Name the command that finds strengths; empty where losses were given, or nothing is open."""
    proposal = report.proposal
    if proposal is None or None not in {proposal.train_loss, proposal.val_loss}:
        return ""
    if report.model and not report.model.stored:  # strengths are reckoned from weights
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
    if not _takes(report, architecture=architecture):
        return f"How strong a penalty should be: give this command {needed}"
    suggest = command(f"regaudit suggest {{}} {needed}", report.file)
    packed = is_named_packed(report.file)
    if packed or report.unjudged or report.format == "saved_model":  # nothing that Keras trains
        return f"How strong a penalty should be: {suggest}"
    sweep = command("regaudit sweep {} --data FILE --val-data FILE", report.file)
    return f"How strong a penalty should be: {suggest}, or by training: {sweep}"
