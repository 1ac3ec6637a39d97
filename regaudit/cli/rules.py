"""`regaudit rules`: the list of rules."""

import click


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["terminal", "json", "markdown"]),
    default="terminal",
    show_default=True,
    help="Output format.",
)
def rules(format_: str) -> None:
    """List the rules."""
    import json
    from dataclasses import asdict

    from tabulate import tabulate

    from regaudit import registry

    abouts = [rule.about for rule in registry.rules()]
    if format_ == "json":
        records = [{**asdict(about), "severity": str(about.severity)} for about in abouts]
        click.echo(json.dumps(records, indent=2))
        return
    rows = [(about.code, about.name, str(about.severity), about.title) for about in abouts]
    style = "pipe" if format_ == "markdown" else "simple"
    click.echo(tabulate(rows, ("code", "name", "severity", "title"), tablefmt=style))
