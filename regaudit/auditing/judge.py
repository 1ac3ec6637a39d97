"""Run the rules, and set apart what is accepted."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from regaudit.advice.propose import propose
from regaudit.advice.suggestions import with_proposed
from regaudit.errors import PlugInError
from regaudit.evidence.evidence import Evidence
from regaudit.plugins.installed import RESERVED, RULES, entry_points
from regaudit.report.ignore import matches_layer
from regaudit.report.proposal import Proposal
from regaudit.report.report import Failure, Finding, NotRun, Occurrence, Suppressed
from regaudit.rules.interface import Rule
from regaudit.settings.config import Config
from regaudit.settings.presets import capped

_Sound = Callable[[Iterable[Occurrence]], Iterator[Occurrence]]


class Judgement(Struct, frozen=True):
    """What the rules say about one model."""

    findings: tuple[Finding, ...]
    """Worst first."""
    not_run: tuple[NotRun, ...]
    suppressed: tuple[Suppressed, ...]
    proposal: Proposal
    """What to change in the model as a whole, which findings of strength point to."""


def judge(evidence: Evidence, file: str, config: Config) -> Judgement:
    """Run every rule; set apart what is accepted, group the rest by rule, worst first.

    Args:
        evidence: the model and its numbers.
        file: as reports name it.
        config: rules, severities and what is accepted.
    """
    today = datetime.now(UTC).date()
    findings, not_run, suppressed = [], [], []
    proposal = propose(evidence)
    for rule in config.rules:
        own = rule.about.code.startswith(RESERVED)
        lacking, items = (_asked if own else _asked_outside)(rule, evidence, config, proposal)
        if lacking is not None:
            not_run.append(lacking)
        left = []
        for item in items:
            accepted = _accepted(rule, item, file, config, today)
            if accepted is None:
                left.append(_left(rule, item, file, config))
            else:
                suppressed.append(accepted)
        finding = Finding.of(rule.about.code, rule.about.name, left)
        if finding is not None:
            findings.append(finding)
    findings.sort(key=lambda finding: (-finding.severity, finding.code))
    return Judgement(tuple(findings), tuple(not_run), tuple(suppressed), proposal)


def _asked(
    rule: Rule, evidence: Evidence, config: Config, proposal: Proposal, sound: _Sound = iter
) -> tuple[NotRun | None, list[Occurrence]]:
    """Return what keeps a rule from running, or from checking all it could, and what it finds.

    Args:
        rule: is asked.
        evidence: the model and its numbers.
        config: the settings.
        proposal: what to change in the model.
        sound: yields what the rule does, or raises an error if that is of a wrong type.
    """
    lacking = rule.not_run(evidence)
    if lacking is not None and not lacking.partly:
        return lacking, []
    found = list(_items(rule, evidence, config, sound))
    if rule.about_strength:
        kernels = {weight.path for _, weight in evidence.kernels()}
        found = [
            with_proposed(item, proposal, rule.cured_by) if item.path in kernels else item
            for item in found
        ]
    return lacking, found


def _asked_outside(
    rule: Rule, evidence: Evidence, config: Config, proposal: Proposal
) -> tuple[NotRun | None, list[Occurrence]]:
    """Do the same with a rule of another distribution, whose failure is its own."""
    from regaudit.plugins.calling import calling  # noqa: PLC0415 - most runs have none
    from regaudit.rules.outside import sound  # noqa: PLC0415 - the same

    about = rule.about
    who = str(entry_points(RULES).get(about.code, f"rule {about.code}"))
    try:
        with calling(who):
            return _asked(rule, evidence, config, proposal, partial(sound, who))
    except PlugInError as error:
        failure = Failure(type(error).__name__, str(error), error.trace)
        return NotRun(about.code, about.name, "", failure=failure), []


def _items(rule: Rule, evidence: Evidence, config: Config, sound: _Sound) -> Iterator[Occurrence]:
    """Yield what a rule finds, with the thresholds and severities that are set at each place."""
    code = rule.about.code
    variants = [("*", rule, config.severities)]
    for layer, own in config.layers:
        variants += [(layer, one, own.severities) for one in own.rules if one.about.code == code]
    for number, (layer, variant, severities) in enumerate(variants):
        highest = severities.get(code, rule.about.severity)
        over = [other for other, _, _ in variants[number + 1 :]]
        for item in sound(variant.check(evidence)):
            ours = layer == "*" or matches_layer(item.path, layer)
            if ours and not any(matches_layer(item.path, other) for other in over):
                severity = capped(item.severity, rule.about.severity, highest)
                yield replace(item, severity=severity)


def _accepted(
    rule: Rule, item: Occurrence, file: str, config: Config, today: date
) -> Suppressed | None:
    """Say by what a place of a fault is accepted; None if it is not."""
    code, name = rule.about.code, rule.about.name
    for ignore in config.ignores:
        if ignore.covers(code, name, item.path, file, today):
            return Suppressed(code, name, item, ignore.reason, ignore)
    if config.baseline is not None and config.baseline.accepts(file, code, item):
        return Suppressed(code, name, item, "in the baseline")
    return None


def _left(rule: Rule, item: Occurrence, file: str, config: Config) -> Occurrence:
    """Return a place that is not accepted; one that the baseline knows is worse than it was."""
    if config.baseline is not None and config.baseline.knows(file, rule.about.code, item):
        return replace(item, message=f"{item.message}; worse than in the baseline")
    return item
