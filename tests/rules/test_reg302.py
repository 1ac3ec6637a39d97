import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, l2, layer

from regaudit.model import Node
from regaudit.rules.reg302_l2_before_normalization import L2BeforeNormalization

NORM = layer("n", "BatchNormalization")


def dense(path, regularizer=None, class_name="Dense", **config):
    weight = kernel(path, (10, 10), regularizer=regularizer)
    return layer(path, class_name, (weight,), **config)


def check(*layers, rule=None, **given):
    return [
        item.path for item in (rule or L2BeforeNormalization()).check(evidence(*layers, **given))
    ]


class TestL2BeforeNormalization:
    out = dense("out")

    def test_says_so_where_no_other_kernel_is_penalized(self):
        assert check(dense("a", l2()), NORM, self.out) == ["a/kernel"]

    def test_is_silent_where_another_penalized_kernel_limits_the_fit(self):
        assert not check(dense("a", l2()), NORM, dense("out", l2()))

    def test_the_share_that_makes_it_speak_is_a_threshold(self):
        layers = (dense("a", l2()), NORM, dense("out", l2()))
        assert check(*layers, rule=L2BeforeNormalization(min_share=0.5)) == ["a/kernel"]
        assert not check(*layers, rule=L2BeforeNormalization(min_share=0.51))

    def test_l1_and_bare_kernels_pass(self):
        assert not check(dense("a", l2(0.0, l1=1e-4)), NORM, self.out)
        assert not check(dense("a"), NORM, self.out)

    @pytest.mark.parametrize(
        "between",
        [
            layer("b", "ReLU"),
            layer("b", "LeakyReLU"),
            layer("b", "Activation", activation="relu"),
            layer("b", "MaxPooling2D"),
            layer("b", "Dropout", rate=0.5),
        ],
    )
    def test_what_passes_a_scale_on_may_lie_between(self, between):
        assert check(dense("a", l2()), between, NORM, self.out)

    @pytest.mark.parametrize(
        "between",
        [
            layer("b", "ReLU", max_value=6.0),
            layer("b", "Activation", activation="tanh"),
            layer("b", "Softmax"),
            layer("b", "ELU"),
            layer("b", "GaussianNoise", stddev=0.1),
        ],
    )
    def test_beyond_what_bends_a_scale_the_penalty_acts(self, between):
        assert not check(dense("a", l2()), between, NORM, self.out)

    @pytest.mark.parametrize(
        ("activation", "found"),
        [
            ("relu", True),
            ("linear", True),
            ({"class_name": "function", "config": "relu"}, True),
            ("sigmoid", False),
            ({"class_name": "LeakyReLU", "config": {}}, False),
        ],
    )
    def test_so_does_a_bending_activation_of_the_layer(self, activation, found):
        assert bool(check(dense("a", l2(), activation=activation), NORM, self.out)) is found

    def test_recurrent_kernels_are_bent_inside(self):
        assert not check(dense("a", l2(), "LSTM"), NORM, self.out)

    @pytest.mark.parametrize(
        ("class_name", "found"), [("BatchNormalization", True), ("LayerNormalization", False)]
    )
    def test_beside_other_features_only_normalized_channels_undo_the_scale(self, class_name, found):
        layers = (
            dense("a", l2()),
            dense("b"),
            layer("c", "Concatenate"),
            replace(NORM, class_name=class_name),
            self.out,
        )
        nodes = (
            Node("a", "Dense", ()),
            Node("b", "Dense", ()),
            Node("c", "Concatenate", ("a", "b")),
            Node("n", class_name, ("c",)),
            Node("out", "Dense", ("n",)),
        )
        assert bool(check(*layers, nodes=nodes)) is found
