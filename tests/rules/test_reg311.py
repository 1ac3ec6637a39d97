import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

from regaudit.rules.reg311_activity_regularizer_unknown import ActivityRegularizerUnknown

DENSE = layer("dense", weights=(kernel("dense"),))


class TestActivityRegularizerUnknown:
    check = staticmethod(lambda found: list(ActivityRegularizerUnknown().check(found)))

    @pytest.mark.parametrize(
        ("version", "count"), [("2.15.0", 0), ("3.0.5", 1), ("3.3.3", 1), ("3.4.0", 0)]
    )
    def test_only_keras_3_0_to_3_3_left_it_out(self, version, count):
        assert len(self.check(evidence(DENSE, keras=version))) == count

    @pytest.mark.parametrize(
        "known",
        [
            layer("c", "Conv2D", weights=(kernel("c"),)),
            layer("d", weights=(kernel("d"),), activity_regularizer=None),
            layer("e", "Dropout"),
            replace(DENSE, known=False),
        ],
    )
    def test_layers_that_list_it_and_layers_without_weights_pass(self, known):
        assert not self.check(evidence(known, keras="3.3.3"))

    def test_the_model_gets_one_finding_however_many_layers(self):
        other = layer("other", weights=(kernel("other"),))
        (item,) = self.check(evidence(DENSE, other, keras="3.3.3"))
        assert item.path == ""
        assert "dense and 1 more" in item.message
