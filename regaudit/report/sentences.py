"""Sentences about a report: how it came out, what was examined, what it costs."""

from collections.abc import Iterator, Sequence

from regaudit.model import Model, Status
from regaudit.report.escape import plain
from regaudit.report.report import NotRun, Report, Suppressed
from regaudit.report.severity import Severity
from regaudit.report.spelling import count, number, percent

MANY = 5
"""Rules that lack the same, from which on one sentence says it of all."""


def not_run(rule: NotRun) -> str:
    """Say which rule did not run: `REG205 underregularized: not run: needs --train-loss`."""
    if rule.failure:
        return failed_rule(rule)
    how = "run only partly: the rest needs" if rule.partly else "not run: needs"
    if rule.layers:
        first, *others = (plain(layer) or "the model itself" for layer in rule.layers)
        more = f" and {count(len(others), 'more layer')}" if others else ""
        how = f"not run on {first}{more}: needs"
    return f"{rule.code} {rule.name}: {how} {plain(rule.needs)}"


def not_run_together(rules: Sequence[NotRun]) -> Iterator[str]:
    """Say which rules did not run; in one sentence those that lack the same, if they are many."""
    alike: dict[tuple[bool, str], list[NotRun]] = {}
    for rule in rules:
        if rule.failure:
            yield failed_rule(rule)
            continue
        alike.setdefault((rule.partly, rule.needs), []).append(rule)
    for (partly, needs), group in alike.items():
        if len(group) < MANY:
            yield from map(not_run, group)
        else:
            how = "run only partly: the rest needs" if partly else "not run: they need"
            yield f"{', '.join(rule.code for rule in group)}: {how} {plain(needs)}"


def failed_rule(rule: NotRun) -> str:
    """Say what is wrong with a rule of a plug-in: `rule ACME101 of acme-rules 1.0 failed: ...`."""
    return plain(rule.failure.message) if rule.failure else ""


def plugins(reports: Sequence[Report]) -> str:
    """Name the other distributions that took part, with their versions; empty for none."""
    return ", ".join(dict.fromkeys(plain(str(one)) for each in reports for one in each.plugins))


def suppressed(one: Suppressed) -> str:
    """Say what is accepted and why: `REG101 at hidden/kernel is accepted: pruned later`."""
    return f"{one.code} at {plain(one.item.path) or '(model)'} is accepted: {plain(one.reason)}"


def verdict(report: Report) -> str:
    """Say in one sentence how the audit came out."""
    if report.failure:
        return f"could not be audited: {plain(report.failure.message)}"
    failed = len(report.failed_rules)
    return f"{total([report])}, {count(failed, 'rule')} failed" if failed else total([report])


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
    if report.model and not report.model.stored:
        text = f"{count(covered.layers, 'layer')} in the configuration, no weights in the file"
        return f"{text}; {count(len(covered.skipped), 'remark')}"
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
    if report.unjudged:
        text = f"Of {count(report.unjudged, 'weight')} it is not known which are regularized"
    else:
        text = _regularized(report.model)
    loose = report.coverage.unplaced_regularizers
    extra = f"; {count(loose, 'regularizer')} on no stored weight" if loose else ""
    return f"{text}{_activity(report.model)}{extra}."


def _regularized(model: Model) -> str:
    """Count the weights that are regularized, of those of which that is known."""
    weights = [weight for _, weight in model.weights() if weight.shared_with is None]
    active = [weight for weight in weights if weight.regularized]
    parameters = sum(w.size for w in weights if w.trainable or not w.trainable_known)
    yes, no, unknown = model.regularized
    share = ""
    if yes and parameters:
        share = f"{percent(sum(weight.size for weight in active) / parameters)} of the trainable"
    if not unknown:
        text = f"{count(yes, 'weight')} of {yes + no:,} {_are(yes)} regularized"
        return f"{text}, {share} parameters" if share else text
    parts = [
        f"{yes:,} {_are(yes)} regularized" + f" (at least {share} parameters)" * bool(share),
        f"{no:,} {_are(no)} not" + " regularized" * (not yes),
        f"{unknown:,} {_are(unknown)} unknown",
    ]
    told = [part for part, some in zip(parts, (yes, no, unknown), strict=True) if some]
    return f"Of {count(yes + no + unknown, 'weight')}, {', '.join(told)}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _activity(model: Model) -> str:
    """Count the regularizers of outputs, and the layers of which they are not known."""
    found = sum(layer.activity_regularizer is not None for layer in model.layers)
    unknown = sum(not layer.activity_known for layer in model.layers if layer.weights)
    text = f"; {count(found, 'activity regularizer')}" if found else ""
    if unknown:
        text += f"; activity regularizer not known for {count(unknown, 'layer')}"
    return text


