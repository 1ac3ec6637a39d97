"""The blocks of a Markdown page, done one after the other in a folder, as a reader does them.

    python tests/doc_pages.py PAGE ...

puts what the commands print now into the pages. A comment before a block says what the page
does not show: `<!-- run: COMMAND -->` prepares something, and `<!-- file: NAME -->` has the block
written to a file. `<!-- after: PAGE -->` has the first program of another page done before.
`<!-- needs: WHAT -->` anywhere on a page says which test follows it.
"""

import io
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, chdir, closing, redirect_stdout
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from command_line import run
from paths import FIXTURES, ROOT

from regaudit.settings.config import read_config
from regaudit.sweeping.document import read_sweep

_FENCE = re.compile(r"^( *)```([\w{}-]*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (run|file|needs|after): (.*?) -->", re.DOTALL)
_SHELL = re.compile(r"[|<>&;$*]")
"""What only a shell does with a line, where it is not quoted."""

FOLLOWED_BY = {
    "": "tests/test_docs.py",
    "keras": "tests/test_docs.py",
    "sweep": "tests/test_sweep_page.py",
    "sweep keras": "tests/test_sweep_page.py",
    "stores": "tests/storage/test_stores.py",
    "dask": "tests/running/test_dask_cluster.py",
}
"""What a page needs, and the test that has it."""

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
NOT_FOLLOWED = (
    *("docs/_build/", "docs/changes/", "docs/rules/", "docs/reference/commands/"),
    *("docs/reference/settings.md", "docs/reference/json.md"),
)
"""Other pages: they are made from the code. tests/rules builds the examples of rules, and the build
of the documentation reads those of settings."""

ROLES = ("AUTHOR", "COMMITTER")
HOOKS = ".pre-commit-config.yaml"
SET_UP = re.compile(
    r"python3 -m venv \.venv$|source \.venv/bin/activate$"
    r"|\.venv/bin/(pip install -q|regaudit|python)"
)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its text, and what a comment before it says."""

    language: str
    text: str
    line: int
    notes: list[tuple[str, str]] = field(default_factory=list)

    def note(self, kind: str) -> str | None:
        return next((value for name, value in self.notes if name == kind), None)

    def steps(self) -> Iterator[tuple[str, str]]:
        """Yield each command of a console, with what is shown below it."""
        for step in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            yield command, shown


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page; of a MyST directive none, it is no code."""
    found, last = [], 0
    for match in _FENCE.finditer(text):
        if match[2].startswith("{"):
            continue
        notes = _COMMENT.findall(text, last, match.start())
        body = re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
        found.append(Block(match[2], body, text.count("\n", 0, match.start()) + 1, notes))
        last = match.end()
    return found


def pages(need: str | None = None) -> list[str]:
    """Return the README and all pages of the documentation, or those with this need."""
    found = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    names = [file.relative_to(ROOT).as_posix() for file in found]
    names = [name for name in names if not name.startswith(NOT_FOLLOWED)]
    return [name for name in names if need is None or need_of(name) == need]


def need_of(page: str) -> str:
    text = (ROOT / page).read_text("utf-8")
    return next((value for kind, value in _COMMENT.findall(text) if kind == "needs"), "")


def program_of(page: str) -> str:
    """Return the first program of a page."""
    found = blocks((ROOT / page).read_text("utf-8"))
    return next(block.text for block in found if block.language == "python")


class Reader:
    """Follows a page in the current directory.

    Args:
        programs: a folder in which `regaudit` is the one under test.
        stand_ins: addresses by those on the page that they stand for.
    """

    def __init__(self, programs: Path, stand_ins: dict[str, str]) -> None:
        self.code = 0
        self.printed = ""
        self.names: dict[str, object] = {}
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
            result = run(*shlex.split(command)[1:])
            self.code = result.exit_code
            return result.output
        return self.bash(command)

    def bash(self, command: str) -> str:
        if installed := re.fullmatch(r"pip install '?regaudit(?:\[([\w,]+)\])?'?", command):
            missing = set((installed[1] or "").split(",")) - EXTRAS.keys() - {""}
            assert not missing, f"no extra {missing}"
            self.code = 0
            return ""
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
            compile(block.text, block.note("file") or "", "exec")
            return  # a command on the page runs it
        with redirect_stdout(io.StringIO()) as printed:
            exec(block.text, self.names)
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


def as_shown(printed: str, shown: str) -> bool:
    """Tell whether a page shows what is printed; `...` stands for anything."""
    wanted = (re.escape(part) for part in tidy(shown).split("..."))
    return re.fullmatch(".*?".join(wanted), tidy(printed), re.DOTALL) is not None


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def difference(command: str, shown: str, printed: str) -> str:
    lines = unified_diff(shown.splitlines(), printed.splitlines(), "shown", "printed", lineterm="")
    return "\n".join(["$ " + command, *lines])


def swept() -> AbstractContextManager[object]:
    """Take the result that is stored for that of every sweep, and a saved model for the chosen."""
    found = read_sweep(FIXTURES / "sweep.json")
    answer = ExitStack()
    chosen = FIXTURES / "models" / "digits-cnn.keras"
    for name, stand_in in {
        "regaudit.sweeping.sweep.run": lambda *_: (found, str(chosen)),
        "regaudit.sweeping.write.write": lambda _, file, out: shutil.copy(file, out),
        "regaudit.sweep": lambda *_: found,
    }.items():
        answer.enter_context(patch(name, stand_in))
    return answer


def follow(page: str, folder: Path, stand_ins: dict[str, str] | None = None) -> Reader:
    """Follow a page in a folder that is the current directory, and has the fixtures."""
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    reader = Reader(folder / ".bin", stand_ins or {})
    for block in blocks((ROOT / page).read_text("utf-8")):
        try:
            reader.read(block)
        except Exception as error:
            error.add_note(f"{page}:{block.line}")
            raise
    return reader


def rewritten(text: str, reader: Reader) -> str:
    """Return a page with what its commands print now, where that is not what it shows."""
    for block in blocks(text):
        if block.language != "console":
            reader.read(block)
            continue
        reader.prepare(block)
        made = ""
        for command, shown in block.steps():
            printed = reader.does(command)
            made += f"$ {command}\n"
            if shown and as_shown(printed, shown):
                made += shown
            elif "..." in shown:  # what is left out is for whoever wrote it to say
                sys.exit(difference(command, shown, printed))
            else:
                made += tidy(printed) + "\n" * bool(printed)
        text = text.replace(f"```console\n{block.text}", f"```console\n{made}", 1)
    return text


def main() -> None:
    for page in map(Path.absolute, map(Path, sys.argv[1:])):
        with tempfile.TemporaryDirectory() as folder, chdir(folder), swept():
            Path("fixtures").symlink_to(ROOT / "fixtures")
            reader = Reader(Path(folder, ".bin"), {"tcp://scheduler:8786": "local"})
            page.write_text(rewritten(page.read_text("utf-8"), reader), encoding="utf-8")


if __name__ == "__main__":
    main()
