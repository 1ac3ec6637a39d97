"""`regaudit.assert_ok` in a project's own tests."""

from pathlib import Path

import pytest
from command_line import run
from paths import MODELS

import regaudit

BAD, GOOD = MODELS / "digits-cnn.keras", MODELS / "tutorial-activity-l1.keras"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*models, **settings):
    with pytest.raises(AssertionError) as caught:
        regaudit.assert_ok(*models, **settings)
    return str(caught.value)


def test_it_passes_and_fails_as_check_does():
    regaudit.assert_ok(GOOD)
    assert run("check", GOOD).exit_code == 0
    shown = run("check", BAD)
    assert shown.exit_code == 1
    assert said(BAD).split() == shown.stdout.split()


def test_several_models_folders_and_patterns(here):
    for file in (BAD, GOOD):
        (here / file.name).write_bytes(file.read_bytes())
    assert "2 models audited: 1 error" in said(here)
    assert "2 models audited: 1 error" in said("*.keras")
    assert "2 models audited: 1 error" in said(here / BAD.name, here / GOOD.name)


def test_the_settings_of_the_project_count(here):
    (here / "pyproject.toml").write_text(
        '[[tool.regaudit.ignore]]\ncode = "REG101"\nlayer = "*"\nreason = "small data"\n'
    )
    regaudit.assert_ok(BAD)
    assert said(BAD, config=regaudit.Config.default())
    (here / "regaudit.toml").write_text('fail-on = "note"\n')
    assert "REG204" in said(MODELS / "tutorial-l2.keras")


def test_what_cannot_be_audited_fails():
    assert "missing.keras: could not be audited: no such file" in said(Path("missing.keras"))


def test_nothing_is_no_pass():
    with pytest.raises(TypeError, match="needs a model"):
        regaudit.assert_ok()


class TestLoad:
    """`Config.load` is what the command line reads."""

    def test_the_nearest_file_upward(self, here, monkeypatch):
        (here / "regaudit.toml").write_text('preset = "strict"\n')
        (here / "inner").mkdir()
        monkeypatch.chdir(here / "inner")
        config = regaudit.Config.load()
        assert (config.preset, config.file) == ("strict", here / "regaudit.toml")
        assert regaudit.Config.load(preset="finetune").preset == "finetune"

    def test_none_is_the_default(self):
        assert regaudit.Config.load() == regaudit.Config.default()

    def test_a_file_by_name(self, here):
        (here / "own.toml").write_text('fail-on = "warning"\n')
        assert regaudit.Config.load("own.toml").fail_on == regaudit.Severity.WARNING
        with pytest.raises(regaudit.UsageError, match=r"gone\.toml"):
            regaudit.Config.load("gone.toml")

    def test_the_baseline_is_read(self, here):
        assert run("baseline", "write", BAD).exit_code == 0
        (here / "regaudit.toml").write_text('baseline = ".regaudit-baseline.json"\n')
        assert regaudit.Config.load().baseline is not None
        regaudit.assert_ok(BAD)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_a_model_in_memory(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((400,)), layers.Dense(300), layers.Dense(10)])
    model.compile("adam", "mse")
    assert "REG101" in said(model)
