"""`regaudit explain`: what a rule finds, why it matters and what to do."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.options import rule_codes
from regaudit.cli.output import say_page
from regaudit.cli.plugins import no_plugins, use_of_project

if TYPE_CHECKING:
    from regaudit.rules.interface import Rule

WIDEST = 100
"""Columns of prose; longer lines are hard to read."""

INDENT = "    "
"""Before each line of a program."""


@click.command(cls=Helpful, examples=("explain REG101", "explain dead-units"))
@click.argument("rule", required=False, shell_complete=rule_codes)
@click.option("--all", "every", is_flag=True, help="Explain every rule.")
@click.option(
    "--format",
    "format_",
    type=Choice(["terminal", "markdown"]),
    default="terminal",
    show_default=True,
    help="Output format.",
)
@no_plugins
def explain(rule: str | None, every: bool, format_: str, no_plugins: bool) -> None:
    """Explain a RULE, given by code or name."""
    from regaudit.rules.documentation import explanation
    from regaudit.rules.interface import rules

    if rule is None and not every:
        message = "give a rule or --all; `regaudit rules` lists the rules"
        raise click.UsageError(message)
    use_of_project(no_plugins)
    explained = list(rules()) if rule is None or every else [_find(rule)]
    lines = "\n".join(explanation(one) for one in explained).splitlines()
    say_page(lines if format_ == "markdown" else _laid_out(lines))


def _laid_out(page: Iterable[str]) -> Iterator[str]:
    """Lay Markdown out for a terminal: prose fits its width, programs stay as they are."""
    from regaudit.cli.targets import wants_color
    from regaudit.report.escape import paint

    width = min(shutil.get_terminal_size().columns, WIDEST)
    bold = "1" if wants_color("auto") else ""
    program = False
    for line in page:
        if line.startswith("```"):
            program = not program
        elif program:
            yield f"{INDENT}{line}".rstrip()
        elif line.startswith("#"):
            yield paint(line.lstrip("# "), bold)
        else:
            yield from textwrap.wrap(
                line, width, break_on_hyphens=False, break_long_words=False
            ) or [""]


def _find(rule: str) -> type["Rule"]:
    from regaudit.rules.interface import hint, rules

    names = {name: one for one in rules() for name in (one.about.code, one.about.name)}
    found = names.get(rule.upper()) or names.get(rule.lower())
    if found is None:
        raise click.UsageError(f"no rule is called {rule!r}{hint(rule, names)}")
    return found
