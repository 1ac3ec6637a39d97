"""Suggestions for one weight: by the gap, by its peers, by the chance loss."""

from math import log

import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.advice.suggestions import Advice, remove, scale, set_l2, suggest
from regaudit.evidence.evidence import Evidence
from regaudit.report.report import Edit

GAP = {"train_loss": 0.2, "val_loss": 0.9}


def dense(path, regularizer=None, **changes):
    return layer(path, weights=(kernel(path, regularizer=regularizer, **changes),), units=10)


def suggested(*layers, at=0, peers=True, **given):
    """Return what is suggested for a kernel among several, each of norm 10 (10 classes)."""
    found = evidence(*layers, **given)
    return suggest(found, layers[at], layers[at].weights[0], peers=peers)


def strength(suggestion):
    (edit,) = suggestion.edits
    return edit.value["config"]["l2"]


@pytest.mark.parametrize(
    ("kernels", "norm", "expected"),
    [
        (1, 10.0, 5e-3),  # 0.5 x 0.7 / 100 = 3.5e-3
        (2, 10.0, 2e-3),  # 1.75e-3
        (7, 10.0, 5e-4),  # 5e-4
        (1, 1.0, 0.5),  # 0.35
        (1, 100.0, 5e-5),
    ],
)
def test_half_the_gap_is_shared_by_the_kernels(kernels, norm, expected):
    layers = [dense(f"d{n}") for n in range(kernels)]
    numbers = {f"d{n}/kernel": {"l2_norm": norm} for n in range(kernels)}
    found = suggested(*layers, facts=GAP, numbers=numbers)
    assert strength(found) == expected
    assert found.penalty == pytest.approx(expected * norm**2)
    assert f"shared equally by {kernels} kernels" in found.reason
    assert "EarlyStopping" in found.reason


@pytest.mark.parametrize(
    ("gap", "asks"), [(0.049 * log(10), False), (0.051 * log(10), True), (-1.0, False)]
)
def test_a_gap_within_a_twentieth_of_the_chance_loss_asks_for_nothing(gap, asks):
    facts = {"train_loss": 1.0, "val_loss": 1.0 + gap}
    assert bool(suggested(dense("d"), facts=facts)) is asks


def test_a_gap_that_cannot_be_compared_gives_no_strength():
    assert suggested(dense("d"), facts=GAP, loss="my_own") is None


@pytest.mark.parametrize(("size", "few"), [(199, True), (200, False), (None, False)])
def test_few_validation_samples_are_said(size, few):
    found = suggested(dense("d"), facts={**GAP, "val_size": size})
    assert ("samples are few" in found.reason) is few


def test_without_losses_the_models_own_strength_is_taken():
    found = suggested(dense("a"), dense("b", l2(3e-4)), dense("c", l2(3e-4)))
    assert strength(found) == 3e-4  # as it is: the user's, not rounded
    assert "the model's own regularized Dense layers" in found.reason


@pytest.mark.parametrize(
    "others",
    [
        [l2(3e-4), l2(2e-4)],  # they do not agree
        [l2(0.0, l1=3e-4)],
        [],
    ],
)
def test_else_all_kernels_get_a_twentieth_of_the_chance_loss(others):
    layers = [dense("a"), *(dense(f"b{n}", one) for n, one in enumerate(others))]
    found = suggested(*layers)
    exact = 0.05 * log(10) / (100 * len(layers))
    assert 10**-0.2 < strength(found) / exact < 10**0.2
    assert "sweep" in found.reason


def test_peers_can_be_left_out():
    found = suggested(dense("a"), dense("b", l2(3e-4)), peers=False)
    assert strength(found) == 5e-4  # 0.05 x 2.3026 / 200 = 5.8e-4


def test_a_normalized_kernel_gets_no_strength_without_losses():
    norm = layer("norm", "BatchNormalization")
    assert suggested(dense("a"), norm, dense("out")) is None
    found = suggested(dense("a"), norm, dense("out"), at=2)
    assert strength(found) == 1e-3  # of its own norm alone: 0.05 x 2.3026 / 100


@pytest.mark.parametrize("norm", [None, 0.0, 1e200, 1e-200])
def test_norms_that_leave_no_room_for_a_strength(norm):
    numbers = {"d/kernel": {"l2_norm": norm}}
    for given in ({}, {"facts": GAP}):
        assert suggested(dense("d"), numbers=numbers, **given) is None


def test_a_weight_that_no_key_governs_gets_none():
    assert suggested(dense("d", regularizer_key=None)) is None
    one = dense("d", l2(), regularizer_key=None)
    found = evidence(one)
    assert set_l2(found, one, one.weights[0], Advice(1e-3, "so")) is None
    assert scale(found, one, one.weights[0], 0.1, "so") is None
    assert remove(one, one.weights[0], "so") is None


def test_values_that_were_not_read_give_none():
    one = dense("d", l2())
    unread = Evidence(evidence(one).model)
    assert suggest(unread, one, one.weights[0]) is None
    assert scale(unread, one, one.weights[0], 0.1, "so") is None


def test_a_suggestion_is_code_and_an_edit_of_the_same():
    one = dense("d")
    found = set_l2(evidence(one), one, one.weights[0], Advice(2e-4, "so"))
    assert found.code == "kernel_regularizer=keras.regularizers.L2(0.0002)"
    value = {"class_name": "L2", "config": {"l2": 2e-4}}
    (edit,) = found.edits
    assert (edit.layer, edit.key) == ("d", "kernel_regularizer")
    assert value.items() <= edit.value.items()
    assert (found.weight, found.reason) == ("d/kernel", "so")
    assert found.penalty == pytest.approx(2e-4 * 10**2)


def test_scaling_keeps_the_kind():
    one = dense("d", l2(4e-3, l1=2e-2))  # norms: L1 100, L2 10
    found = scale(evidence(one), one, one.weights[0], 0.1, "so")
    assert found.code == "kernel_regularizer=keras.regularizers.L1L2(l1=0.002, l2=0.0005)"
    assert found.penalty == pytest.approx(2e-3 * 100 + 5e-4 * 10**2)


def test_removing_is_an_edit_to_nothing():
    one = dense("d", l2())
    found = remove(one, one.weights[0], "so")
    assert found.code == "kernel_regularizer=None"
    assert found.edits == (Edit("d", "kernel_regularizer", None),)
    assert found.penalty == 0.0


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_the_code_is_what_keras_makes_of_the_edit(keras):
    one = dense("d", l2(4e-3, l1=2e-2))
    found = scale(evidence(one), one, one.weights[0], 0.1, "so")
    _, _, code = found.code.partition("=")
    written = eval(code, {"keras": keras})
    read = keras.regularizers.deserialize(dict(found.edits[0].value))
    assert type(written) is type(read) is keras.regularizers.L1L2
    assert written.get_config() == read.get_config()
