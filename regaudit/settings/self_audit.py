"""The audit of the settings themselves, after all models: do their ignores still hold?"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from regaudit.plugins.installed import is_outside
from regaudit.report.ignore import Ignore
from regaudit.report.report import Finding, Report
from regaudit.settings.config import Config
from regaudit.storage.working_folder import working_folder


def audit_settings(reports: Sequence[Report], config: Config, whole: bool) -> Report | None:
    """Return a report on the settings file; None where nothing is wrong with it.

    Args:
        reports: of all models of the run.
        config: with the ignores.
        whole: whether directories were searched, not single files named: only then can be told
            that an ignore covers nothing.
    """
    today = datetime.now(UTC).date()
    used = {one.ignore for report in reports for one in report.suppressed}
    judged = [one for one in config.ignores if whole and _has_run(one, reports, config)]
    findings = []
    for rule in config.rules:
        if is_outside(rule.about.code):
            continue  # those of plug-ins are about models
        kept = [one for one in config.ignores if one.expired(today) or one in judged]
        items = rule.check_ignores(kept, {one for one in used if one}, today)
        findings.append(Finding.of(rule.about.code, rule.about.name, items))
    found = tuple(finding for finding in findings if finding is not None)
    if not found or config.file is None:
        return None
    return Report(
        os.path.relpath(config.file) if working_folder() else str(config.file),
        format="settings",
        findings=found,
    )


def _has_run(ignore: Ignore, reports: Sequence[Report], config: Config) -> bool:
    """Whether the rule of an ignore ran on any model that the ignore is about."""
    names = {rule.about.code: rule.about.name for rule in config.rules}
    return any(
        ignore.is_about(code, name, report.file)
        for report in reports
        if report.failure is None
        for code, name in names.items()
        if code not in {rule.code for rule in report.not_run}
    )
