"""Static auditor of the regularizers in saved Keras models.

import regaudit

report = regaudit.audit("model.keras")
assert report.ok, report.findings
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regaudit.version import VERSION

if TYPE_CHECKING:
    from regaudit.advice.suggest import suggest
    from regaudit.api import audit
    from regaudit.changes.compare import Changes, diff
    from regaudit.editing.apply import Change, apply
    from regaudit.editing.backup import undo
    from regaudit.errors import (
        InternalError,
        PlugInError,
        RefusedEditError,
        RegauditError,
        UnreadableModelError,
        UsageError,
    )
    from regaudit.evidence.training_facts import Facts
    from regaudit.live.callback import audit_callback
    from regaudit.report.proposal import Edit, Proposal, Suggestion
    from regaudit.report.report import Finding, Occurrence, Report
    from regaudit.report.reports import Reports
    from regaudit.report.severity import Severity
    from regaudit.running.run import audit_files
    from regaudit.settings.config import Config
    from regaudit.sweeping.in_python import sweep
    from regaudit.sweeping.outcome import Sweep
    from regaudit.testing import assert_ok

__version__ = VERSION

_HOMES = {
    "apply": "editing.apply",
    "assert_ok": "testing",
    "audit": "api",
    "audit_callback": "live.callback",
    "audit_files": "running.run",
    "Change": "editing.apply",
    "Changes": "changes.compare",
    "Config": "settings.config",
    "Edit": "report.proposal",
    "Facts": "evidence.training_facts",
    "Finding": "report.report",
    "InternalError": "errors",
    "Occurrence": "report.report",
    "RegauditError": "errors",
    "Report": "report.report",
    "Reports": "report.reports",
    "Severity": "report.severity",
    "Suggestion": "report.proposal",
    "PlugInError": "errors",
    "Proposal": "report.proposal",
    "RefusedEditError": "errors",
    "suggest": "advice.suggest",
    "Sweep": "sweeping.outcome",
    "sweep": "sweeping.in_python",
    "UnreadableModelError": "errors",
    "UsageError": "errors",
    "diff": "changes.compare",
    "undo": "editing.backup",
}

__all__ = [
    "Change",
    "Changes",
    "Config",
    "Edit",
    "Facts",
    "Finding",
    "InternalError",
    "Occurrence",
    "PlugInError",
    "Proposal",
    "RefusedEditError",
    "RegauditError",
    "Report",
    "Reports",
    "Severity",
    "Suggestion",
    "Sweep",
    "UnreadableModelError",
    "UsageError",
    "apply",
    "assert_ok",
    "audit",
    "audit_callback",
    "audit_files",
    "diff",
    "suggest",
    "sweep",
    "undo",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `regaudit --version` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regaudit' has no attribute {name!r}")
    return getattr(import_module(f"regaudit.{_HOMES[name]}"), name)
