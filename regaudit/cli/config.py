"""`regaudit config`: make a settings file."""

from pathlib import Path

import click

from regaudit.cli.command import HelpfulGroup
from regaudit.cli.output import emit, say
from regaudit.storage.presence import exists

TEMPLATE = """\
# Settings of regaudit; `regaudit check --show-settings` prints all that are in force.

# What is audited when no model is named.
models = ["."]

# Findings of this severity or a higher one fail `regaudit check`: note, warning, error or never.
fail-on = "error"

# Whether a model of which no regularizer is known, such as weights only, is to pass or to fail.
unknown = "pass"

# default, strict (reports everything without a regularizer) or finetune.
preset = "default"

# Whose rules, formats and renderers are used besides regaudit's own: true for those of all packages
# that are installed, false for none, or a list of packages, which must be there.
# plugins = true

# Known findings, accepted for now: `regaudit baseline write` creates the file.
# baseline = ".regaudit-baseline.json"

# Where the documentation is published: reports then link to rules/REG101.html below it.
# docs-url = "https://docs.example/regaudit/"

# Thresholds and the highest severity of a rule; `regaudit explain REG101` lists them.
# [rules.REG101]
# min_parameters = 100_000
# severity = "warning"

# Custom classes: one of Keras's that they read as, or the roles of their weights; ? may be missing.
# [layers]
# MyDense = "Dense"
# MyBlock = ["kernel", "bias", "scale?"]

# Other settings for some models, or for some layers of them.
# [[override]]
# model = "models/teacher*"
# layer = "encoder/*"
# rules.REG101.severity = "note"

# A finding that was looked at and accepted.
# [[ignore]]
# code = "REG101"
# layer = "encoder/*"
# reason = "why this is fine"
# expires = 2030-12-31
"""


@click.group(cls=HelpfulGroup, examples=("config init",))
def config() -> None:
    """Create a settings file."""


@config.command(examples=("config init",))
def init() -> None:
    """Write regaudit.toml, with every kind of setting explained, into this folder."""
    from regaudit.report.escape import page

    file = Path("regaudit.toml")
    if exists(file):
        raise click.UsageError(f"{file} already exists and is not changed")
    emit(page(TEMPLATE.splitlines()), file)
    say(f"written: {file}", err=True)
