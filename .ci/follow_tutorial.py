"""Follow the tutorial that needs no TensorFlow, with a wheel in a fresh environment and no more.

Usage: python .ci/follow_tutorial.py WHEEL FOLDER

The environment is made in FOLDER/venv. Every command must print what the page shows, and they must
lead from a `check` that fails to one that passes, in under five minutes with all set-up.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorial" / "without-tensorflow.md"
NOT_NEEDED = ("tensorflow", "keras", "dask", "pandas")
MOST_SECONDS = 300
MARK = "== exit code "


def steps(text: str) -> list[tuple[str, str]]:
    """Return the commands of a page, each with what it shows to be printed."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            found.append((command, shown.rstrip("\n")))
    return found


def followed(commands: list[str], folder: Path, programs: Path) -> list[tuple[str, int]]:
    """Run commands in one shell, as a reader does; return what each printed, and its exit code."""
    script = "".join(
        f"{one}\ncode=$?; echo; echo '{MARK}'$code; (exit $code)\n" for one in commands
    )
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    ended = subprocess.run(
        ["bash", "-s"],  # noqa: S607 - whichever the reader has
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"},
        input=script,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    parts = re.split(rf"\n{MARK}(\d+)\n", ended.stdout)
    pairs = zip(parts[:-1:2], parts[1::2], strict=True)
    return [(printed.rstrip("\n"), int(code)) for printed, code in pairs]


def main(wheel: str, folder: Path) -> str | None:
    """Follow the page; return what is wrong."""
    began = time.monotonic()
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    python = str(programs / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", wheel], check=True)  # noqa: S603 - ours
    look = f"from importlib.util import find_spec; print([n for n in {NOT_NEEDED} if find_spec(n)])"
    there = subprocess.check_output([python, "-c", look], cwd=folder, text=True)  # noqa: S603 - ours
    if there.strip() != "[]":
        return f"the environment has more than is needed: {there}"
    models = folder / "fixtures" / "models"
    models.mkdir(parents=True)
    shutil.copy(ROOT / "fixtures" / "models" / "digits-cnn.keras", models)
    todo = steps(PAGE.read_text("utf-8"))
    done = followed([command for command, _ in todo], folder, programs)
    for (command, shown), (printed, _) in zip(todo, done, strict=True):
        if printed != shown:
            return f"$ {command}\nprints\n{printed}\nand not, as {PAGE.name} shows,\n{shown}"
    checks = [
        code
        for (command, _), (_, code) in zip(todo, done, strict=True)
        if command.startswith("regaudit check")
    ]
    if checks != [1, 0]:
        return f"the checks end with {checks}, not with a failure and then none"
    took = time.monotonic() - began
    print(f"{PAGE.name}: {len(todo)} commands and the set-up took {took:.0f} s")
    return f"that is more than {MOST_SECONDS} s" if took > MOST_SECONDS else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
