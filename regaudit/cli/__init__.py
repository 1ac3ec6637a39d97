"""The command line: the only place that prints, writes files and decides the exit code.

One module a command. Imports that cost time are made inside the commands: `--help` is quick.
"""

import sys

import click

from regaudit.cli.apply import apply
from regaudit.cli.check import check
from regaudit.cli.explain import explain
from regaudit.cli.inspect import inspect
from regaudit.cli.report import report
from regaudit.cli.rules import rules
from regaudit.cli.suggest import suggest
from regaudit.cli.verify import verify
from regaudit.version import VERSION


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="regaudit")
def main() -> None:
    """Audit the regularizers in saved Keras models, without running anything in them.

    MODEL is a file, a directory that is searched for models, or a glob; with no MODEL, the
    models named in the settings, else every model below the current directory.

    Exit codes: 0 fine, 1 findings at or above --fail-on, 2 wrong usage or settings, 3 something
    could not be audited.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


for _command in (inspect, report, check, explain, rules, verify, suggest, apply):
    main.add_command(_command)
