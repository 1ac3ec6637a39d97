"""What docs/how-to/sweep.md shows is so: commands, programs, and that the sweep there helps."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from msgspec.structs import replace
from paths import FIXTURES, MODELS, ROOT

import regaudit
from regaudit.sweeping.document import read_sweep
from regaudit.sweeping.text import terminal

PAGE = (ROOT / "docs" / "how-to" / "sweep.md").read_text("utf-8")
FOUND = read_sweep(FIXTURES / "sweep.json")
"""What the command on the page found; `--json` wrote it."""

MODULE = "def train(): ...\n\n\ndef val(): ...\n"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def shown(command):
    """Return the one command that begins so, and what it prints."""
    (block,) = [one for one in blocks("console") if one.startswith(f"$ regaudit {command}")]
    line, _, output = block.partition("\n")
    return shlex.split(line)[2:], output


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return a working directory with the model, the data and what the sweep found."""
    pytest.importorskip("sklearn")
    shutil.copy(MODELS / "digits-cnn.keras", tmp_path)
    shutil.copy(FIXTURES / "sweep.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    return tmp_path


@pytest.fixture
def untrained(monkeypatch):
    """Take the result that is stored for that of every sweep."""
    monkeypatch.setattr("regaudit.sweeping.sweep.run", lambda *_: (FOUND, ""))
    monkeypatch.setattr(regaudit, "sweep", lambda *_: FOUND)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["check", "suggest", "apply"])
def test_a_command_prints_what_is_shown(command):
    arguments, output = shown(command)
    assert run(*arguments).output == output


def test_the_sweep_found_what_is_shown():
    _, output = shown("sweep")
    assert terminal(replace(FOUND, out=Path("swept.keras")), 80, "sweep.json") == output


@pytest.mark.usefixtures("here", "untrained")
def test_every_other_command_can_be_given():
    Path("mine.py").write_text(MODULE, encoding="utf-8")
    lines = "".join(blocks("bash")).splitlines()
    assert len(lines) > 8
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "regaudit"
        result = run(*arguments)
        assert result.exit_code == 0, (line, result.output)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("here", "untrained")
def test_the_program_runs(capsys):
    pytest.importorskip("keras")
    exec(blocks("python")[1], {})
    assert capsys.readouterr().out.splitlines()[0] == FOUND.verdict


def test_the_options_that_the_page_names_are_there():
    from regaudit.cli.sweep import sweep  # noqa: PLC0415 - of one test

    known = {option for parameter in sweep.params for option in parameter.opts}
    others = {"--suggested", "--from", "--from-sweep", "--dry-run", "--train-loss", "--val-loss"}
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    assert set(re.findall(r"--[a-z][a-z-]*", prose)) <= known | others


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_it_helps_as_the_page_says(here, capsys):
    """On digits that neither trained nor chose, against the saved model and `apply --suggested`."""
    keras = pytest.importorskip("keras")
    train, val, test = (np.load(f"{name}.npz") for name in ("train", "val", "test"))

    def losses(model, data):
        found = model.predict(data["x"], verbose=0)[np.arange(len(data["y"])), data["y"]]
        return -np.log(np.clip(found, 1e-7, 1))

    arguments, _ = shown("sweep")
    started, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-m", "regaudit", *arguments], check=True, capture_output=True)
    after, wall = os.times(), time.monotonic() - started
    cpu = sum(after[2:4]) - sum(before[2:4])

    saved = keras.models.load_model("digits-cnn.keras")
    swept = keras.models.load_model("swept.keras")
    given = [losses(saved, data).mean() for data in (train, val)]
    options = ("--train-loss", given[0], "--val-loss", given[1], "--val-size", len(val["x"]))
    assert (
        run("apply", "digits-cnn.keras", "-o", "new.keras", "--suggested", *options).exit_code == 0
    )
    suggested = keras.models.load_model("new.keras")
    keras.utils.set_random_seed(0)
    suggested.fit(train["x"], train["y"], epochs=5, verbose=0)

    tested = {"saved": saved, "swept": swept, "suggested": suggested}
    tested = {name: losses(model, test) for name, model in tested.items()}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{wall:.0f} s, {cpu:.0f} s of processors; test loss: "
            + ", ".join(f"{name} {found.mean():.4f}" for name, found in tested.items())
            + "\n"
        )
    assert cpu < 240  # two minutes of two cores, however busy the machine is
    assert tested["swept"].mean() < tested["saved"].mean()
    # A sweep is not to be worse than the proposal by more than chance.
    apart = tested["swept"] - tested["suggested"]
    assert apart.mean() < 2 * apart.std(ddof=1) / len(apart) ** 0.5
    assert sorted(file.name for file in here.glob("sweep*")) == ["sweep.html", "sweep.json"]
