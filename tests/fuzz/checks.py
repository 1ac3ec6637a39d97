"""What no input may make a command do."""

import json
import re
import time
import traceback
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from click.testing import CliRunner, Result

from regaudit.cli import main
from tests.fuzz.names import SECRET

SLOW = 10
"""Seconds that no command may take."""
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
WRITTEN = {"out.parquet", "out.html", "out.keras", "new.json", "regaudit.toml", "b.json"}
"""What commands were told to write, or that is their default; `_may_change` knows when."""
BACKUP, NOTE = ".before-apply", ".after-apply.sha256"


class Outcome(NamedTuple):
    """How a command ended, and what is wrong with that; nothing, most often."""

    code: str
    fault: str = ""


def execute(command: list[str], folder: Path) -> Outcome:
    """Run a command in a folder that is the working directory, and look at all it did."""
    before = _files(folder)
    start = time.process_time()
    result = CliRunner().invoke(main, command, prog_name="regaudit", color=False)
    seconds = time.process_time() - start
    return Outcome(
        f"exit {result.exit_code}", next(_faults(command, folder, before, result, seconds), "")
    )


def _faults(
    command: list[str], folder: Path, before: dict[str, bytes], result: Result, seconds: float
) -> Iterator[str]:
    said = result.stdout + result.stderr
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        yield _where(result.exception)
    if bug := re.search(r"which is a bug \((\w+)", said.replace("\n", " ")):
        yield f"InternalError: {bug[1]}"
    if "Traceback (most recent" in said:
        yield "traceback"
    if result.exit_code not in {0, 1, 2, 3}:
        yield f"exit code {result.exit_code}"
    if result.exit_code == 1 and not _may_find(command, result):
        yield "exit 1 without findings"
    if seconds > SLOW:
        yield "slow"
    yield from _output(_format(command), result)
    if SECRET in said:
        yield "a secret is shown"
    yield from _changed(command, folder, before, result.exit_code)


def _where(error: BaseException) -> str:
    """Say where in regaudit an error came from, so that the same ones count as one."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/regaudit/" in f.filename]
    frame = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno} {frame.name}"


def _may_find(command: list[str], result: Result) -> bool:
    """Whether a command may say 1: it found something, and says what."""
    finds = command[0] == "check" or "--exit-code" in command
    return finds and "Error:" not in result.stderr


def _format(command: list[str]) -> str:
    if "--format" in command:
        return command[command.index("--format") + 1]
    given = [word.partition("=")[2] for word in command if word.startswith("--format=")]
    return (given or ["terminal"])[0]


def _output(format_: str, result: Result) -> Iterator[str]:
    """Look for what a reader would act on, or could not read."""
    yield from (f"{fault} on standard error" for fault in _acting(result.stderr, "terminal"))
    text = result.stdout
    if not text or result.exit_code == 2:
        return
    try:
        if format_ in {"json", "sarif"}:
            json.loads(text, parse_constant=_no_number)
        elif format_ == "jsonl":
            for line in text.splitlines():
                json.loads(line, parse_constant=_no_number)
        elif format_ == "junit":
            ET.fromstring(text)
        elif format_ in {"html", "notebook"}:
            yield from _page(text)
    except (ValueError, ET.ParseError) as error:
        yield f"no {format_}: {type(error).__name__}"
    if format_ in {"terminal", "csv", "markdown", "github", "code"}:
        yield from _acting(text, format_)


def _no_number(constant: str) -> None:
    raise ValueError(constant)


def _acting(text: str, format_: str) -> Iterator[str]:
    """Say what in a text acts on a terminal, or on the log of CI."""
    if any(unicodedata.category(char) in UNSEEN for char in text.replace("\n", "")):
        yield f"raw control characters in {format_}"
    if format_ != "github" and re.search(r"^\s*(::|##\[)", text, re.MULTILINE):
        yield f"a command to CI in {format_}"


def _page(text: str) -> Iterator[str]:
    """Say what in a page would run, or be fetched."""
    page = _Page()
    page.feed(text)
    page.close()
    if page.scripts > 1 or page.handlers or page.others:
        yield f"html: {page.scripts} scripts, {page.handlers} handlers, {page.others}"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers, self.others = 0, 0, set[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.handlers += sum(key.startswith("on") for key, _ in attributes)
        self.others |= {tag} & {"img", "iframe", "object", "embed", "form", "base"}


def _files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, by their path there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _changed(
    command: list[str], folder: Path, before: dict[str, bytes], code: int
) -> Iterator[str]:
    """Say which file is other than it was, although nobody asked for that or the command failed."""
    after = _files(folder)
    new = {name for name in before | after if before.get(name) != after.get(name)}
    new = {name for name in new if not name.startswith("cache/")}
    if command[0] == "apply" and "--in-place" in command:
        yield from _in_place(command, before, after, new, code)
        return
    failed = command[0] == "apply" and code != 0
    dry = "--dry-run" in command or "--show-settings" in command
    allowed = set() if failed or dry else WRITTEN
    if command[0] == "baseline":
        allowed = {name for name in new if name not in before or name.endswith(".json")}
    if wrong := new - allowed:
        kinds = {"there before" if name in before else "new" for name in wrong}
        yield f"changed a file that was {' and '.join(sorted(kinds))}"


def _in_place(
    command: list[str], before: dict[str, bytes], after: dict[str, bytes], new: set[str], code: int
) -> Iterator[str]:
    """The backup is the old file, byte for byte, and `--undo` puts it back."""
    if code and new:
        yield "changed a file although it failed"
    elif kept := [name for name in new if name.endswith(BACKUP)]:
        edited = kept[0].removesuffix(BACKUP)
        if after[kept[0]] != before.get(edited) or new != {edited, kept[0], edited + NOTE}:
            yield "the backup is not what was there before"
        result = CliRunner().invoke(main, ["apply", "--undo", "--force", "--", command[-1]])
        if result.exit_code or Path(edited).read_bytes() != before[edited]:
            yield f"--undo puts nothing back (exit {result.exit_code})"
    elif new:
        yield "edited without a backup"
