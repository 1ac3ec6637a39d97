"""`regaudit.assert_ok` in a project's own tests."""

from pathlib import Path

import numpy as np
import pytest
from command_line import run
from paths import MODELS
from plug_ins import CONFIGURATION

import regaudit
from regaudit import Severity
from regaudit.rules.reg101_large_layer_unregularized import LargeLayerUnregularized
from regaudit.rules.reg203_worse_than_constant import WorseThanConstant
from regaudit.rules.reg308_bias_regularized import BiasRegularized
from regaudit.testing import (
    assert_documented,
    assert_fires,
    assert_silent,
    chain,
    evidence,
    evidence_of_program,
    l1_l2,
    layer,
    weight,
)

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


class TestRules:
    """What tests of a rule need."""

    def test_layers_as_values(self):
        kernel = weight("dense/kernel", 4, 8, regularizer=l1_l2(l1=0.1, l2=0.5))
        bias = weight("dense/bias", 8, regularizer=l1_l2(l2=0.5))
        model = chain(layer("dense", kernel, bias), layer("out", weight("out/kernel", 8, 2)))
        seen = evidence(model, {"dense/kernel": np.ones((4, 8)), "dense/bias": np.ones(8)})
        assert seen.penalty(kernel) == pytest.approx(32 * 0.1 + 32 * 0.5)
        assert seen.measured(model.layers[1].weights[0]) is None
        assert seen.kernel_count == 2
        assert evidence(model).penalty(bias) == 0.0
        assert evidence(model).measured(kernel).l2_norm == evidence(model).measured(kernel).l2_norm
        (found,) = assert_fires(BiasRegularized, seen, at="dense/bias", severity=Severity.WARNING)
        assert found.observed == {"penalty": pytest.approx(4.0)}
        with pytest.raises(
            AssertionError, match=r"REG308 found\n  warning dense/bias: L2 on a bias"
        ):
            assert_silent(BiasRegularized, seen)
        with pytest.raises(AssertionError, match="was to find \\['out/kernel'\\], and found"):
            assert_fires(BiasRegularized, seen, at="out/kernel")
        with pytest.raises(AssertionError, match="was to find errors"):
            assert_fires(BiasRegularized, seen, severity=Severity.ERROR)

    def test_a_file_and_a_configuration(self):
        assert_fires(LargeLayerUnregularized, evidence(BAD), at="hidden/kernel")
        assert_silent(LargeLayerUnregularized(min_parameters=1_000_000), evidence(str(BAD)))
        with pytest.raises(AssertionError, match="REG308 found nothing"):
            assert_fires(BiasRegularized, evidence(CONFIGURATION))
        assert evidence(CONFIGURATION).measured(weight("dense/kernel", 8, 4)) is None

    def test_facts_and_a_rule_that_does_not_run(self):
        lacking = "REG203 did not run: it needs --train-loss"
        for check in (assert_fires, assert_silent):
            with pytest.raises(AssertionError, match=lacking):
                check(WorseThanConstant, evidence(BAD))
        assert_fires(WorseThanConstant, evidence(BAD, train_loss=9.0))

    @pytest.mark.parametrize(
        ("source", "values", "error"),
        [
            ("gone.keras", None, ValueError),
            ([], None, TypeError),
            (5, None, TypeError),
            (BAD, {}, TypeError),
            (chain(layer("d", weight("d/kernel", 2, 2))), {"e/kernel": 1}, ValueError),
            (chain(layer("d", weight("d/kernel", 2, 2))), {"d/kernel": [1.0]}, ValueError),
        ],
    )
    def test_what_is_no_evidence(self, source, values, error):
        with pytest.raises(error):
            evidence(source, values)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("keras")
def test_a_program():
    program = "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name='d')])"
    assert evidence_of_program(program).model.layers[-1].path == "d"
    with pytest.raises(ValueError, match="binds no `model`"):
        evidence_of_program("x = np.ones(3)")
    assert_documented(BiasRegularized)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_a_model_in_memory(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((400,)), layers.Dense(300), layers.Dense(10)])
    model.compile("adam", "mse")
    assert "REG101" in said(model)