def redirected(report: Report) -> str:
    """Say to which hosts that nobody named its server led; else nothing."""
    return plain(report.redirected)


def unjudged(report: Report) -> str:
    """Say of a file of which no regularizer is known why, and what to do; else nothing."""
    if not report.unjudged:
        return ""
    told = (skip.reason for skip in report.skipped if skip.path == "(model)")
    why = next(told, "")
    if not why or (report.model and report.model.class_name):
        why = "only its custom code tells what regularizes them"
    why = why.removeprefix("regularizers are unknown: ").removesuffix(": regularizers are unknown")
    return f"{count(report.unjudged, 'weight')} could not be judged: {why}"


def total_penalty(report: Report) -> str:
    """Describe what the weights add to the loss."""
    model = report.model
    weights = [weight for _, weight in model.weights()] if model else []
    paying = sum(bool(report.penalties.get(weight.stored_path)) for weight in weights)
    if model and not model.class_name:
        return "not known: the file has no configuration"
    placed = _placed(report)
    if report.unjudged:
        return f"not known: {placed or 'custom code decides what regularizes the weights'}"
    if report.known_penalty is None:
        if model and not model.stored:
            return "not known: there are no weights in the file"
        return "not known: with --no-weights the values are not read"
    others = "" if report.penalty_complete else _untold(report)
    untold = "; ".join(filter(None, (placed, others and f"the file does not tell {others}")))
    if not paying:
        return f"not known: {untold}" if untold else "none: no weight adds to the loss"
    text = f"{number(report.penalty, 6)} added to the loss by {count(paying, 'weight')}"
    return f"{text}, and maybe more: {untold}" if untold else text


def _placed(report: Report) -> str:
    """Say what the regularizers of custom layers add that were placed; empty for none."""
    added, weights = report.total_if_applied, report.model.weights() if report.model else ()
    ways = [
        weight.placed_by
        for _, weight in weights
        if weight.placed_by and report.penalty_if_applied(weight) is not None
    ]
    if added is None:
        return ""
    how = " or ".join(way for way in ("name", "shape", "order") if way in ways)
    found = f"{count(len(ways), 'regularizer')} placed by {how} {_add(len(ways))}"
    return f"{found} {number(added, 6)} if custom code applies {'them' if ways[1:] else 'it'}"


def _add(number: int) -> str:
    return "adds" if number == 1 else "add"


def _untold(report: Report) -> str:
    """Name what else may add to the loss without the file telling how much; empty for nothing."""
    layers = report.model.layers if report.model else ()
    lost = [
        weight.regularizer.status is Status.UNKNOWN
        for layer in layers
        for weight in layer.weights
        if weight.regularizer
        and report.penalties.get(weight.stored_path) is None
        and report.penalty_if_applied(weight) is None
    ]
    own = [w for layer in layers for w in layer.weights if w.shared_with is None]
    found = (
        ("the strength of", lost.count(False), "regularizer"),
        ("the effect of", lost.count(True), "regularizer"),
        ("what regularizes", sum(not w.regularizer_known for w in own), "weight"),
    )
    named = [f"{what} {count(several, noun)}" for what, several, noun in found if several]
    *others, last = named or ["" if _placed(report) else "what custom code adds"]
    return f"{', '.join(others)} and {last}" if others else last
