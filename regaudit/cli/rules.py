"""`regaudit rules`: the list of rules."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.output import emit, say_page
from regaudit.cli.plugins import no_plugins, use_of_project


@click.command(cls=Helpful, examples=("rules", "rules --format json"))
@click.option(
    "--format",
    "format_",
    type=Choice(["terminal", "json", "markdown"]),
    default="terminal",
    show_default=True,
    help="Output format.",
)
@no_plugins
def rules(format_: str, no_plugins: bool) -> None:
    """List the rules; --format markdown prints the explanations of all rules."""
    from msgspec import to_builtins
    from tabulate import tabulate

    from regaudit.plugins.installed import RULES, entry_points
    from regaudit.report.escape import json_text, page
    from regaudit.rules.documentation import rules_page
    from regaudit.rules.interface import rules as all_rules

    use_of_project(no_plugins)
    found, outside = all_rules(), entry_points(RULES)
    if format_ == "markdown":
        say_page(rules_page(found).splitlines())
        return
    abouts = [rule.about for rule in found]
    sources = {code: entry.source for code, entry in outside.items()}
    if format_ == "json":
        records = [
            {
                **to_builtins(rule.about),
                "severity": str(rule.about.severity),
                "needs": rule.needs,
                "wants": rule.wants,
                "thresholds": rule.thresholds(),
                **({"plugin": sources[code]} if (code := rule.about.code) in sources else {}),
            }
            for rule in found
        ]
        emit(page([json_text(records, indent=2)]), None)
        return
    rows = [
        (about.code, about.name, str(about.severity), about.title, sources.get(about.code, ""))
        for about in abouts
    ]
    titles = ("code", "name", "severity", "title", "plug-in")
    kept = len(titles) if sources else len(titles) - 1
    table = tabulate([row[:kept] for row in rows], titles[:kept])
    width = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and max(map(len, table.splitlines())) > width:
        table = "\n".join(line for row in rows for line in _in_two_lines(row, width))
    say_page(table.splitlines())


def _in_two_lines(row: Sequence[str], width: int) -> Iterator[str]:
    """Yield a rule as a narrow terminal can show it."""
    code, name, severity, title, source = row
    yield f"{severity[0].upper()} {code} {name}{f' ({source})' if source else ''}"
    yield from textwrap.wrap(title, width, initial_indent="    ", subsequent_indent="    ")
