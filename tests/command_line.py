"""The command line inside the process of the tests."""

from typing import Any

from click.testing import CliRunner, Result

from regaudit.cli import main
from regaudit.cli.targets import FORMATS
from regaudit.renderers.interface import renderer

USABLE = [name for name in FORMATS if not renderer(name).missing()]
"""Formats of which all that they need is installed."""


def run(*arguments: Any, **settings: Any) -> Result:
    """Run a command; what it does not catch fails the test, as it would print a traceback.

    Args:
        arguments: as on the command line; paths among them.
        settings: of `CliRunner.invoke`.
    """
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(main, [str(argument) for argument in arguments], **settings)
