"""Ask the rules, and set apart what is accepted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from regaudit.config import Config
from regaudit.evidence import Evidence
from regaudit.finding import Finding, Item, NotRun, Suppressed
from regaudit.presets import capped
from regaudit.rule import Rule


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say of one model."""

    findings: tuple[Finding, ...]
    """Worst first."""
    not_run: tuple[NotRun, ...]
    suppressed: tuple[Suppressed, ...]


def judge(evidence: Evidence, file: str, config: Config) -> Judgement:
    """Ask every rule; set apart what is accepted, group the rest by rule, worst first.

    Args:
        evidence: the model and its numbers.
        file: as reports name it.
        config: rules, severities and what is accepted.
    """
    today = datetime.now(UTC).date()
    findings, not_run, suppressed = [], [], []
    for rule in config.rules:
        lacking = rule.not_run(evidence)
        if lacking is not None:
            not_run.append(lacking)
        if lacking is not None and not lacking.partly:
            continue
        left = []
        for item in _items(rule, evidence, config):
            accepted = _accepted(rule, item, file, config, today)
            if accepted is None:
                left.append(item)
            else:
                suppressed.append(accepted)
        found = Finding.of(rule.about.code, rule.about.name, left)
        if found is not None:
            findings.append(found)
    findings.sort(key=lambda finding: (-finding.severity, finding.code))
    return Judgement(tuple(findings), tuple(not_run), tuple(suppressed))


def _items(rule: Rule, evidence: Evidence, config: Config) -> Iterator[Item]:
    """Yield what a rule finds, with the severities that are set."""
    own = rule.about.severity
    highest = config.severities.get(rule.about.code, own)
    for item in rule.check(evidence):
        yield replace(item, severity=capped(item.severity, own, highest))


def _accepted(rule: Rule, item: Item, file: str, config: Config, today: date) -> Suppressed | None:
    """Say by what a place of a fault is accepted; None if it is not."""
    code, name = rule.about.code, rule.about.name
    for ignore in config.ignores:
        if ignore.covers(code, name, item.path, file, today):
            return Suppressed(code, name, item, ignore.reason, ignore)
    return None
