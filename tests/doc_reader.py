"""Follows a page of the documentation as a reader does: block after block, in one folder."""

import io
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, redirect_stdout
from difflib import unified_diff
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from command_line import run
from doc_pages import Block, blocks, program_of
from doc_stand_ins import audit_here
from paths import ROOT

from regaudit.settings.config import read_config

_SHELL = re.compile(r"[|<>&;$]")
"""What only a shell does with a line, where it is not quoted."""

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ROLES = ("AUTHOR", "COMMITTER")
HOOKS = ".pre-commit-config.yaml"
SET_UP = re.compile(
    r"python3 -m venv \.venv$|source \.venv/bin/activate$"
    r"|\.venv/bin/(pip install -q|regaudit|python)"
)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


class Reader:
    """Follows a page in the current directory.

    Args:
        programs: a folder in which `regaudit` is the one under test.
        stand_ins: addresses by those on the page that they stand for.
    """

    def __init__(self, programs: Path, stand_ins: dict[str, str]) -> None:
        self.code = 0
        self.printed = ""
        self.names: dict[str, Any] = {}
        self.stand_ins = stand_ins
        programs.mkdir(exist_ok=True)
        for name in ("regaudit", "pytest", "pre-commit"):
            file = programs / name
            module = name.replace("-", "_")
            file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
            file.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "80",
            "PRE_COMMIT_HOME": str(programs / "cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "me@here" for who in ROLES for what in ("NAME", "EMAIL")},
        }

    def read(self, block: Block) -> None:
        """Do what a block says, and compare it with what is shown there."""
        self.prepare(block)
        if name := block.note("file"):
            text = with_local_hooks(block.text) if name == HOOKS else block.text
            Path(name).write_text(text, encoding="utf-8")
        assert block.language in READERS, (
            f"no check for blocks of {block.language or 'no'} language"
        )
        READERS[block.language](self, block)

    def prepare(self, block: Block) -> None:
        """Do what the page does not show."""
        for kind, value in block.notes:
            if kind == "run":
                assert self.bash(value) == "", value
                assert self.code == 0, value
            if kind == "after":
                exec(program_of(value), {})

    def does(self, command: str) -> str:
        """Return what a command prints."""
        for shown, address in self.stand_ins.items():
            command = command.replace(shown, address)
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
        if command == "echo $?":
            return f"{self.code}\n"
        if command.startswith("regaudit ") and not _SHELL.search(bare):
            _, *arguments = shlex.split(command)
            if "*" in bare:
                arguments = [one for part in arguments for one in matching(part)]
            result = run(*arguments)
            self.code = result.exit_code
            return result.output
        return self.bash(command)

    def bash(self, command: str) -> str:
        ours = r"pip install '?(?:regaudit|\.)(?:\[([\w,]+)\])?'?(?: # in a checkout.*)?"
        if installed := re.fullmatch(ours, command):
            missing = set((installed[1] or "").split(",")) - EXTRAS.keys() - {""}
            assert not missing, f"no extra {missing}"
            self.code = 0
            return ""
        if command.startswith("pre-commit "):
            pytest.importorskip("pre_commit")
        if command.startswith("cd "):
            os.chdir(command.removeprefix("cd "))
            return ""
        result = subprocess.run(
            ["bash", "-c", command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.code = result.returncode
        return result.stdout

    def console(self, block: Block) -> None:
        assert block.text.startswith("$ "), "a console begins with a command"
        for command, shown in block.steps():
            printed = self.does(command)
            assert as_shown(printed, shown), difference(command, shown, printed)

    def commands(self, block: Block) -> None:
        """Run lines of which no output is shown: all end well."""
        for line in block.text.replace("\\\n", "").splitlines():
            if line and not line.startswith("#"):
                printed = self.does(line.partition("  # ")[0])
                assert self.code == 0, f"{line}\n{printed}"

    def python(self, block: Block) -> None:
        if block.note("file"):
            return  # a command on the page runs it
        with redirect_stdout(io.StringIO()) as printed:
            exec(block.text, self.names)
            for name, test in list(self.names.items()):
                if name.startswith("test_"):
                    test()
        self.printed = printed.getvalue()

    def yaml(self, block: Block) -> None:
        """Run what a workflow runs of regaudit: its findings may fail it, its usage may not."""
        content = yaml.safe_load(block.text)
        for step in mappings(content):
            if "/regaudit@" in step.get("uses", ""):
                assert step["with"].keys() <= ACTION["inputs"].keys()
            if "hooks" in step:
                assert {hook["id"] for hook in step["hooks"]} == {HOOK["id"]}
                for hook in step["hooks"]:
                    self.does(shlex.join(["regaudit", "check", *hook.get("args", [])]))
                    assert self.code != 2, hook
        for line in run_lines(content):
            printed = self.does(line)
            assert self.code in {0, 1}, f"{line}\n{printed}"

    def text(self, block: Block) -> None:
        """Compare with what the program before it printed."""
        assert as_shown(self.printed, block.text), difference("print", block.text, self.printed)

    def shell(self, block: Block) -> None:
        """Look at commands that set up: CI takes the README's from there and runs them."""
        for part in re.split(r" && |\n", block.text.strip()):
            assert SET_UP.match(part), part
            named = re.findall(r"\[([\w,]+)\]", part)
            assert set(",".join(named).split(",")) <= EXTRAS.keys() | {""}, part

    def sql(self, block: Block) -> None:
        """Ask the Parquet file of the page, as a table of that name."""
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        (name,) = re.findall(r"'([\w.]+\.parquet)'", block.text)
        with closing(sqlite3.connect(":memory:")) as connection:
            table = pandas.read_parquet(name).select_dtypes(["number", "object", "string"])
            table.to_sql(name, connection, index=False)
            assert connection.execute(block.text).fetchall()

    def toml(self, block: Block) -> None:
        name = block.note("file") or "pyproject.toml"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name)
            file.write_text(block.text, encoding="utf-8")
            Path(folder, ".regaudit-baseline.json").write_text('{"findings": []}')
            read_config(file)


READERS: dict[str, Callable[[Reader, Block], None]] = {
    "console": Reader.console,
    "bash": Reader.commands,
    "python": Reader.python,
    "yaml": Reader.yaml,
    "toml": Reader.toml,
    "sh": Reader.shell,
    "sql": Reader.sql,
    "text": Reader.text,
}


def with_local_hooks(text: str) -> str:
    """Return a configuration of pre-commit with the hook as it is here, installed already."""
    config = yaml.safe_load(text)
    for source in config["repos"]:
        del source["rev"]
        hooks = [{**HOOK, **hook, "language": "system"} for hook in source["hooks"]]
        source.update(repo="local", hooks=hooks)
    return yaml.safe_dump(config)


def mappings(content: object) -> Iterator[dict[str, Any]]:
    """Yield every mapping in a workflow."""
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from mappings(value)


def run_lines(content: object) -> Iterator[str]:
    """Yield the command lines of regaudit in a workflow, wherever they are."""
    match content:
        case dict():
            for value in content.values():
                yield from run_lines(value)
        case list():
            for value in content:
                yield from run_lines(value)
        case str():
            lines = content.splitlines()
            yield from (line for line in lines if line.startswith(("regaudit ", "pip install ")))


def matching(argument: str) -> list[str]:
    """Return the files that a shell would put in place of a pattern."""
    return sorted(map(str, Path().glob(argument))) or [argument]


def as_shown(printed: str, shown: str) -> bool:
    """Tell whether a page shows what is printed; `...` stands for anything."""
    wanted = (re.escape(part) for part in tidy(shown).split("..."))
    return re.fullmatch(".*?".join(wanted), tidy(printed), re.DOTALL) is not None


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def difference(command: str, shown: str, printed: str) -> str:
    lines = unified_diff(shown.splitlines(), printed.splitlines(), "shown", "printed", lineterm="")
    return "\n".join(["$ " + command, *lines])


def follow(page: str, folder: Path, stand_ins: dict[str, str] | None = None) -> Reader:
    """Follow a page in a folder that is the current directory, and has the fixtures."""
    apart = ("worker_pool.audit_apart", "write.write_apart")
    with ExitStack() as stack:
        for name in apart:
            stack.enter_context(patch(f"regaudit.running.{name}", audit_here))
        return _follow(page, folder, stand_ins or {})


def _follow(page: str, folder: Path, stand_ins: dict[str, str]) -> Reader:
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    reader = Reader(folder / ".bin", stand_ins)
    found = blocks((ROOT / page).read_text("utf-8"))
    for block in found:
        if (name := block.note("file")) and block.language == "python":
            commands = [one.text for one in found if one.language == "console"]
            assert name in "".join(commands), f"{page} does not run {name}"
        try:
            reader.read(block)
        except Exception as error:
            error.add_note(f"{page}:{block.line}")
            raise
    return reader
