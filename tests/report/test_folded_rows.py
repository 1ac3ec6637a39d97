"""The table of weights of a large model: what is put together, and what is left out."""

import pytest
from msgspec.structs import replace

from regaudit.model import Layer, Regularizer, Status, Weight
from regaudit.report.folded_rows import ENOUGH, MOST, rows_of


def layer(path, *roles, known=True, l2=None, trainable=True):
    decay = None if l2 is None else Regularizer("L2", 0.0, l2, {}, Status.IN_FORCE)
    weights = tuple(
        Weight(
            f"{path}/{role}",
            f"{path}/{role}",
            role,
            (2, 3),
            "float32",
            trainable,
            regularizer=decay if role == "kernel" else None,
            regularizer_known=known,
        )
        for role in roles
    )
    return Layer(path, path.rpartition("/")[2], "Dense", {}, trainable, weights=weights)


def folded(layers, **settings):
    pairs = [(one, weight) for one in layers for weight in one.weights]
    return rows_of(pairs, **{"ordered": True, **settings})


def names(found):
    return [(row.name, len(row.pairs)) for row in found.rows]


BLOCKS = [f"block_{number}_{part}" for number in range(1, 11) for part in ("expand", "project")]


def test_a_small_model_has_a_row_for_each_weight():
    layers = [layer(f"dense_{number}", "kernel", "bias") for number in range(ENOUGH // 2)]
    found = folded(layers)
    assert len(found.rows) == ENOUGH
    assert found.hidden == ""


def test_normalization_goes_first_then_biases():
    found = folded([layer(path, "kernel", "gamma", "beta") for path in BLOCKS])
    assert names(found) == [(path, 1) for path in BLOCKS]
    assert found.hidden == "40 normalization weights"
    found = folded([layer(path, "kernel", "bias") for path in BLOCKS])
    assert names(found) == [(path, 1) for path in BLOCKS]
    assert found.hidden == "20 biases"


def test_what_has_a_regularizer_or_may_have_one_is_not_left_out():
    layers = [layer(path, "bias", known=False) for path in (*BLOCKS, "a", "b", "c", "d", "e")]
    found = folded(layers)
    assert sum(len(row.pairs) for row in found.rows) == len(layers)
    assert "bias" not in found.hidden


@pytest.mark.parametrize("separator", ["_", "/"])
def test_layers_of_a_block_share_a_row(separator):
    paths = [f"block_{n}{separator}{part}" for n in range(1, 16) for part in ("expand", "project")]
    found = folded([layer("stem", "kernel"), *(layer(path, "kernel") for path in paths)])
    assert names(found) == [("stem", 1), *((f"block_{n}{separator}*", 2) for n in range(1, 16))]
    assert found.hidden == "the layers of 15 blocks"


def test_the_finest_blocks_that_are_few_enough_are_shown():
    paths = [f"stage_{s}_block_{b}_conv_{c}" for s in "12" for b in "123456" for c in "1234"]
    found = folded([layer(path, "kernel") for path in paths])
    assert len(found.rows) == 12
    assert found.rows[0].name == "stage_1_block_1_conv_*"


def test_other_strengths_and_frozen_layers_have_rows_of_their_own():
    layers = [layer(f"block_{n}_{part}", "kernel") for n in range(20) for part in "ab"]
    layers[1] = layer("block_0_b", "kernel", l2=0.01)
    layers[3] = layer("block_1_b", "kernel", trainable=False)
    found = folded(layers)
    assert names(found)[:5] == [
        ("block_0_a", 1),
        ("block_0_b", 1),
        ("block_1_a", 1),
        ("block_1_b", 1),
        ("block_2_*", 2),
    ]


def test_numbered_layers_are_one_block():
    found = folded([layer("conv", "kernel"), *(layer(f"conv_{n}", "kernel") for n in range(40))])
    assert names(found) == [("conv*", 41)]


def test_rows_in_another_order_are_not_put_together_but_the_rest_is_counted():
    found = folded([layer(f"conv_{n}", "kernel") for n in range(40)], ordered=False)
    assert len(found.rows) == MOST
    assert found.hidden == "4 more"


def test_a_few_layers_too_many_are_shown_all_the_same():
    names_of_all = [chr(97 + n % 26) * (1 + n // 26) for n in range(MOST)]
    found = folded([layer(name, "kernel") for name in names_of_all])
    assert [row.name for row in found.rows] == names_of_all
    assert found.hidden == ""


def test_of_too_many_that_have_nothing_in_common_the_largest_stay_in_their_order():
    names_of_all = [chr(97 + n % 26) * (1 + n // 26) for n in range(40)]
    layers = [layer(name, "kernel") for name in names_of_all]
    last = layers[-1].weights[0]
    layers[-1] = replace(layers[-1], weights=(replace(last, shape=(100, 100)),))
    found = folded(layers)
    assert len(found.rows) == MOST
    assert found.rows[-1].name == names_of_all[-1]
    assert found.hidden == "4 smaller"
    shown = [names_of_all.index(row.name) for row in found.rows]
    assert shown == sorted(shown)
