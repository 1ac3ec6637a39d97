"""What CONTRIBUTING.md shows is there, and its commands run."""

import ast
import re
import shlex
import tomllib

import pytest
from paths import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]


def packages():
    """Yield the packages from the top floor down, each with the first line of its docstring."""
    (floors,) = [one for one in PROJECT["importlinter"]["contracts"] if one["name"] == "packages"]
    for name in " | ".join(floors["layers"]).split(" | "):
        package = ROOT / "regaudit" / name
        file = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
        said, *_ = ast.get_docstring(ast.parse(file.read_text("utf-8"))).splitlines()
        shown = f"regaudit/{name}/" if package.is_dir() else f"regaudit/{name}.py"
        yield f"{shown:26} {said}"


def test_the_tree_is_as_shown():
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert shown.splitlines() == list(packages())


def test_folders_and_files_are_there():
    folders = re.findall(r"^\| `([a-z]+/)` \|", PAGE, re.MULTILINE)
    assert len(folders) == 5
    files = re.findall(r"`((?:regaudit|tests|fixtures)/[\w/]+\.py)`", PAGE)
    to_be_made = "regaudit/rules/reg199_kernel_of_many_parameters.py"
    missing = [name for name in (*folders, *files) if not (ROOT / name).exists()]
    assert missing == [to_be_made]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "benchmarks/README.md",
        "docs/explanation/numbers.md",
        "docs/how-to/sweep.md",
    ],
)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\s*\(([\w/.-]+)(?:#[\w-]+)?\)", text)
    assert links
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_markers_are_as_shown():
    shown = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    declared = {marker.partition(":")[0] for marker in PROJECT["pytest"]["ini_options"]["markers"]}
    assert shown == declared


def test_ci_asks_the_linters_as_shown():
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    linters = [line for line in COMMANDS if re.search("bin/(ruff|mypy|lint-imports)", line)]
    assert len(linters) == 4
    assert set(linters) <= set(ci)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command):
    """Those that take minutes, or Keras, are not run: they are there, with these options."""
    program, *arguments = shlex.split(command)
    assert program.startswith(".venv/bin/")
    match program.rpartition("/")[2], arguments:
        case "python", ["-m", "pytest", *rest]:
            assert all((ROOT / name).exists() for name in rest if name.startswith("tests/"))
        case "python", ["-m", "sphinx", "-W", "--keep-going", "-n", "docs", "docs/_build"]:
            pass
        case "python", [file, *_]:
            source = (ROOT / file).read_text("utf-8")
            assert all(f'"{option}"' in source for option in arguments if option.startswith("-"))
        case linter, _:
            assert linter in {"ruff", "mypy", "lint-imports"}
