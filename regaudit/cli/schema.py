"""`regaudit schema`: the JSON Schema of what `--format json` writes."""

import click

from regaudit.cli.command import Helpful
from regaudit.cli.output import say_page


@click.command(cls=Helpful, examples=("schema",))
def schema() -> None:
    """Print the JSON Schema of --format json, "regaudit/1"."""
    import json

    from regaudit.report.schema import json_schema

    say_page(json.dumps(json_schema(), indent=2).splitlines())
