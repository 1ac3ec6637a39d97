"""Every command and every program in the README does what is shown there."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from regaudit.cli import main
from regaudit.config import read_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.splitlines()[0])
def test_a_command_prints_what_is_shown(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    prompt, _, shown = block.partition("\n")
    program, *arguments = shlex.split(prompt.removeprefix("$ "))
    assert program == "regaudit"
    assert CliRunner().invoke(main, arguments).output == shown


@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_runs(program, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(program, {})


@pytest.mark.parametrize("settings", blocks("toml"))
def test_settings_are_valid(settings, tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text(settings)
    config = read_config(file)
    assert config.models == ("models/*.keras",)
    assert len(config.ignores) == 1


def test_there_are_two_commands_to_set_up():
    assert len(blocks("sh")) == 2
