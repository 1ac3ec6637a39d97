"""Which layers a layer holds, by its configuration alone."""

import pytest

from regaudit.keras_semantics.held_layers import held_layers


def layer(class_name, name, **config):
    return {"class_name": class_name, "config": {"name": name, **config}}


LSTM = layer("LSTM", "lstm")
OWN = layer("LSTM", "own")


def names(holder, *, before_keras_3=False):
    held = held_layers(holder, before_keras_3=before_keras_3)
    return {one.attribute: [inner["config"]["name"] for inner in one.renamed()] for one in held}


@pytest.mark.parametrize(
    ("options", "before_keras_3", "expected"),
    [
        ({"layer": LSTM}, False, ("lstm", "backward_lstm")),
        ({"layer": layer("LSTM", "forward_lstm")}, False, ("forward_lstm", "backward_lstm")),
        ({"layer": LSTM, "backward_layer": OWN}, False, ("lstm", "own")),
        ({"layer": LSTM}, True, ("forward_lstm", "backward_lstm")),
        ({"layer": LSTM, "backward_layer": OWN}, True, ("forward_lstm", "backward_own")),
    ],
)
def test_both_ways_have_the_names_that_a_load_gives_them(options, before_keras_3, expected):
    forward, backward = expected
    assert names(layer("Bidirectional", "both", **options), before_keras_3=before_keras_3) == {
        "forward_layer": [forward],
        "backward_layer": [backward],
    }


def test_a_layer_that_is_written_once_is_the_same_object_both_times():
    forward, backward = held_layers(layer("Bidirectional", "both", layer=LSTM), before_keras_3=True)
    assert forward.layers[0] is backward.layers[0] is LSTM


def test_a_wrapper_holds_what_the_table_says():
    assert names(layer("TimeDistributed", "each", layer=LSTM, other=OWN)) == {"layer": ["lstm"]}
    (cells,) = held_layers(
        layer("StackedRNNCells", "cells", cells=[LSTM, OWN]), before_keras_3=True
    )
    assert cells.is_list
    assert cells.names == ("lstm", "own")


def test_other_built_in_layers_hold_none():
    assert not names(layer("Dense", "dense", layer=LSTM))


def test_a_custom_layer_holds_what_is_written_like_a_layer_but_no_regularizers():
    custom = layer(
        "Block",
        "block",
        first=LSTM,
        more=[OWN, "relu"],
        units=3,
        kernel_regularizer={"class_name": "L2", "config": {"l2": 0.01}},
    )
    custom["registered_name"] = "mine>Block"
    assert names(custom) == {"first": ["lstm"], "more": ["own"]}
