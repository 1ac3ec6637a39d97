import pytest
from msgspec.structs import replace
from rule_values import evidence, l2, layer

from regaudit.model import Status
from regaudit.rules.reg310_activity_penalty_scale import ActivityPenaltyScale

REGULARIZED = replace(layer("dense"), activity_regularizer=l2())


class TestActivityPenaltyScale:
    check = staticmethod(lambda found: list(ActivityPenaltyScale().check(found)))

    @pytest.mark.parametrize(
        ("version", "count"),
        [("2.15.0", 0), ("3.0.5", 1), ("3.13.2", 1), ("3.14.0", 0), ("3.15.1", 0)],
    )
    def test_only_keras_3_0_to_3_13_did_not_divide(self, version, count):
        assert len(self.check(evidence(REGULARIZED, keras=version))) == count

    def test_the_factor_is_the_batch_size_where_it_is_known(self):
        (item,) = self.check(evidence(REGULARIZED, keras="3.5.0", facts={"batch_size": 64}))
        assert "64 times" in item.message
        assert item.observed["batch_size"] == 64

    def test_a_custom_one_counts_and_one_of_strength_zero_does_not(self):
        opaque = replace(layer("a"), activity_regularizer=l2(status=Status.OPAQUE))
        inert = replace(layer("b"), activity_regularizer=l2(status=Status.INERT))
        (item,) = self.check(evidence(opaque, inert, keras="3.5.0"))
        assert item.path == "a"
