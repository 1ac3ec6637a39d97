"""The strengths of a ladder."""

import pytest

from regaudit.editing.config_edit import STRONGEST, WEAKEST
from regaudit.sweeping.strengths import Base

SLOT = ("hidden", "kernel_regularizer")


@pytest.mark.parametrize(
    ("factor", "strength"), [(4.0, 0.4), (4.0**19, STRONGEST), (4.0**-25, WEAKEST)]
)
def test_a_long_ladder_stays_where_edits_may_be_written(factor, strength):
    base = Base("l2", {SLOT: (0.0, 0.1)})
    (edit,) = base.times(factor)
    assert edit.value["config"] == {"l2": pytest.approx(strength)}
    assert base.range(factor) == (pytest.approx(strength),) * 2
    assert Base("adamw", decay=0.1).range(factor) == (pytest.approx(strength),) * 2
