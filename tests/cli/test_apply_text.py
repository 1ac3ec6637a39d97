"""What `apply` says is to be done with the file that it has written."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
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
    lines = what_changes(change, EditRequest(()), Path("out.keras"))
    assert said in " ".join(lines[-1].split())
