"""Sentences about a report: how it came out, what was examined, what it costs."""

from collections.abc import Sequence

from regaudit.report.escape import plain
from regaudit.report.report import NotRun, Report, Suppressed
from regaudit.report.severity import Severity
from regaudit.report.spelling import count, number, percent


def not_run(rule: NotRun) -> str:
    """Say which rule did not run: `REG205 underregularized: not run: needs --train-loss`."""
    how = "run only partly: the rest needs" if rule.partly else "not run: needs"
    if rule.layers:
        first, *others = (plain(layer) or "the model itself" for layer in rule.layers)
        more = f" and {count(len(others), 'more layer')}" if others else ""
        how = f"not run on {first}{more}: needs"
    return f"{rule.code} {rule.name}: {how} {plain(rule.needs)}"


def suppressed(one: Suppressed) -> str:
    """Say what is accepted and why: `REG101 at hidden/kernel is accepted: pruned later`."""
    return f"{one.code} at {plain(one.item.path) or '(model)'} is accepted: {plain(one.reason)}"


def verdict(report: Report) -> str:
    """Say in one sentence how the audit came out."""
    if report.failure:
        return f"could not be audited: {plain(report.failure.message)}"
    return total([report])


def total(reports: Sequence[Report]) -> str:
    """Count the findings by severity: `1 error, 2 notes`."""
    parts = []
    for level in reversed(Severity):
        found = [f for report in reports for f in report.findings if f.severity is level]
        if found:
            parts.append(count(len(found), str(level)))
    return ", ".join(parts) if parts else "no findings"


def coverage(report: Report) -> str:
    """Say how much of the file was examined."""
    covered = report.coverage
    text = (
        f"{covered.measured:,} of {count(covered.weights, 'stored weight')} measured "
        f"in {count(covered.layers, 'layer')}"
    )
    text += "" if report.measured else " (--no-weights)"
    return f"{text}; {count(len(covered.skipped), 'remark')}" if covered.skipped else text


def summary(report: Report) -> str:
    """Say in one sentence what regularizes the model."""
    if report.model is None:
        return ""
    if not report.model.class_name:
        return "This file does not say which weights are regularized."
    stored = [weight for _, weight in report.model.weights() if weight.shared_with is None]
    weights = [w for w in stored if w.regularizer_known or w.regularizer]
    if stored and not weights:
        return f"Of {count(len(stored), 'weight')} it is not known which are regularized."
    trainable = [weight for weight in weights if weight.trainable]
    active = [w for w in weights if w.regularizer and w.regularizer.status == "in force"]
    regularized = sum(weight.size for weight in active)
    parameters = sum(weight.size for weight in trainable)
    share = ""
    if active and parameters:
        share = f", {percent(regularized / parameters)} of the trainable parameters"
    activity = sum(layer.activity_regularizer is not None for layer in report.model.layers)
    extra = f"; {count(activity, 'activity regularizer')}" if activity else ""
    loose = report.coverage.unplaced_regularizers
    extra += f"; {count(loose, 'regularizer')} on no stored weight" if loose else ""
    unknown = len(stored) - len(weights)
    extra += f"; of {unknown:,} more it is not known" if unknown else ""
    verb = "is" if len(active) == 1 else "are"
    return f"{count(len(active), 'weight')} of {len(weights):,} {verb} regularized{share}{extra}."


def total_penalty(report: Report) -> str:
    """Describe what the weights add to the loss."""
    model = report.model
    weights = [weight for _, weight in model.weights()] if model else []
    paying = sum(bool(report.penalties.get(weight.stored_path)) for weight in weights)
    if model and not model.class_name:
        return "not known: the file has no configuration"
    if report.known_penalty is None:
        return "not known: with --no-weights the values are not read"
    if not paying:
        known = report.penalty_complete
        return f"{'none' if known else 'not known'}: no weight adds to the loss" + (
            "" if known else " except through regularizers whose strength is not in the file"
        )
    text = f"{number(report.penalty, 6)} added to the loss by {count(paying, 'weight')}"
    if not report.penalty_complete:
        text += ", plus what regularizers add whose strength is not in the file"
    return text
