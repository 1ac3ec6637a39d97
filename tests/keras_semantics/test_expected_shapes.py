"""The shapes that a configuration tells, held against the layers that Keras builds from it."""

import json

import pytest

from regaudit.keras_semantics.config_graph import layers_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.expected_layers import Planner, Position
from regaudit.keras_semantics.expected_shapes import expected_shape, is_shaped
from regaudit.keras_semantics.loaded_variables import variables

IMAGE, SERIES, VIDEO, FLAT = (8, 9, 6), (7, 6), (5, 8, 9, 6), (6,)
LAYERS = [
    # class, options, shapes of the inputs
    ("Dense", {"units": 3}, [FLAT]),
    ("Dense", {"units": 3, "use_bias": False}, [SERIES]),
    ("Embedding", {"input_dim": 9, "output_dim": 4}, [(5,)]),
    ("EinsumDense", {"equation": "ab,bcd->acd", "output_shape": (2, 3), "bias_axes": "d"}, [FLAT]),
    ("Conv1D", {"filters": 4, "kernel_size": 3}, [SERIES]),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "groups": 2}, [IMAGE]),
    ("Conv3D", {"filters": 4, "kernel_size": 2}, [VIDEO]),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3}, [SERIES]),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3}, [IMAGE]),
    ("Conv3DTranspose", {"filters": 4, "kernel_size": 2}, [VIDEO]),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, [SERIES]),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, [IMAGE]),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, [SERIES]),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, [IMAGE]),
    ("SimpleRNN", {"units": 3}, [SERIES]),
    ("GRU", {"units": 3}, [SERIES]),
    ("GRU", {"units": 3, "reset_after": False}, [SERIES]),
    ("LSTM", {"units": 3}, [SERIES]),
    ("LSTM", {"units": 3, "trainable": False}, [SERIES]),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "trainable": False}, [SERIES, SERIES]),
    ("BatchNormalization", {"trainable": False}, [IMAGE]),
    ("ConvLSTM1D", {"filters": 4, "kernel_size": 3}, [IMAGE]),
    ("ConvLSTM2D", {"filters": 4, "kernel_size": 3}, [VIDEO]),
    ("BatchNormalization", {}, [IMAGE]),
    ("BatchNormalization", {"axis": 1}, [IMAGE]),
    ("LayerNormalization", {}, [SERIES]),
    ("LayerNormalization", {"axis": [1, 2]}, [SERIES]),
    ("GroupNormalization", {"groups": 2}, [IMAGE]),
    ("PReLU", {}, [IMAGE]),
    ("PReLU", {"shared_axes": [1, 2]}, [IMAGE]),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, [SERIES, SERIES]),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 5}, [SERIES, (4, 5)]),
]
OF_KERAS_3 = [
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
     [SERIES, SERIES]),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "use_gate": True}, [SERIES, SERIES]),
    ("RMSNormalization", {}, [SERIES]),
]  # fmt: skip
HELD = [
    ("Bidirectional", lambda layers: layers.LSTM(3), SERIES),
    ("TimeDistributed", lambda layers: layers.Dense(3), SERIES),
    ("RNN", lambda layers: layers.GRUCell(3), SERIES),
    ("RNN", lambda layers: layers.StackedRNNCells([layers.LSTMCell(3), layers.LSTMCell(2)]),
     SERIES),
]  # fmt: skip


def models(keras):
    """Yield a name and a model for each kind of layer."""
    modern = keras.__name__ == "keras"
    for class_name, options, shapes in LAYERS + (OF_KERAS_3 if modern else []):
        inputs = [keras.Input(shape) for shape in shapes]
        layer = getattr(keras.layers, class_name)(**options)
        yield f"{class_name} {options}", keras.Model(inputs, layer(*inputs))
    for class_name, inner, shape in HELD:
        start = keras.Input(shape)
        layer = getattr(keras.layers, class_name)(inner(keras.layers))
        yield class_name, keras.Model(start, layer(start))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_shapes_and_order_are_those_of_keras(library):
    keras = pytest.importorskip(library)
    dialect = Dialect((3, 15, 1) if library == "keras" else (2, 15, 0))
    for name, model in models(keras):
        layer = model.layers[-1]
        serialized = layers_of(json.loads(model.to_json()))[-1]
        order = variables(list(Planner(dialect).plan(serialized, Position())), dialect)
        stored = [*layer.trainable_weights, *layer.non_trainable_weights]
        shapes = [tuple(weight.shape) for weight in stored]
        roles = [weight.name.partition(":")[0].rpartition("/")[2] for weight in stored]
        expected = [expected_shape(one.planned.serialized, one.slot) for one in order]
        assert [one.slot.role for one in order] == roles, name
        assert all(map(is_shaped, shapes, expected)), (name, shapes, expected)
        known = [shape for shape in expected if shape is not None and None not in shape]
        assert known or name.startswith(("Einsum", "LayerNormalization {'axis': [1, 2]")), name


def test_a_shape_that_nobody_tells_is_any():
    assert is_shaped((3, 4), None)
    assert is_shaped((3, 4), (None, 4))
    assert not is_shaped((3, 4), (None, 5))
    assert not is_shaped((3, 4), (None,))
