"""One engine makes strengths: another factor changes every surface alike."""

import json
import re
import shutil

import numpy as np
import pytest
from command_line import run
from msgspec.structs import replace
from paths import MODELS

import regaudit
from regaudit.evidence.training_facts import Facts
from regaudit.renderers.notebook import report_html
from regaudit.settings.config import Config

FACTS = {"train_loss": 0.01, "val_loss": 0.9}
GIVEN = [part for key, value in FACTS.items() for part in (f"--{key.replace('_', '-')}", value)]
FORMATS = ("terminal", "json", "html", "markdown", "sarif", "junit", "github", "notebook")
MODEL = MODELS / "digits-cnn.keras"
CODE = re.compile(r"(?:L2|l2)\((?:l2=)?([\d.e-]+)\)")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Copy a model without any strength: all of its kernels are to get one."""
    file = tmp_path / "bare.keras"
    shutil.copy(MODEL, file)
    monkeypatch.chdir(tmp_path)
    return file


@pytest.fixture(params=[0.5, 0.05])
def factor(request, monkeypatch):
    factors = {"going-on": request.param, "new-weights": request.param}
    monkeypatch.setattr("regaudit.advice.choose_strengths.FACTORS", factors)
    return request.param


def strengths(text):
    return {float(value) for value in CODE.findall(text)} - {0.0}


def _findings(text, name):
    """Return what is said of the model; SARIF has the examples of the rules, too."""
    return json.dumps(json.loads(text)["runs"][0]["results"]) if name == "sarif" else text


def test_a_factor_of_ten_is_one_on_every_surface(bare, factor, tmp_path):
    report = regaudit.audit(bare, replace(Config.default(), facts=Facts(**FACTS)))
    proposal = report.proposal
    told = {change.l2 for change in proposal.changes}
    gap = FACTS["val_loss"] - FACTS["train_loss"]
    assert 0.6 * factor * gap < proposal.after < 1.6 * factor * gap
    assert len(told) == 3

    # What findings point to is of the kernels that a rule names: here all of them, by REG205.
    assert {one.edits[0].value["config"]["l2"] for one in report.suggestions} == told
    for name in FORMATS:
        for command in ("report", "inspect", "check"):
            said = run(command, bare, "--format", name, *GIVEN)
            assert strengths(_findings(said.stdout, name)) == told, (command, name)
    assert strengths(report_html(report)) == told
    suggested = json.loads(run("suggest", bare, "--format", "json", *GIVEN).output)
    assert {change["l2"] for change in suggested["changes"]} == told
    assert strengths(run("suggest", bare, *GIVEN).output) == told
    assert strengths(run("suggest", bare, "--format", "code", *GIVEN).output) == told
    out = tmp_path / "out.keras"
    assert run("apply", bare, "-o", out, "--suggested", *GIVEN).exit_code == 0
    written = regaudit.audit(out)
    assert {one.regularizer.l2 for _, one in written.model.weights() if one.regularizer} == told
    assert regaudit.suggest(report, Facts(**FACTS)) == proposal


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_the_callback_proposes_by_the_same_factor(keras, factor, capsys):
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((8,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    config = replace(Config.default(), facts=Facts(train_loss=0.01, val_loss=1.0))
    callback = regaudit.audit_callback(config=config)
    x, y = np.ones((8, 8)), np.zeros(8)
    model.fit(x, y, verbose=0, callbacks=[callback])
    (report,) = callback.reports
    (change,) = report.proposal.changes
    assert 0.6 * factor * 0.99 < change.after < 1.6 * factor * 0.99
    assert [one.code for one in report.suggestions] == [change.code]
    assert change.code in report_html(report)
    assert not strengths(capsys.readouterr().out)  # it prints a verdict, and no strength
