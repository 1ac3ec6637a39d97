"""Presets of KerasHub: one model a folder, every weight of it measured once, roles as KerasHub has them."""

import json
from pathlib import Path

import pytest

from paths import FIXTURES
from regaudit.auditing.audit_file import audit
from regaudit.report.report import Report

ORACLE = json.loads((FIXTURES / "hub.json").read_text(encoding="utf-8"))["presets"]


def weights_of(report: Report) -> dict[str, object]:
    found = {weight.path: weight for _, weight in report.model.weights()}
    assert len(found) == sum(len(layer.weights) for layer in report.model.layers)
    return found
