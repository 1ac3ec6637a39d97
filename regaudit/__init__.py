"""Static auditor of the regularizers in saved Keras models.

import regaudit

report = regaudit.audit("model.keras")
assert report.ok, report.findings
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regaudit.version import VERSION

if TYPE_CHECKING:
    from regaudit.api import audit
    from regaudit.changes.compare import Changes, diff
    from regaudit.editing.apply import Change, apply, undo
    from regaudit.editing.proposal import Proposal, suggest
    from regaudit.errors import (
        InternalError,
        RefusedEditError,
        RegauditError,
        UnreadableModelError,
        UsageError,
    )
    from regaudit.evidence.training_facts import Facts
    from regaudit.live.callback import audit_callback
    from regaudit.report.report import Edit, Finding, Occurrence, Report, Suggestion
    from regaudit.report.severity import Severity
    from regaudit.running.run import audit_files
    from regaudit.settings.config import Config

__version__ = VERSION

_HOMES = {
    "apply": "applying",
    "audit": "api",
    "audit_callback": "keras_callback",
    "audit_files": "run",
    "Change": "applying",
    "Changes": "changes",
    "Config": "config",
    "Edit": "finding",
    "Facts": "facts",
    "Finding": "finding",
    "InternalError": "errors",
    "Occurrence": "finding",
    "RegauditError": "errors",
    "Report": "finding",
    "Severity": "finding",
    "Suggestion": "finding",
    "Proposal": "advising",
    "RefusedEditError": "errors",
    "suggest": "advising",
    "UnreadableModelError": "errors",
    "UsageError": "errors",
    "diff": "changes",
    "undo": "applying",
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
    "Proposal",
    "RefusedEditError",
    "RegauditError",
    "Report",
    "Severity",
    "Suggestion",
    "UnreadableModelError",
    "UsageError",
    "apply",
    "audit",
    "audit_callback",
    "audit_files",
    "diff",
    "suggest",
    "undo",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `regaudit --version` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regaudit' has no attribute {name!r}")
    return getattr(import_module(f"regaudit.{_HOMES[name]}"), name)
