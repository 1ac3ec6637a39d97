"""For tests: models held against the rules, and rules of your own held against models.

from regaudit.testing import assert_fires, chain, evidence, layer, weight

def test_it_fires():
    model = chain(layer("dense", weight("dense/kernel", 4, 8)))
    assert_fires(MyRule(), evidence(model), at="dense/kernel")
"""

from regaudit.testing.models import assert_ok
from regaudit.testing.rules import assert_documented, assert_fires, assert_silent
from regaudit.testing.sources import evidence, evidence_of_program
from regaudit.testing.values import chain, l1_l2, layer, weight

__all__ = [
    "assert_documented",
    "assert_fires",
    "assert_ok",
    "assert_silent",
    "chain",
    "evidence",
    "evidence_of_program",
    "l1_l2",
    "layer",
    "weight",
]
