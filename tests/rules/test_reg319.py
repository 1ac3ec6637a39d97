import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.model import Status
from regaudit.rules.reg301_regularizer_on_frozen_weight import RegularizerOnFrozenWeight
from regaudit.rules.reg319_quantization_drops_regularizer import QuantizationDropsRegularizer


class TestQuantizationDropsRegularizer:
    check = staticmethod(lambda found: list(QuantizationDropsRegularizer().check(found)))

    @pytest.mark.parametrize(
        ("status", "dtype", "count"),
        [
            (Status.INERT, "int8", 1),
            (Status.FROZEN, "int8", 1),
            (Status.INERT, "float32", 0),
            (Status.IN_FORCE, "float32", 0),
        ],
    )
    def test_a_quantized_weight_loses_its_regularizer(self, status, dtype, count):
        weight = kernel("d", regularizer=l2(status=status), dtype=dtype)
        assert len(self.check(evidence(layer("d", weights=(weight,))))) == count

    def test_a_kernel_with_lora_is_its_own_and_not_that_of_frozen_weights(self):
        weight = kernel("d", regularizer=l2(status=Status.FROZEN), trainable=False)
        found = evidence(layer("d", weights=(weight,), lora_rank=4))
        assert len(self.check(found)) == 1
        assert not list(RegularizerOnFrozenWeight().check(found))
        frozen = evidence(layer("d", weights=(weight,)))
        assert not self.check(frozen)
        assert list(RegularizerOnFrozenWeight().check(frozen))
