"""A stored `kernel` and a configured `kernel_regularizer` of one custom layer belong together."""

import numpy as np
import pytest

from regaudit.keras_semantics.layer_table import Slot
from regaudit.keras_semantics.placing import with_roles
from regaudit.keras_semantics.wrapper_variables import kept_by
from regaudit.model import Layer, Model, Regularizer, Status, Weight

L2 = {"class_name": "L2", "config": {"l2": 0.25}}


def placed(config, *roles, class_name="team>Block"):
    """Return the weights of a custom layer, by role."""
    weights = tuple(
        Weight(f"d/{role}", f"{at}", role, (3, 2), "float32", trainable=True)
        for at, role in enumerate(roles)
    )
    loose = {
        key: Regularizer("L2", 0.0, 0.25, {}, Status.UNKNOWN, "custom layer")
        for key, value in config.items()
        if value is not None
    }
    layer = Layer(
        "d", "d", class_name, config, trainable=True, known=False, weights=weights, unplaced=loose
    )
    tensors = {weight.stored_path: np.zeros(weight.shape) for weight in weights}
    model, _ = with_roles(Model("m", "Functional", (layer,)), (), tensors)
    return model.layers[0]


@pytest.mark.parametrize(
    ("role", "key"),
    [
        ("kernel", "kernel_regularizer"),
        ("bias", "bias_regularizer"),
        ("gamma", "gamma_regularizer"),
        ("embeddings", "embeddings_regularizer"),
        ("depthwise_kernel", "depthwise_regularizer"),
        ("pointwise_kernel", "pointwise_regularizer"),
        ("recurrent_kernel", "recurrent_regularizer"),
        ("gain", "gain_regularizer"),
        ("attention_kernel", "attention_kernel_regularizer"),
    ],
)
def test_equal_names_belong_together(role, key):
    layer = placed({key: L2}, role, "other")
    weight, other = layer.weights
    assert (weight.regularizer.l2, weight.regularizer.status) == (0.25, Status.UNKNOWN)
    assert weight.regularizer.why == "placed by name: custom code decides whether it acts"
    assert (weight.placed_by, weight.regularizer_key, weight.bare) == ("name", key, False)
    assert (other.placed_by, other.regularizer) == ("", None)
    assert not layer.unplaced


@pytest.mark.parametrize(
    ("config", "roles"),
    [
        ({"kernel_regularizer": L2}, ("kernel", "kernel")),
        ({"kernel_regularizer": L2}, ("query_kernel", "key_kernel")),
        ({"kernel_regularizer": L2}, ("variable_0", "variable_1")),
        ({"kernel_regularizer": L2}, ("recurrent_kernel", "bias")),
        ({"kernel_regularizer": None}, ("kernel", "bias")),
    ],
)
def test_what_leaves_a_choice_stays_where_it_is(config, roles):
    layer = placed(config, *roles)
    assert not any(weight.placed_by or weight.regularizer for weight in layer.weights)
    assert len(layer.unplaced) == (config["kernel_regularizer"] is not None)


def test_a_strength_of_zero_stays_inert():
    layer = placed({"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.0}}}, "kernel")
    assert layer.weights[0].regularizer.status is Status.INERT


SLOTS = (Slot("kernel"), Slot("bias"))
DENSE = {"class_name": "Dense", "config": {"units": 2}}
KERNEL, BIAS = np.zeros((3, 2)), np.zeros(2)
STEP, STATE = np.zeros((), "int64"), np.zeros(())


@pytest.mark.parametrize(
    ("name", "config", "tensors"),
    [
        ("PruneLowMagnitude", {}, []),
        ("PruneLowMagnitude", {}, [KERNEL, KERNEL, STATE]),
        ("PruneLowMagnitude", {}, [BIAS, BIAS, STATE, STEP]),
        ("PruneLowMagnitude", {}, [KERNEL, KERNEL, STATE, STATE]),
        ("ClusterWeights", {}, [KERNEL, BIAS]),
        ("ClusterWeights", {}, [KERNEL, BIAS, KERNEL]),
        ("QuantizeWrapperV2", {}, [KERNEL, BIAS]),
        ("QuantizeWrapperV2", {"quantize_config": 7}, [KERNEL, STEP]),
        ("QuantizeWrapperV2", {"quantize_config": {"config": {"weight_attrs": [7]}}}, [BIAS, STEP]),
        ("WeightNormalization", {}, [BIAS, BIAS, STATE]),
        ("SpectralNormalization", {}, [STATE]),
        ("Unheard", {}, [KERNEL]),
    ],
)
def test_variables_that_do_not_fit_a_wrapper_are_left_alone(name, config, tensors):
    wrapper = {"class_name": name, "config": config}
    assert kept_by(wrapper, DENSE, SLOTS, tensors) is None
    assert kept_by(wrapper, {}, (), tensors) in (None, [])
