import pytest
from msgspec.structs import replace
from paths import CORPUS
from rule_values import evidence, kernel, l2, layer

import regaudit
from regaudit.model import Status
from regaudit.rules.reg103_regularizer_never_applied import RegularizerNeverApplied

IDLE = l2(status=Status.INERT)


def check(one, **given):
    return list(RegularizerNeverApplied().check(evidence(one, **given)))


def idle(class_name, key, **config):
    return replace(layer("l", class_name, (kernel("l"),), **config), unplaced={key: IDLE})


class TestRegularizerNeverApplied:
    @pytest.mark.parametrize(
        ("one", "why"),
        [
            (idle("Dense", "bias_regularizer", use_bias=False), "use_bias=False"),
            (idle("EinsumDense", "bias_regularizer", bias_axes=None), "bias_axes=None"),
            (idle("BatchNormalization", "beta_regularizer", center=False), "center=False"),
            (idle("LayerNormalization", "gamma_regularizer", scale=False), "scale=False"),
            (idle("SeparableConv2D", "kernel_regularizer"), "pointwise_regularizer"),
            (idle("DepthwiseConv2D", "kernel_regularizer"), "depthwise_regularizer"),
            (idle("Dense", "gamma_regularizer"), "no weight for it"),
        ],
    )
    def test_says_which_option_or_key_it_is(self, one, why):
        (item,) = check(one)
        assert item.path == "l"
        assert why in item.message

    def test_regularizers_of_custom_layers_may_govern_anything(self):
        custom = idle("my>Gate", "kernel_regularizer")
        assert not check(custom)
        assert not check(replace(custom, known=False))

    def test_strengths_of_zero_and_regularizers_that_reach_a_weight_pass(self):
        zero = l2(0.0, status=Status.INERT)
        assert not check(replace(idle("Dense", "bias_regularizer"), unplaced={"b": zero}))
        assert not check(layer("l", "Dense", (kernel("l", regularizer=l2()),)))

    @pytest.mark.parametrize("status", [Status.INERT, Status.IN_FORCE, Status.UNKNOWN])
    def test_activity_regularizers_that_are_never_applied(self, status):
        one = layer("l", "SimpleRNN", (kernel("l"),))
        one = replace(one, activity_regularizer=l2(status=status))
        assert bool(check(one)) is (status is Status.INERT)

    def test_a_real_file_of_keras_2(self):
        report = regaudit.audit(CORPUS / "tf-2.15" / "cnn.keras")
        (finding,) = [one for one in report.findings if one.code == "REG103"]
        assert [item.path for item in finding.items] == ["separable_conv2d"]
