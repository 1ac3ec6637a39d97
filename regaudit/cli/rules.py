"""`regaudit rules`: the list of rules."""

import shutil
import sys
import textwrap
from collections.abc import Iterator

import click

from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.output import emit, say_page


@click.command(cls=Helpful, examples=("rules", "rules --format json"))
@click.option(
    "--format",
    "format_",
    type=Choice(["terminal", "json", "markdown"]),
    default="terminal",
    show_default=True,
    help="Output format.",
)
def rules(format_: str) -> None:
    """List the rules; --format markdown prints the explanations of all rules."""
    from msgspec import to_builtins
    from tabulate import tabulate

    from regaudit.report.escape import json_text, page
    from regaudit.rules.documentation import rules_page
    from regaudit.rules.interface import rules as all_rules

    if format_ == "markdown":
        say_page(rules_page(all_rules()).splitlines())
        return
    found = all_rules()
    abouts = [rule.about for rule in found]
    if format_ == "json":
        records = [
            {
                **to_builtins(rule.about),
                "severity": str(rule.about.severity),
                "needs": rule.needs,
                "wants": rule.wants,
                "thresholds": rule.thresholds(),
            }
            for rule in found
        ]
        emit(page([json_text(records, indent=2)]), None)
        return
    rows = [(about.code, about.name, str(about.severity), about.title) for about in abouts]
    table = tabulate(rows, ("code", "name", "severity", "title"))
    width = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and max(map(len, table.splitlines())) > width:
        table = "\n".join(line for row in rows for line in _in_two_lines(*row, width))
    say_page(table.splitlines())


def _in_two_lines(code: str, name: str, severity: str, title: str, width: int) -> Iterator[str]:
    """Yield a rule as a narrow terminal can show it."""
    yield f"{severity[0].upper()} {code} {name}"
    yield from textwrap.wrap(title, width, initial_indent="    ", subsequent_indent="    ")
