"""What the pages about the sweep show is so, and the sweep there helps."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from command_line import run
from doc_pages import blocks, pages, program_of
from doc_reader import follow
from doc_stand_ins import swept
from paths import MODELS, ROOT

TUTORIAL, HOW_TO = "docs/tutorial/3-sweep.md", "docs/how-to/sweep.md"


@pytest.fixture
def here(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    with swept():
        yield tmp_path


@pytest.mark.parametrize("page", pages("sweep"))
def test_a_page_can_be_followed(page, here):
    follow(page, here)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", pages("sweep keras"))
def test_a_page_with_keras_can_be_followed(page, here, keras):
    assert keras
    follow(page, here)


def test_the_options_that_the_pages_name_are_there():
    from regaudit.cli.sweep import sweep  # noqa: PLC0415 - of one test

    known = {option for parameter in sweep.params for option in parameter.opts}
    for page in (TUTORIAL, HOW_TO):
        text = re.sub(
            r"```.*?```|<!--.*?-->", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL
        )
        named = set(re.findall(r"--[a-z][a-z-]*", text))
        assert named <= known | {"--from", "--from-sweep", "--suggested"}


def commands():
    """Yield the arguments of every command that the tutorial shows with its output."""
    for block in blocks((ROOT / TUTORIAL).read_text("utf-8")):
        if block.language == "console":
            yield from (shlex.split(line)[1:] for line, _ in block.steps())


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_it_helps_as_the_page_says(tmp_path, monkeypatch, capsys):
    """On digits that neither trained nor chose, against the saved model and `apply --suggested`."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    exec(program_of("docs/tutorial/2-overfitting.md"), {})
    train, val, test = (np.load(f"{name}.npz") for name in ("train", "val", "test"))

    def losses(model, data):
        found = model.predict(data["x"], verbose=0)[np.arange(len(data["y"])), data["y"]]
        return -np.log(np.clip(found, 1e-7, 1))

    shutil.copy(MODELS / "digits-cnn.keras", tmp_path)
    (arguments,) = [one for one in commands() if one[0] == "sweep"]
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
    tested = {name: losses(model, test).mean() for name, model in tested.items()}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{wall:.0f} s, {cpu:.0f} s of processors; test loss: "
            + ", ".join(f"{name} {found:.4f}" for name, found in tested.items())
            + "\n"
        )
    assert cpu < 240  # two minutes of two cores, however busy the machine is
    assert tested["swept"] < tested["saved"]
    assert tested["swept"] < tested["suggested"]
    assert sorted(file.name for file in tmp_path.glob("sweep*")) == ["sweep.html", "sweep.json"]
