"""Every command and every program in the README does what is shown there."""

import re
import shlex
import shutil
import sys
from contextlib import nullcontext
from types import ModuleType

import pytest
import yaml
from command_line import run
from paths import MODELS, ROOT

from regaudit.settings.config import read_config

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def steps_of(block):
    """Return the steps of a workflow; none for a file of another kind."""
    content = yaml.safe_load(block)
    return content if isinstance(content, list) else []


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.splitlines()[0])
def test_a_command_prints_what_is_shown(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    prompt, _, shown = block.partition("\n")
    program, *arguments = shlex.split(prompt.removeprefix("$ "))
    assert program == "regaudit"
    assert run(*arguments).output == shown


@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_runs(program, monkeypatch):
    monkeypatch.chdir(ROOT)
    tracking = Tracking("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", tracking)
    names = {}
    exec(program, names)
    for name in [name for name in names if name.startswith("test_")]:
        names[name]()
    if "mlflow" in program:
        assert tracking.tags == {"regaudit": "no findings"}
        assert tracking.metrics["penalty"] == names["report"].penalty > 0
        assert len(tracking.metrics) == 8
        assert tracking.metrics["l2_norm/conv/kernel"] > 1


class Tracking(ModuleType):
    """What MLflow is to a program that logs numbers: it takes no metric that is no number."""

    def __init__(self, name):
        super().__init__(name)
        self.tags, self.metrics = {}, {}

    def start_run(self):
        return nullcontext()

    def set_tag(self, key, value):
        self.tags[key] = value

    def log_metric(self, key, value):
        assert re.fullmatch(r"[\w/. -]+", key)
        self.metrics[key] = float(value)


def test_the_steps_of_ci_work_as_shown(tmp_path, monkeypatch):
    """The commands in the README's workflows, in their order, in a folder with models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "models").mkdir()
    for name in ("digits-cnn", "regularized-cnn"):
        shutil.copy(MODELS / f"{name}.keras", tmp_path / "models")
    steps = [step for block in blocks("yaml") for step in steps_of(block) if "run" in step]
    codes = []
    for step in steps:
        program, *arguments = shlex.split(step["run"])
        assert program == "regaudit"
        codes.append(run(*arguments).exit_code)
    assert codes == [1, 0, 0]
    written = {"regaudit.sarif", "regaudit.xml", "summary.md", ".regaudit-baseline.json"}
    assert written <= {file.name for file in tmp_path.iterdir()}


def test_the_action_and_the_hook_are_called_as_they_are():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    used = [step for block in blocks("yaml") for step in steps_of(block) if "uses" in step]
    (step,) = [step for step in used if "/regaudit@" in step["uses"]]
    assert step["with"].keys() <= action["inputs"].keys()
    (config,) = [yaml.safe_load(block) for block in blocks("yaml") if "repos:" in block]
    assert config["repos"][0]["hooks"] == [{"id": hook["id"]}]


@pytest.mark.parametrize("settings", blocks("toml"))
def test_settings_are_valid(settings, tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text(settings)
    config = read_config(file)
    assert config.models == ("models/*.keras",)
    assert len(config.ignores) == 1
    assert len(config.overrides) == 1


def test_there_are_two_commands_to_set_up():
    assert len(blocks("sh")) == 2
