"""The audit of the settings themselves, after all models: do their ignores still hold?"""

import os
from collections.abc import Collection
from datetime import UTC, datetime

from regaudit.plugins.installed import is_outside
from regaudit.report.report import Finding, Report
from regaudit.settings.config import Config
from regaudit.storage.working_folder import working_folder


def audit_settings(
    config: Config, used: Collection[int], concerned: Collection[int], whole: bool
) -> Report | None:
    """Return a report on the settings file; None where nothing is wrong with it.

    Args:
        config: with the ignores.
        used: positions of those that accept something in a model of the run.
        concerned: positions of those that are about a rule that ran on a model.
        whole: whether directories were searched, not single files named: only then can be told
            that an ignore covers nothing.
    """
    today = datetime.now(UTC).date()
    kept = [
        one
        for number, one in enumerate(config.ignores)
        if one.expired(today) or (whole and number in concerned)
    ]
    findings = []
    for rule in config.rules:
        if is_outside(rule.about.code):
            continue  # those of plug-ins are about models
        items = rule.check_ignores(kept, {config.ignores[number] for number in used}, today)
        findings.append(Finding.of(rule.about.code, rule.about.name, items))
    found = tuple(finding for finding in findings if finding is not None)
    if not found or config.file is None:
        return None
    return Report(
        os.path.relpath(config.file) if working_folder() else str(config.file),
        format="settings",
        findings=found,
    )


def used_by(report: Report, config: Config) -> tuple[int, ...]:
    """Return the positions of the ignores that accept something in a model."""
    used = {one.ignore for one in report.suppressed}
    return tuple(number for number, one in enumerate(config.ignores) if one in used)


def concerned_by(report: Report, config: Config) -> tuple[int, ...]:
    """Return the positions of the ignores that are about a rule that ran on a model."""
    if report.failure or not config.ignores:
        return ()
    left = {rule.code for rule in report.not_run}
    ran = [rule.about for rule in config.rules if rule.about.code not in left]
    return tuple(
        number
        for number, one in enumerate(config.ignores)
        if any(one.is_about(about.code, about.name, report.file) for about in ran)
    )
