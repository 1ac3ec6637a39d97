"""What the table of a page folds away: counted, and never where something was found."""

import numpy as np
from msgspec.structs import replace
from page_values import Page, audited, dense, finding, render

from regaudit.model import Weight
from regaudit.pages.model_section import section
from regaudit.report.view import View


def normalized(name, **changes):
    layer, values = dense(name, 0.01, np.ones((2, 2)), **changes)
    scale = Weight(
        f"{name}/gamma", f"layers/{name}/vars/1", "gamma", (2,), "float32", trainable=True
    )
    return replace(layer, weights=(*layer.weights, scale)), values


def blocks(report, **view):
    found = section(1, report, [], View(**view)).blocks
    return {block.name: [row.weight.path for row in block.rows] for block in found}


def test_normalization_and_frozen_layers_lie_folded_at_the_end():
    layers = [normalized(f"dense_{n}") for n in range(20)]
    frozen = [(replace(one, trainable=False), values) for one, values in layers[:2]]
    bare = [
        (replace(one, weights=tuple(replace(w, regularizer=None) for w in one.weights)), values)
        for one, values in frozen
    ]
    found = blocks(audited(*bare, *layers[2:]))
    assert list(found) == ["", "normalization", "frozen layers"]
    assert found[""] == [f"dense_{n}/kernel" for n in range(2, 20)]
    assert len(found["normalization"]) == 20
    assert found["frozen layers"] == ["dense_0/kernel", "dense_1/kernel"]


def test_what_was_found_is_not_folded_away():
    layers = [normalized(f"dense_{n}") for n in range(20)]
    report = audited(*layers, findings=[finding("dense_3/gamma")])
    assert "dense_3/gamma" in blocks(report)[""]
    words = Page(render(report)).words
    assert "Folded at the end: normalization." in words
    assert "19 weights of normalization" in words


def test_a_small_model_and_another_order_are_shown_whole():
    layers = [normalized(f"dense_{n}") for n in range(12)]
    assert list(blocks(audited(*layers))) == [""]
    many = audited(*(normalized(f"dense_{n}") for n in range(20)))
    assert list(blocks(many, sort="size")) == [""]
