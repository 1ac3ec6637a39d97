"""`regaudit explain`: what a rule finds, why it matters and what to do."""

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from regaudit.cli.options import rule_codes
from regaudit.cli.output import say_page

if TYPE_CHECKING:
    from regaudit.rules.interface import Rule

WIDEST = 100
"""Columns of prose; longer lines are hard to read."""


@click.command()
@click.argument("rule", required=False, shell_complete=rule_codes)
@click.option("--all", "every", is_flag=True, help="Explain every rule.")
def explain(rule: str | None, every: bool) -> None:
    """Explain a RULE, given by code or name."""
    from regaudit.rules.documentation import explanation
    from regaudit.rules.interface import rules

    if every:
        say_page("\n".join(explanation(one) for one in rules()).splitlines())
    elif rule is not None:
        page = explanation(_find(rule))
        say_page(_fitted(page) if sys.stdout.isatty() else page.splitlines())
    else:
        message = "give a rule or --all; `regaudit rules` lists the rules"
        raise click.UsageError(message)


def _fitted(page: str) -> list[str]:
    """Break the paragraphs of a page at the width of the terminal; programs stay as they are."""
    from regaudit.cli.targets import wants_color
    from regaudit.report.escape import paint

    width = min(shutil.get_terminal_size().columns, WIDEST)
    lines: list[str] = []
    program = False
    for line in page.splitlines():
        program ^= line.startswith("```")
        if program or line.startswith("```"):
            lines.append(line)
        elif line.startswith("#"):
            lines.append(paint(line, "1" if wants_color("auto") else ""))
        else:
            lines += textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    return lines


def _find(rule: str) -> type["Rule"]:
    from regaudit.errors import did_you_mean
    from regaudit.rules.interface import rules

    names = {name: one for one in rules() for name in (one.about.code, one.about.name)}
    found = names.get(rule.upper()) or names.get(rule.lower())
    if found is None:
        raise click.UsageError(f"no rule is called {rule!r}{did_you_mean(rule, names)}")
    return found
