"""What `apply` says is to be done with the file that it has written."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import run
from msgspec.structs import replace
from paths import MODELS
from rule_values import evidence, layer

from regaudit.cli.apply_text import what_changes
from regaudit.editing.request import EditRequest
from regaudit.model import Optimizer

ADAM = Optimizer("Adam", {}, None)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"compiled": True, "optimizer": ADAM}, "Load that file, and continue"),
        ({"compiled": True}, "Load that file, and continue"),
        ({"compiled": True, "loads_with": "RMSprop"}, "compile it: it was saved without an"),
        ({"compiled": False}, "compile it: it was saved without an"),
        ({"compiled": None}, "compile it, unless its own code does"),
    ],
)
def test_a_model_is_to_be_compiled_where_a_load_does_not(told, said):
    model = replace(evidence(layer("a")).model, **told)
    report = SimpleNamespace(penalty=1.0, penalty_complete=True, model=model)
    change = SimpleNamespace(lines=list, idle=(), before=report, after=report, jump=0.0, edits=(1,))
    lines = what_changes(change, EditRequest(()), Path("out.keras"), verbose=False)
    assert said in " ".join(lines[-1].split())


def test_a_change_is_said_as_what_a_regularizer_does():
    shown = run("apply", MODELS / "everything.keras", "--dry-run", "--set", "*:kernel=l2(1e-4)")
    assert shown.output.startswith("shared: kernel_regularizer  l1(0.0001) -> l2(0.0001)\n")
    assert "rnn/stacked_rnn_cells/gru_cell: kernel_regularizer  none -> l2(0.0001)" in shown.output
    assert "{" not in shown.output


def test_its_json_is_shown_on_request_and_where_it_says_more():
    change = ("apply", MODELS / "everything.keras", "--dry-run", "--set", "shared:kernel=l2(1e-4)")
    old, new = (
        json.loads(line[4:])
        for line in run(*change, "--verbose").output.splitlines()
        if line[:4] in {"  - ", "  + "}
    )
    assert old["config"] == {"l1": 9.999999747378752e-05}
    assert new["config"] == {"l2": 1e-4}
    change = ("apply", MODELS / "tutorial-l2.keras", "--dry-run", "--to-adamw")
    said = "optimizer  Adam with no weight decay -> AdamW with a weight decay of 0.02"
    assert said in run(*change).output.splitlines()
    assert '  + {"class_name": "AdamW", "weight_decay": 0.02}' in run(*change, "-v").output
