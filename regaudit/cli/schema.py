"""`regaudit schema`: the JSON Schema of what `--format json` writes."""

import click

from regaudit.cli.output import say_page


@click.command()
def schema() -> None:
    """Print the JSON Schema of --format json, "regaudit/1"."""
    from importlib.resources import files

    text = files("regaudit.report").joinpath("regaudit-1.schema.json").read_text("utf-8")
    say_page(text.splitlines())
