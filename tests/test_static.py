"""Nothing of a model is run, and no framework is needed to look at it."""

import ast
import json
import subprocess
import sys
import tomllib

import pytest
from paths import MODELS, ROOT

MODEL = MODELS / "everything.keras"

FRAMEWORKS = {"tensorflow", "keras", "tf_keras", "torch", "jax", "dask"}


def modules_of(program):
    """Return the modules that a child process has imported after a program."""
    program = f"import json, sys\n{program}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def modules_after(*arguments):
    """Return the modules that a child process has imported after a command."""
    return modules_of(f"""
sys.argv = ["regaudit", *{list(arguments)!r}]
from regaudit.cli import main
try:
    main()
except SystemExit:
    pass
""")


def test_no_framework_is_imported_to_inspect_check_or_report(tmp_path):
    for arguments in (
        ["inspect", str(MODEL)],
        ["check", str(MODEL)],
        ["report", str(MODEL), "--html", str(tmp_path / "out.html")],
    ):
        modules = modules_after(*arguments)
        assert "h5py" in modules
        assert not modules & FRAMEWORKS


def test_spectra_are_imported_only_where_they_are_asked_for():
    modules = {
        "regaudit.measures.spectra",
        "regaudit.measures.singular_values",
        "regaudit.measures.matrix",
        "regaudit.measures.power_law",
    }
    assert not modules_after("inspect", str(MODEL)) & modules
    assert modules_after("inspect", str(MODEL), "--spectral") > modules


def test_help_and_version_import_nothing_that_costs_time():
    costly = {"numpy", "h5py", "jinja2", "msgspec", "tabulate"}
    assert not modules_of("import regaudit.__main__") & costly
    costly |= {"regaudit.plugins.installed"}
    for argument in ("--help", "--version"):
        assert not modules_after(argument) & costly


def test_to_inspect_a_small_model_imports_nothing_that_it_does_not_use():
    modules = modules_after("inspect", str(MODEL), "--format", "json")
    assert not (modules - modules_of("import h5py, numpy")) & {
        *("jinja2", "tabulate", "ml_dtypes", "numpy.ma", "numpy.typing"),
        "importlib.metadata",  # where there are no plug-ins, which is found out without it
        *("asyncio", "concurrent.futures", "difflib", "statistics", "tempfile"),
    }


def test_to_inspect_a_plain_model_imports_nothing_that_only_others_need():
    modules = modules_after("inspect", str(MODELS / "tutorial-l2.keras"))
    assert "regaudit.advice.propose" in modules
    assert not modules & {
        "regaudit.advice.adamw",
        "regaudit.keras_semantics.match_held",
        "regaudit.keras_semantics.quantized_layout",
        "regaudit.plugins.calling",
        "regaudit.running.report_cache",
        "regaudit.settings.baseline",
        "regaudit.storage.atomic_write",
    }


def imported(file):
    """Yield the full names of all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_text_leaves_through_one_door():
    """What is printed elsewhere would not be escaped; and only escapes make what is not again."""
    for file in sorted((ROOT / "regaudit").rglob("*.py")):
        name = file.relative_to(ROOT / "regaudit").as_posix()
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        printing = {"click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write"}
        allowed = {
            "cli/output.py": {"click.echo"},
            "live/callback.py": {"print"},
            "running/unforeseen.py": {"sys.stderr.write"},  # when nothing else may work
        }
        assert calls & printing <= allowed.get(name, set()), name
        assert name == "report/escape.py" or not calls & {"Escaped", "escape.Escaped"}, name


@pytest.mark.parametrize("package", ["formats", "renderers", "rules"])
def test_plug_ins_do_not_import_each_other(package):
    """One file adds one thing: what several of them need has a module of its own elsewhere."""
    home, shared = f"regaudit.{package}", {"interface", "documentation", "outside"}
    files = sorted((ROOT / "regaudit" / package).glob("*.py"))
    plug_ins = {f"{home}.{file.stem}" for file in files if file.stem not in {*shared, "__init__"}}
    assert len(plug_ins) >= 5
    for file in files:
        assert not plug_ins & set(imported(file)), file.name


def test_the_wheel_has_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "regaudit").rglob("__init__.py")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == {*packages, "regaudit.templates"}
