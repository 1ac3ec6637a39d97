"""The rules, one a module; a new module is found by itself.

A rule of another distribution imports from here what it is made of: these names stay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regaudit.advice.suggestions import remove
    from regaudit.evidence.evidence import Evidence
    from regaudit.evidence.needs import (
        CHANCE_LOSS,
        CONFIGURATION,
        REGULARIZERS,
        TOTAL_PENALTY,
        VALUES,
    )
    from regaudit.evidence.training_facts import Facts
    from regaudit.measures.moments import Moments
    from regaudit.model import Layer, Model, Optimizer, Regularizer, Status, Weight
    from regaudit.report.proposal import Edit, Suggestion
    from regaudit.report.report import NotRun, Occurrence
    from regaudit.report.severity import Severity
    from regaudit.rules.interface import About, Confidence, Rule, Threshold

_HOMES = {
    "About": "rules.interface",
    "CHANCE_LOSS": "evidence.needs",
    "CONFIGURATION": "evidence.needs",
    "Confidence": "rules.interface",
    "Edit": "report.proposal",
    "Evidence": "evidence.evidence",
    "Facts": "evidence.training_facts",
    "Layer": "model",
    "Model": "model",
    "Moments": "measures.moments",
    "NotRun": "report.report",
    "Occurrence": "report.report",
    "Optimizer": "model",
    "REGULARIZERS": "evidence.needs",
    "Regularizer": "model",
    "Rule": "rules.interface",
    "Severity": "report.severity",
    "Status": "model",
    "Suggestion": "report.proposal",
    "TOTAL_PENALTY": "evidence.needs",
    "Threshold": "rules.interface",
    "VALUES": "evidence.needs",
    "Weight": "model",
    "remove": "advice.suggestions",
}

__all__ = [
    "CHANCE_LOSS",
    "CONFIGURATION",
    "REGULARIZERS",
    "TOTAL_PENALTY",
    "VALUES",
    "About",
    "Confidence",
    "Edit",
    "Evidence",
    "Facts",
    "Layer",
    "Model",
    "Moments",
    "NotRun",
    "Occurrence",
    "Optimizer",
    "Regularizer",
    "Rule",
    "Severity",
    "Status",
    "Suggestion",
    "Threshold",
    "Weight",
    "remove",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: our own rules import what they need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regaudit.rules' has no attribute {name!r}")
    return getattr(import_module(f"regaudit.{_HOMES[name]}"), name)
