import pytest
from rule_values import evidence, kernel, layer

from regaudit.rules.reg315_max_norm_axis import MaxNormAxis


def check(class_name, shape, constraint, key="kernel", stored=None, **changes):
    weight = kernel(
        "l",
        shape,
        constraint=constraint,
        regularizer_key=f"{key}_regularizer",
        role="kernel" if key == "kernel" else f"{key}_kernel",
        **changes,
    )
    config = {f"{key}_constraint": stored or {"class_name": constraint, "config": {"axis": 0}}}
    return list(MaxNormAxis().check(evidence(layer("l", class_name, (weight,), **config))))


class TestMaxNormAxis:
    @pytest.mark.parametrize(
        ("class_name", "shape", "key", "axes", "values"),
        [
            ("Conv1D", (3, 8, 16), "kernel", [0, 1], 24),
            ("Conv2D", (3, 3, 8, 16), "kernel", [0, 1, 2], 72),
            ("Conv2DTranspose", (3, 3, 16, 8), "kernel", [0, 1, 3], 72),
            ("DepthwiseConv2D", (3, 3, 8, 1), "depthwise", [0, 1], 9),
            ("SeparableConv2D", (1, 1, 8, 16), "pointwise", [0, 1, 2], 8),
            ("ConvLSTM2D", (3, 3, 8, 64), "recurrent", [0, 1, 2], 72),
        ],
    )
    def test_names_the_axes_of_the_weights_into_a_unit(self, class_name, shape, key, axes, values):
        (item,) = check(class_name, shape, "MaxNorm", key)
        assert item.message.endswith(f"axis={axes}")
        assert item.observed["values_of_unit"] == values

    @pytest.mark.parametrize("constraint", ["MaxNorm", "MinMaxNorm", "UnitNorm"])
    def test_constraints_of_norms(self, constraint):
        assert check("Conv2D", (3, 3, 8, 16), constraint)

    @pytest.mark.parametrize("axis", [[0, 1, 2], 1, [0, 1]])
    def test_other_axes_pass(self, axis):
        stored = {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": axis}}
        assert not check("Conv2D", (3, 3, 8, 16), "MaxNorm", stored=stored)

    def test_a_name_and_a_configuration_without_axis_mean_zero(self):
        assert check("Conv2D", (3, 3, 8, 16), "max_norm", stored="max_norm")
        assert check("Conv2D", (3, 3, 8, 16), "MaxNorm", stored={"class_name": "MaxNorm"})

    def test_where_axis_zero_is_right_or_nothing_is_held(self):
        assert not check("Dense", (8, 16), "MaxNorm")
        assert not check("DepthwiseConv1D", (3, 8, 1), "MaxNorm", "depthwise")
        assert not check("Conv2D", (3, 3, 8, 16), "NonNeg")
        assert not check("Conv2D", (3, 3, 8, 16), "MaxNorm", trainable=False)
