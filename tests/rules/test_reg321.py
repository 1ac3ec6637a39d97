import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, l2, layer

from regaudit.keras_semantics.activity import IN_A_LOOP
from regaudit.model import Status
from regaudit.rules.reg321_activity_in_recurrent_loop import ActivityInRecurrentLoop


class TestActivityInRecurrentLoop:
    @pytest.mark.parametrize(
        ("status", "why", "count"),
        [
            (Status.UNKNOWN, IN_A_LOOP, 1),
            (Status.UNKNOWN, "the strength is not a number", 0),
            (Status.IN_FORCE, "on each call", 0),
        ],
    )
    def test_only_those_in_a_loop_are_named(self, status, why, count):
        activity = replace(l2(status=status), why=why)
        one = replace(layer("rnn/cell", "LSTMCell", (kernel("c"),)), activity_regularizer=activity)
        found = list(ActivityInRecurrentLoop().check(evidence(one)))
        assert [item.path for item in found] == ["rnn/cell"] * count
