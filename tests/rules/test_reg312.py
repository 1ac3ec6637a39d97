import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

from regaudit.model import Node
from regaudit.rules.reg312_bias_before_batchnorm import BiasBeforeBatchnorm


def biased(class_name="Dense", size=8, trainable=True, **config):
    bias = replace(kernel("a", (size,), role="bias", trainable=trainable), path="a/bias")
    return layer("a", class_name, (kernel("a", (4, size)), bias), **config)


def norm(size=8, class_name="BatchNormalization", trainable=True):
    gamma = kernel("n", (size,), role="gamma", trainable=trainable)
    return replace(layer("n", class_name, (gamma,)), trainable=trainable)


OUT = layer("out", weights=(kernel("out", (8, 3)),))


def check(*layers, **given):
    return [item.path for item in BiasBeforeBatchnorm().check(evidence(*layers, **given))]


class TestBiasBeforeBatchnorm:
    @pytest.mark.parametrize("class_name", ["Dense", "Conv2D", "SeparableConv1D"])
    def test_the_bias_is_named(self, class_name):
        assert check(biased(class_name, activation="linear"), norm(), OUT) == ["a/bias"]

    def test_activations_that_do_nothing_may_lie_between(self):
        linear = layer("l", "Activation", activation="linear")
        assert check(biased(), linear, layer("i", "Identity"), norm(), OUT)

    @pytest.mark.parametrize(
        "between",
        [
            layer("r", "ReLU"),
            layer("r", "Dropout", rate=0.1),
            layer("r", "ZeroPadding2D"),
            layer("r", "Activation", activation="relu"),
        ],
    )
    def test_beyond_anything_else_the_bias_acts(self, between):
        assert not check(biased(), between, norm(), OUT)

    @pytest.mark.parametrize("activation", ["relu", {"class_name": "function", "config": "relu"}])
    def test_so_it_does_before_the_layers_own_activation(self, activation):
        assert not check(biased(activation=activation), norm(), OUT)

    def test_frozen_layers_other_axes_and_other_normalizations_pass(self):
        assert not check(biased(trainable=False), norm(), OUT)
        assert not check(biased(), norm(trainable=False), OUT)
        assert not check(biased(), norm(size=5), OUT)
        assert not check(biased(), norm(class_name="LayerNormalization"), OUT)
        assert not check(biased("LSTM"), norm(), OUT)

    def test_a_bias_that_goes_elsewhere_too_acts_there(self):
        nodes = (
            Node("a", "Dense", ()),
            Node("n", "BatchNormalization", ("a",)),
            Node("out", "Dense", ("a",)),
        )
        assert not check(biased(), norm(), OUT, nodes=nodes)

    def test_a_ring_of_idle_layers_ends(self):
        nodes = (
            Node("a", "Dense", ()),
            Node("i", "Identity", ("a", "j")),
            Node("j", "Identity", ("i",)),
            Node("n", "BatchNormalization", ("j",)),
            Node("out", "Dense", ("n",)),
        )
        layers = (biased(), layer("i", "Identity"), layer("j", "Identity"), norm(), OUT)
        assert check(*layers, nodes=nodes) == ["a/bias"]
