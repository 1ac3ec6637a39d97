"""The command line: the only place that prints, writes files and decides the exit code.

One module a command. Imports that cost time are made inside the commands: `--help` is quick.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from regaudit.cli.command import HelpfulGroup
from regaudit.errors import PlugInError, UsageError, did_you_mean
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
    "sweep",
    "apply",
    "baseline",
    "config",
    "schema",
    "completions",
)
"""In the order of `--help`; each is the module and the function of its name."""


class _Commands(HelpfulGroup):
    """Commands that are imported when they are asked for, and whose errors are escaped."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _escaped_errors():
            return super().make_context(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"regaudit.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or the one that was meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"{error.message.rstrip('.')}{hint or '.'}", ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Click takes an error at the end of a file for Ctrl-D."""
        try:
            with _escaped_errors():
                return super().invoke(ctx)
        except EOFError as error:
            raise RuntimeError("something ended too early") from error


@contextmanager
def _escaped_errors() -> Iterator[None]:
    """Have Click show its errors, and ours, in one line: what was typed may be in them."""
    try:
        yield
    except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        raise
    except click.ClickException as error:
        from regaudit.report.escape import plain
        from regaudit.storage.location import without_secrets

        context = error.ctx if isinstance(error, click.UsageError) else None
        raise click.UsageError(plain(without_secrets(error.format_message())), context) from error
    except UsageError as error:
        from regaudit.report.escape import plain

        raise click.UsageError(plain(str(error))) from error
    except PlugInError as error:
        from regaudit.cli.output import UNREADABLE, say

        say(str(error), err=True)
        raise click.exceptions.Exit(UNREADABLE) from error
    except FileNotFoundError as error:
        from regaudit.storage.working_folder import GONE, is_of_folder_gone

        if not is_of_folder_gone(error):
            raise
        raise click.UsageError(GONE) from error


@click.group(
    cls=_Commands,
    examples=("inspect model.keras", "report model.keras --html report.html", "check models/"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="regaudit")
@click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    help="Show where regaudit itself failed, to report it.",
)
def main() -> None:
    """Audit the regularizers in saved Keras models, without running anything in them.

    MODEL is a file, a directory or an archive (model.tar.gz) to search for models, a glob, or - for
    a model on standard input. Without MODEL, the models named in the settings are audited, or else
    every model below the current directory.

    Exit codes: 0 no findings at or above --fail-on, 1 findings, 2 wrong usage or settings,
    3 something could not be audited.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
