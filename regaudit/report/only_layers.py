"""Reports restricted to some layers: what `--layer` asks for."""

from collections.abc import Sequence

from msgspec.structs import replace

from regaudit.errors import did_you_mean
from regaudit.report.ignore import matches_layer
from regaudit.report.proposal import Proposal
from regaudit.report.report import Finding, Report


def in_layer(path: str, layer: str) -> bool:
    """Whether a path is that of a layer, given in full or as a glob, or lies below it."""
    return matches_layer(path, layer) or f"{path}/".startswith(f"{layer}/")


def restricted(report: Report, layer: str) -> Report:
    """Return a report with what was found in some layers; what is said of the file stays.

    Args:
        report: of a model; that of the settings is about no layer and stays as it is.
        layer: glob on the paths of layers and weights.
    """
    if layer == "*" or report.model is None:
        return report
    found = (
        Finding.of(one.code, one.name, (item for item in one.items if in_layer(item.path, layer)))
        for one in report.findings
    )
    kept = [finding for finding in found if finding]
    return replace(
        report,
        findings=tuple(sorted(kept, key=lambda one: (-one.severity, one.code))),
        suppressed=tuple(one for one in report.suppressed if in_layer(one.item.path, layer)),
        not_run=tuple(
            rule
            for rule in report.not_run
            if not rule.layers or any(in_layer(path, layer) for path in rule.layers)
        ),
        proposal=report.proposal and _restricted(report.proposal, layer),
    )


def _restricted(proposal: Proposal, layer: str) -> Proposal:
    """Return a proposal with what it says of some layers; its sums are of these changes."""
    return replace(
        proposal,
        changes=tuple(
            change
            for change in proposal.changes
            if any(in_layer(path, layer) for path in change.weights)
        ),
        left={path: why for path, why in proposal.left.items() if in_layer(path, layer)},
    )


def unmatched(reports: Sequence[Report], layer: str) -> str:
    """Say that no model has a layer that a glob matches; nothing if one has."""
    models = [report.model for report in reports if report.model]
    paths = {layer.path for model in models for layer in model.layers}
    weights = [weight.path for model in models for _, weight in model.weights()]
    paths |= {*weights, *(path.rpartition("/")[0] for path in weights)}
    if layer == "*" or not models or any(in_layer(path, layer) for path in paths):
        return ""
    return f"no layer matches {layer!r}{did_you_mean(layer, sorted(paths))}"
