import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, l2, layer

from regaudit.model import Status
from regaudit.rules.reg904_opaque_regularizer import OpaqueRegularizer


class TestOpaqueRegularizer:
    check = staticmethod(lambda found: list(OpaqueRegularizer().check(found)))

    @pytest.mark.parametrize("status", list(Status))
    def test_only_opaque_ones_are_found_on_weights_and_outputs(self, status):
        weight = kernel("d", regularizer=l2(status=status))
        model = evidence(
            replace(layer("d", weights=(weight,)), activity_regularizer=l2(status=status))
        )
        paths = [item.path for item in self.check(model)]
        assert paths == (["d/kernel", "d"] if status is Status.OPAQUE else [])

    def test_a_shared_weight_is_found_where_it_is_stored(self):
        weight = kernel("d", regularizer=l2(status=Status.OPAQUE), shared_with="other/kernel")
        assert not self.check(evidence(layer("d", weights=(weight,))))
