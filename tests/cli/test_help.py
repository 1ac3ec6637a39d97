"""The help of each command: examples that are right, and options in short groups."""

import re
import shlex

import click
import pytest
from command_line import run

from regaudit.cli import COMMANDS, main
from regaudit.cli.command import GROUPS

TOGETHER = {"baseline": ("write", "update", "prune"), "config": ("init",)}
EVERY = [
    (),
    *((name,) for name in COMMANDS),
    *((name, inner) for name, several in TOGETHER.items() for inner in several),
]


def examples(page):
    found = re.search(r"\nExamples:\n((?:  .*\n)+)", page)
    return [line.strip() for line in found[1].splitlines()] if found else []


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_it_begins_with_examples_that_are_taken(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model.keras", "old.keras", "new.keras", "train.npz", "val.npz", "results.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "models").mkdir()
    (tmp_path / ".regaudit-baseline.json").touch()
    page = run(*command, "--help").output
    shown = examples(page)
    assert shown
    for example in shown:
        program, *arguments = shlex.split(example)
        assert program == "regaudit"
        assert arguments[0] in COMMANDS
        parsed(main, arguments)


def parsed(command, arguments):
    """Parse a command line as Click does, and run nothing."""
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), arguments.pop(0))
    command.make_context(command.name, arguments)


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_no_group_has_more_than_ten_options(command):
    page = run(*command, "--help").output.partition("Examples:")[2]
    groups = re.split(r"\n(?=\S.*:\n)", page)[1:]
    for group in groups:
        assert len(re.findall(r"(?m)^  -", group)) <= 10, group


def test_each_option_of_a_large_command_is_in_a_group():
    for name in ("inspect", "check", "report", "apply", "sweep", "suggest"):
        rest = run(name, "--help").output.partition("Other options:")[2]
        assert re.findall(r"(?m)^  .*(--\w+)", rest) == ["--help"], name


def test_each_name_in_the_table_of_groups_is_an_option():
    context = click.Context(main)
    named = {
        parameter.name for name in COMMANDS for parameter in main.get_command(context, name).params
    }
    assert {name for names in GROUPS.values() for name in names.split()} <= named | {"pair"}
