"""Presets: which rules a kind of audit asks, how severely, and from which thresholds on."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from regaudit.report.severity import Severity

PresetName = Literal["default", "strict", "finetune"]


class Preset(Struct, frozen=True):
    """What an audit changes of the rules' own settings; the user's settings lie over it."""

    title: str
    off: frozenset[str] = frozenset()
    """Codes of rules that do not run, unless they are selected by code."""
    severities: Mapping[str, Severity] = {}
    """Highest severity by code."""
    thresholds: Mapping[str, Mapping[str, float]] = {}
    """By code and field."""


PRESETS: Mapping[PresetName, Preset] = {
    "default": Preset("Every rule with its own thresholds."),
    "strict": Preset(
        "Every kernel without a regularizer is named, every dead unit, every L2 before a "
        "normalization and every L2 under Adam.",
        thresholds={
            "REG101": {"min_parameters": 0},
            "REG302": {"min_share": 0.0},
            "REG306": {"overfitting_only": 0.0},
            "REG402": {"min_share": 0.0, "min_units": 1},
        },
    ),
    "finetune": Preset(
        "A pretrained model that is trained on: frozen layers are meant, and what the first "
        "training left out is only noted.",
        off=frozenset({"REG301"}),
        severities={"REG101": Severity.NOTE},
    ),
}
"""By the name that `--preset` takes."""


def capped(severity: Severity, own: Severity, highest: Severity) -> Severity:
    """Return a severity where the highest that a rule gives is set to another.

    Args:
        severity: what the rule says of one place.
        own: the highest it gives by itself.
        highest: the highest it is to give: its worst places take it, milder ones stay below.
    """
    return highest if severity >= own else min(severity, highest)
