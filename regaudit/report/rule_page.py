"""Where the documentation has a page on a rule, and whether a terminal can lead there."""

import re
from collections.abc import Mapping

_OWN = re.compile(r"REG[0-9]{3}")
"""Codes of rules of this distribution; the documentation has no pages on others."""

_BY_NAME = {"Hyper", "WezTerm", "ghostty", "iTerm.app", "rio", "vscode"}
_BY_VARIABLE = ("DOMTERM", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION")
_FIRST_VTE = 5000
"""VTE 0.50: GNOME's terminal and others that are made of it."""


def rule_page(base: str, code: str) -> str:
    """Return the address of the page on a rule; empty where there is none.

    Args:
        base: address of the documentation, the setting `docs-url`; empty for none.
        code: of the rule.
    """
    if not base or not _OWN.fullmatch(code):
        return ""
    return f"{base.rstrip('/')}/rules/{code}.html"


def shows_links(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is one that is known to show links; others may print what is in them."""
    vte = environment.get("VTE_VERSION", "")
    return (
        environment.get("TERM_PROGRAM") in _BY_NAME
        or environment.get("TERM") in {"alacritty", "foot", "xterm-kitty"}
        or any(environment.get(name) for name in _BY_VARIABLE)
        or (vte.isdecimal() and int(vte) >= _FIRST_VTE)
    )
