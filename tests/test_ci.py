"""Where CI meets regaudit: pre-commit, the GitHub action, and a shell that completes."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from command_line import run
from jsonschema import Draft7Validator
from paths import MODELS, ROOT, SCHEMAS

from regaudit.rules.interface import rules as all_rules

OVERFIT, GOOD = MODELS / "digits-cnn.keras", MODELS / "regularized-cnn.keras"


def on_path(folder):
    """Return an environment in which `regaudit` is the one under test."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "regaudit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m regaudit "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join((str(folder), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def installed(folder):
    """Make what the first step of the action makes: a Python that has the regaudit under test."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    python.unlink(missing_ok=True)  # a link, where a virtual environment was made
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)


class TestPreCommit:
    """The hook as it is shipped, by real pre-commit on a real repository."""

    @pytest.fixture
    def repository(self, tmp_path):
        pytest.importorskip("pre_commit")
        (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
        local = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"}]}]}
        folder = tmp_path / "repository"
        folder.mkdir()
        subprocess.run(["git", "init", "-q", folder], check=True)
        (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(local))
        return folder

    def run(self, folder, tmp_path):
        environment = on_path(tmp_path / "bin")
        environment["PRE_COMMIT_HOME"] = str(tmp_path / "cache")
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
        command = [sys.executable, "-m", "pre_commit", "run", "--color", "never"]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    def test_a_model_with_an_error_is_not_committed(self, repository, tmp_path):
        shutil.copy(OVERFIT, repository / "a model.keras")
        result = self.run(repository, tmp_path)
        assert result.returncode == 1, result.stdout + result.stderr
        assert "a model.keras: 1 error" in result.stdout

    def test_a_model_without_passes_and_other_files_are_no_matter(self, repository, tmp_path):
        shutil.copy(GOOD, repository / "good.keras")
        (repository / "notes.txt").write_text("no model\n")
        result = self.run(repository, tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "Passed" in result.stdout


class TestAction:
    """The steps of the action, by a real shell."""

    @pytest.fixture
    def action(self):
        return yaml.safe_load((ROOT / "action.yml").read_text())

    def test_its_metadata_is_valid(self, action):
        schema = json.loads((SCHEMAS / "github-action.json").read_text("utf-8"))
        Draft7Validator(schema).validate(action)

    def audit(self, action, folder, **inputs):
        """Run the step that audits, with its inputs as GitHub hands them on."""
        installed(folder / "runner" / "regaudit" / "bin")
        environment = dict(os.environ)
        given = {name: one["default"] for name, one in action["inputs"].items()} | inputs
        step = action["runs"]["steps"][1]
        for name, value in step["env"].items():
            environment[name] = given[value.removeprefix("${{ inputs.").removesuffix(" }}")]
        environment |= {
            "RUNNER_TEMP": str(folder / "runner"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    def test_it_annotates_and_fails(self, action, tmp_path):
        shutil.copy(OVERFIT, tmp_path / "a b.keras")
        inputs = {"paths": "a b.keras\n", "sarif": "out.sarif"}
        result = self.audit(action, tmp_path, **inputs)
        assert result.returncode == 1, result.stderr
        assert result.stdout.startswith("::error file=a b.keras,title=REG101 ")
        assert json.loads((tmp_path / "out.sarif").read_text())["version"] == "2.1.0"
        assert "REG101" in (tmp_path / "summary.md").read_text()

    def test_nothing_in_its_inputs_is_run(self, action, tmp_path):
        shutil.copy(GOOD, tmp_path / "good.keras")
        hostile = "$(touch owned)`touch owned`;touch owned"
        result = self.audit(action, tmp_path, paths=f"good.keras\n{hostile}")
        assert result.returncode == 3
        assert not (tmp_path / "owned").exists()
        more = self.audit(action, tmp_path, arguments="--select\nREG4", paths="good.keras")
        assert more.returncode == 0, more.stderr

    def test_nothing_of_the_checkout_is_run(self, action, tmp_path):
        """What lies there is a stranger's, and the job has secrets; pip itself is left out here.

        Many a job has its sources in PYTHONPATH.
        """
        checkout, runner, owned = (tmp_path / n for n in ("checkout", "runner", "owned"))
        runner.mkdir()
        self.plant(checkout, f"open({str(owned)!r}, 'a').write(__file__ + ' ')\n")
        shutil.copy(GOOD, checkout / "good.keras")
        shutil.copy(GOOD, checkout / "other.keras")  # two are audited in worker processes
        steps = [step["run"] for step in action["runs"]["steps"]]
        environment = os.environ | {
            "RUNNER_TEMP": str(runner),
            "ACTION_PATH": str(tmp_path / "none"),  # so that it ends in pip, after its import
            "PYTHONPATH": os.pathsep.join((str(checkout), ".", "")),
            "PYTHONSTARTUP": str(checkout / "venv.py"),
            "FAIL_ON": "error",
            "SARIF": "",
            "ARGUMENTS": "",
        }
        result = self.step(steps[0], checkout, environment)
        assert (runner / "regaudit" / "bin" / "python").exists()
        assert "none" in result.stderr, result.stderr  # pip's own words
        installed(runner / "regaudit" / "bin")
        for paths in ("good.keras", "good.keras\nother.keras", ""):
            audited = self.step(steps[1], checkout, environment | {"PATHS": paths})
            assert audited.returncode == 0, audited.stderr
        assert not owned.exists(), owned.read_text()

    def step(self, program, checkout, environment):
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", program]
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )

    def plant(self, checkout, program):
        """Write what Python, pip and builds might look for."""
        names = ("venv", "pip", "ensurepip", "regaudit", "numpy", "h5py", "click", "json", "site")
        for name in (*names, "sitecustomize", "usercustomize", "encodings", "backend", "setup"):
            for file in (checkout / f"{name}.py", checkout / name / "__init__.py"):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(program)
        (checkout / "regaudit" / "__main__.py").write_text(program)
        (checkout / "x.pth").write_text(f"import sys; exec({program!r})\n")
        (checkout / "pyvenv.cfg").write_text("home = /nowhere\n")
        for name in ("pip.conf", "pip.ini", "setup.cfg", ".pydistutils.cfg"):
            (checkout / name).write_text("[install]\nroot = /nowhere\n[global]\nno-index = x\n")
        (checkout / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )


class TestCompletions:
    def complete(self, shell, *words):
        last = len(words) - 1
        environment = {
            "_REGAUDIT_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": words[last] if shell == "fish" else " ".join(words),
            "COMP_CWORD": words[last] if shell == "fish" else str(last),
        }
        if shell == "fish":
            environment["COMP_WORDS"] = " ".join(words)
        return run(env=environment, prog_name="regaudit").output

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_rule_codes_and_commands_are_completed(self, shell):
        script = run("completions", shell).output
        assert "_REGAUDIT_COMPLETE" in script
        codes = {rule.about.code for rule in all_rules()}
        completed = self.complete(shell, "regaudit", "explain", "REG")
        assert all(code in completed for code in codes)
        assert "dead-units" in self.complete(shell, "regaudit", "check", "--select", "dead")
        assert "inspect" in self.complete(shell, "regaudit", "insp")

    def test_a_real_bash_completes(self, tmp_path):
        program = """
        eval "$(regaudit completions bash)"
        COMP_WORDS=(regaudit explain REG10) COMP_CWORD=2
        _regaudit_completion regaudit REG10 explain
        echo "${COMPREPLY[@]}"
        """
        result = subprocess.run(
            ["bash", "-c", program],
            env=on_path(tmp_path / "bin"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "REG101" in result.stdout.split(), result.stderr

    def test_another_shell_is_a_usage_error(self):
        assert run("completions", "tcsh").exit_code == 2
