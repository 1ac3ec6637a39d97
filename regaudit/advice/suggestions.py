"""Suggestions beside findings: what the proposal has for a weight, and what to take away."""

from collections.abc import Callable

from msgspec.structs import replace

from regaudit.advice.regularizer_code import argument
from regaudit.model import Layer, Weight
from regaudit.report.proposal import Edit, Proposal, StrengthChange, Suggestion
from regaudit.report.report import Occurrence

NO_PLACE = "no strength can be proposed for it: it takes no regularizer, or its values are unknown"
"""Of kernels that a proposal with changes does not know."""

NO_CURE = "the proposal gives it another strength, which alone does not end this fault"
"""Of a kernel whose strength changes for another reason."""


def with_proposed(
    item: Occurrence, proposal: Proposal, cured_by: Callable[[StrengthChange], bool]
) -> Occurrence:
    """Return a place of a fault of strength with what the proposal has for it, or why nothing.

    Args:
        item: the place.
        proposal: for the model.
        cured_by: whether a strength ends the fault.
    """
    change = proposal.of(item.path)
    if change is not None:
        if cured_by(change):
            return replace(item, suggestion=change.suggestion(item.path))
        return replace(item, no_suggestion=NO_CURE)
    if item.suggestion is not None:
        return item
    verdict = NO_PLACE if proposal.changes else proposal.verdict
    return replace(item, no_suggestion=proposal.left.get(item.path) or verdict)


def remove(layer: Layer, weight: Weight, reason: str) -> Suggestion | None:
    """Suggest to take a weight's regularizer away."""
    if weight.regularizer_key is None:
        return None
    edit = Edit(layer.path, weight.regularizer_key, None)
    code = argument(weight.regularizer_key, None)
    return Suggestion(weight.path, code, (edit,), 0.0, reason)
