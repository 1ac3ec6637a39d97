"""The output formats, one a module; a new module is found by itself.

A renderer of another distribution imports from here what it is made of: these names stay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regaudit.renderers.interface import Renderer
    from regaudit.report.document import document, record
    from regaudit.report.escape import Escaped, json_text, page, plain
    from regaudit.report.report import Failure, Finding, Occurrence, Report
    from regaudit.report.sentences import verdict
    from regaudit.report.severity import Severity
    from regaudit.report.view import View
    from regaudit.rules.interface import About

_HOMES = {
    "About": "rules.interface",
    "Escaped": "report.escape",
    "Failure": "report.report",
    "Finding": "report.report",
    "Occurrence": "report.report",
    "Renderer": "renderers.interface",
    "Report": "report.report",
    "Severity": "report.severity",
    "View": "report.view",
    "document": "report.document",
    "json_text": "report.escape",
    "page": "report.escape",
    "plain": "report.escape",
    "record": "report.document",
    "verdict": "report.sentences",
}

__all__ = [
    "About",
    "Escaped",
    "Failure",
    "Finding",
    "Occurrence",
    "Renderer",
    "Report",
    "Severity",
    "View",
    "document",
    "json_text",
    "page",
    "plain",
    "record",
    "verdict",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: our own renderers import what they need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regaudit.renderers' has no attribute {name!r}")
    return getattr(import_module(f"regaudit.{_HOMES[name]}"), name)
