"""The command line: the only place that prints, writes files and decides the exit code.

One module a command. Imports that cost time are made inside the commands: `--help` is quick.
"""

import sys
from importlib import import_module

import click

from regaudit.version import VERSION

COMMANDS = (
    "inspect",
    "report",
    "check",
    "diff",
    "explain",
    "rules",
    "verify",
    "suggest",
    "apply",
    "baseline",
    "config",
    "schema",
    "completions",
)
"""In the order of `--help`; each is the module and the function of its name."""


class _Commands(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"regaudit.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="regaudit")
def main() -> None:
    """Audit the regularizers in saved Keras models, without running anything in them.

    MODEL is a file, a directory to search for models, or a glob. Without MODEL, the models named
    in the settings are audited, or else every model below the current directory.

    Exit codes: 0 no findings at or above --fail-on, 1 findings, 2 wrong usage or settings,
    3 something could not be audited.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
