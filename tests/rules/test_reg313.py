import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

from regaudit.model import Node
from regaudit.rules.reg313_dropout_before_batchnorm import DropoutBeforeBatchnorm

DENSE = layer("a", weights=(kernel("a", (4, 4)),))
OUT = layer("out", weights=(kernel("out", (4, 4)),))
NORM = layer("n", "BatchNormalization")


def dropout(rate=0.5, class_name="Dropout"):
    return layer("d", class_name, rate=rate)


def check(*layers, **given):
    return [item.path for item in DropoutBeforeBatchnorm().check(evidence(*layers, **given))]


class TestDropoutBeforeBatchnorm:
    @pytest.mark.parametrize("class_name", ["Dropout", "SpatialDropout2D", "GaussianDropout"])
    def test_the_dropout_is_named(self, class_name):
        found = check(DENSE, dropout(class_name=class_name), layer("r", "ReLU"), NORM, OUT)
        assert found == ["d"]

    def test_alpha_dropout_keeps_the_variance(self):
        assert not check(DENSE, dropout(class_name="AlphaDropout"), NORM, OUT)

    def test_behind_the_normalization_it_is_right(self):
        assert not check(DENSE, NORM, dropout(), OUT)

    def test_a_kernel_between_them_ends_the_way(self):
        assert not check(DENSE, dropout(), OUT, NORM)

    def test_layer_normalization_has_no_memory_and_a_frozen_one_does_not_learn(self):
        assert not check(DENSE, dropout(), replace(NORM, class_name="LayerNormalization"), OUT)
        assert not check(DENSE, dropout(), replace(NORM, trainable=False), OUT)

    @pytest.mark.parametrize(("rate", "found"), [(0.05, True), (0.049, False), (0.0, False)])
    def test_small_rates_pass(self, rate, found):
        assert bool(check(DENSE, dropout(rate), NORM, OUT)) is found

    def test_one_of_several_ways_is_enough(self):
        nodes = (
            Node("a", "Dense", ()),
            Node("d", "Dropout", ("a",)),
            Node("out", "Dense", ("d",)),
            Node("n", "BatchNormalization", ("d",)),
        )
        assert check(DENSE, dropout(), OUT, NORM, nodes=nodes) == ["d"]
