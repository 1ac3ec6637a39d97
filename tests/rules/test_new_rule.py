"""`fixtures/new_rule.py` makes a rule that passes every test of this house."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from paths import ROOT

SCRIPT = ROOT / "fixtures" / "new_rule.py"
CODE, NAME = "REG199", "kernel-of-many-parameters"
NEW = {
    f"fixtures/rules/{CODE}/bad.keras",
    f"fixtures/rules/{CODE}/good.keras",
    "regaudit/rules/reg199_kernel_of_many_parameters.py",
    "tests/rules/test_reg199.py",
}


@pytest.fixture
def new_rule(tmp_path):
    spec = importlib.util.spec_from_file_location("new_rule", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path
    return module


@pytest.mark.parametrize(
    ("code", "name", "why"),
    [
        ("REG101", NAME, "there is REG101 large-layer-unregularized"),
        (CODE, "dead-units", "there is REG402 dead-units"),
        ("REG19", NAME, "is not a code"),
        ("REG1999", NAME, "is not a code"),
        ("reg199", NAME, "is not a code"),
        ("REG199\n", NAME, "is not a code"),
        (CODE, "Kernel-Of", "is not a name"),
        (CODE, "kernel", "is not a name"),
        (CODE, "kernel_of", "is not a name"),
        (CODE, "../kernel-of", "is not a name"),
        (CODE, "kernel-", "is not a name"),
        (CODE, "test-fault", "is not a name"),  # its class would look like a test
        (CODE, "kernel-of-very-very-many-parameters", "is not a name"),
    ],
)
def test_what_cannot_be_a_new_rule_is_refused(new_rule, code, name, why, capsys):
    with pytest.raises(SystemExit) as ended:
        new_rule.main([code, name])
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
    assert not list(new_rule.ROOT.iterdir())


def files(folder):
    ignored = {".pytest_cache", ".ruff_cache", ".mypy_cache"}
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not ignored & {*path.parts}}


@pytest.fixture
def tree(tmp_path):
    """The tree of this project, in which a rule can be made; large fixtures are links."""
    for name in ("regaudit", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc"))
    (tmp_path / "fixtures" / "rules").mkdir(parents=True)
    for path in (ROOT / "fixtures").iterdir():
        if path.suffix == ".py":
            shutil.copy(path, tmp_path / "fixtures")
        elif path.name != "rules":
            (tmp_path / "fixtures" / path.name).symlink_to(path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def python(tree, *arguments):
    """Run Python in a tree, with the regaudit that lies there."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.keras
def test_what_is_made_passes_what_a_rule_must_and_is_not_made_twice(tree):
    pytest.importorskip("keras")
    before = files(tree)
    made = python(tree, "fixtures/new_rule.py", CODE, NAME)
    assert made.returncode == 0, made.stderr
    assert set(made.stdout.splitlines()) == NEW
    assert files(tree) == before | NEW
    module, test = (name for name in sorted(NEW) if name.endswith(".py"))
    tests = ("tests/rules/test_rules.py", test)
    for command in (
        ("pytest", "-q", "-k", f"{CODE} or reg199", *tests),
        ("ruff", "check", module, test),
        ("ruff", "format", "--check", module, test),
    ):
        result = python(tree, "-m", *command)
        assert result.returncode == 0, result.stdout + result.stderr
    there = {name: (tree / name).read_bytes() for name in NEW - {module}}
    (tree / module).unlink()  # the rest of one that was taken out in part is kept
    again = python(tree, "fixtures/new_rule.py", CODE, NAME)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert files(tree) == before | NEW - {module}
    assert {name: (tree / name).read_bytes() for name in there} == there
