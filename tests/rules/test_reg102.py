import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, l2, layer, severities

from regaudit.model import Regularizer, Status
from regaudit.report.severity import Severity
from regaudit.rules.reg102_partly_regularized_stack import PartlyRegularizedStack


def dense(path, regularizer=None, class_name="Dense", **changes):
    weight = kernel(path, (10, 10), regularizer=regularizer, **changes)
    return layer(path, class_name, (weight,), units=10)


def check(*layers, **given):
    return list(PartlyRegularizedStack().check(evidence(*layers, **given)))


class TestPartlyRegularizedStack:
    def test_a_bare_kernel_among_regularized_ones_is_named(self):
        (item,) = check(dense("a", l2()), dense("b"), dense("c", l2()), dense("d", l2()))
        assert item.path == "b/kernel"
        assert item.severity is Severity.NOTE
        assert "3 of 4" in item.message

    def test_half_of_them_regularized_is_enough_and_less_is_not(self):
        two = (dense("a", l2()), dense("b"), dense("c", l2()), dense("d"))
        one = (dense("a", l2()), dense("b"), dense("c"), dense("d"))
        assert [item.path for item in check(*two)] == ["b/kernel", "d/kernel"]
        assert not check(*one)

    @pytest.mark.parametrize("regularizer", [None, l2(0.0, status=Status.INERT)])
    def test_models_without_regularizers_or_with_all_of_them_pass(self, regularizer):
        assert not check(dense("a", regularizer), dense("b", regularizer))
        assert not check(dense("a", l2()), dense("b", l2()))

    def test_custom_regularizers_count_and_frozen_kernels_do_not(self):
        own = Regularizer("my>Own", None, None, {}, Status.OPAQUE)
        assert not check(dense("a", l2()), dense("b", own))
        assert not check(dense("a", l2()), dense("b", trainable=False))

    def test_negative_strengths_do_not_count(self):
        assert not check(dense("a", l2(-1e-3)), dense("b"))
        (item,) = check(dense("a", l2(-1e-3)), dense("b"), dense("c", l2()))
        assert (item.path, "1 of 2" in item.message) == ("b/kernel", True)

    def test_kernels_before_a_normalization_are_compared_with_their_like_alone(self):
        norm = layer("n", "BatchNormalization")
        assert not check(dense("a"), norm, dense("b", l2()), dense("c", l2()))

    def test_the_output_kernel_is_named_beside_regularized_ones_of_other_classes(self):
        convolution = dense("conv", l2(), "Conv2D")
        (item,) = check(convolution, dense("out"))
        assert "output" in item.message
        bare = (dense("b", None, "Conv1D"), dense("c", None, "Conv3D"))
        assert not check(convolution, *bare, dense("out"))

    @pytest.mark.parametrize(
        ("keras", "severity"), [("2.4.0", Severity.WARNING), ("3.15.1", Severity.NOTE)]
    )
    def test_depthwise_kernels_beside_regularized_convolutions(self, keras, severity):
        found = check(
            dense("a", l2(), "Conv2D"),
            dense("b", None, "DepthwiseConv2D", role="depthwise_kernel"),
            dense("c", l2(), "Conv2D"),
            keras=keras,
        )
        assert [item.path for item in found] == ["b/kernel"]
        assert severities(found) == [severity]
        assert ("ignores" in found[0].message) == (keras < "3")

    def test_a_key_that_is_stored_and_never_applied_is_left_to_its_own_rule(self):
        separable = dense("b", None, "SeparableConv2D", role="depthwise_kernel")
        convolution = dense("a", l2(), "Conv2D")
        assert check(convolution, separable, keras="2.15.0")
        wrong = replace(separable, unplaced={"kernel_regularizer": l2(status=Status.INERT)})
        assert not check(convolution, wrong, keras="2.15.0")

    def test_one_of_a_recurrent_layers_kernels(self):
        pair = (
            kernel("r", (4, 4), regularizer=l2()),
            replace(kernel("r", (4, 4), role="recurrent_kernel"), path="r/recurrent"),
        )
        (item,) = check(layer("r", "LSTM", pair), dense("out", l2()))
        assert item.path == "r/recurrent"
        assert "while the kernel of the same layer has one" in item.message

    @pytest.mark.parametrize("norm", [None, 0.0, 1e-200, 1e200])
    def test_weights_that_no_strength_fits_get_no_suggestion(self, norm):
        chain = dense("a", l2(1e-3)), dense("b"), dense("c", l2(1e-3))
        given = evidence(*chain)
        path = chain[1].weights[0].stored_path
        moments = {**given.moments, path: replace(given.moments[path], l2_norm=norm)}
        (item,) = PartlyRegularizedStack().check(replace(given, moments=moments))
        assert item.suggestion is None
