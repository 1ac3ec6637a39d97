"""The model as one strip: a cell for each layer or block, in place, and true to the numbers."""

import re

import numpy as np
import pytest
from page_values import audited, dense, render
from paths import MODELS

import regaudit
from regaudit.pages.model_section import section
from regaudit.pages.penalty_bar import penalty_bar
from regaudit.pages.strip import MOST, TALL, WIDE
from regaudit.report.view import View


def strip_of(report, **view):
    return section(1, report, [], View(**view)).strip


def bars(shape):
    """Return (left, top, width) of each bar, in units of the box."""
    found = re.findall(r"M([\d.]+) [\d.]+V([-\d.]+)h([\d.]+)", shape.outline)
    return [tuple(map(float, one)) for one in found]


@pytest.fixture(scope="module")
def everything():
    return regaudit.audit(MODELS / "everything.keras")


def test_cells_fill_the_width_in_the_order_of_the_model(everything):
    strip = strip_of(everything)
    layers = [layer for layer in everything.model.layers if layer.weights]
    assert len(strip.cells) == strip.layers == len(layers)
    assert [cell.title.split(",")[0] for cell in strip.cells] == [one.path for one in layers]
    assert strip.cells[0].left == 0
    for one, other in zip(strip.cells, strip.cells[1:], strict=False):
        assert one.left + one.width == pytest.approx(other.left)
    assert strip.cells[-1].left + strip.cells[-1].width == pytest.approx(100)


def test_more_parameters_are_wider(everything):
    strip = strip_of(everything)
    sizes = [sum(w.size for w in one.weights) for one in everything.model.layers if one.weights]
    widths = [cell.width for cell in strip.cells]
    assert np.array_equal(np.argsort(sizes, kind="stable"), np.argsort(widths, kind="stable"))


def test_each_kind_of_regularizer_has_its_colour_and_idle_ones_are_hatched(everything):
    kinds = {(name, idle) for name, _, idle in strip_of(everything).kinds}
    assert {("L2", False), ("L1", False), ("other", False), ("L2", True), ("none", False)} <= kinds


def test_stronger_is_higher():
    values = np.ones((3, 3))
    layers = [dense(f"d{n}", strength, values) for n, strength in enumerate((1e-4, 1e-2, 1e-3))]
    lane = strip_of(audited(*layers)).lanes[0]
    (shape,) = lane.shapes
    first, second, third = (top for _, top, _ in bars(shape))
    assert second < third < first
    assert second == 0
    assert "0.0001 (low) to 0.01 (high)" in lane.title


def test_bars_stay_inside_their_box(everything):
    for lane in strip_of(everything).lanes:
        for shape in lane.shapes:
            for left, top, width in bars(shape):
                assert 0 <= left <= left + width <= WIDE
                assert 0 <= top <= TALL


def test_a_fault_is_marked_where_it_is_and_leads_to_its_row(everything):
    found = section(1, everything, [], View())
    marked = {cell.anchor: cell.fault for cell in found.strip.cells if cell.fault}
    rows = {row.anchor: row for row in found.rows}
    assert marked
    for anchor, fault in marked.items():
        assert fault in {str(severity) for severity, _ in rows[anchor].faults}


@pytest.mark.parametrize(("layers", "cells"), [(3, 3), (MOST, MOST), (1000, 10)])
def test_a_large_model_has_blocks(layers, cells):
    named = [f"block_{n // 100}_dense_{n}" for n in range(layers)]
    strip = strip_of(audited(*(dense(name, 0.01, np.ones((2, 2))) for name in named)))
    assert len(strip.cells) == cells
    assert strip.layers == layers
    if layers == 1000:
        assert strip.cells[0].title.startswith("block_0_dense_* (100 layers)")


def test_nothing_is_drawn_of_what_is_not_shown(everything):
    assert strip_of(everything, tables=False) is None
    assert strip_of(everything, sort="size") is None


def test_the_page_has_it_next_to_the_verdict(everything):
    page = render(everything)
    assert (
        page.index("What is wrong")
        < page.index("The model along its depth")
        < page.index(">Findings</h2>")
    )


class TestPenaltyBar:
    """What the penalty is made of."""

    def test_parts_add_up_to_the_penalty(self, everything):
        bar = penalty_bar(everything)
        assert sum(part.width for part in bar.parts) == pytest.approx(100)
        assert float(bar.total) == pytest.approx(everything.penalty, rel=1e-3)
        widths = [part.width for part in bar.parts[:-1]]
        assert widths == sorted(widths, reverse=True)

    def test_the_chance_loss_stands_next_to_it(self):
        report = regaudit.audit(MODELS / "tutorial-l2.keras")
        bar = penalty_bar(report)
        assert "ln 10" in bar.chance
        assert bar.chance_width == 100
        assert bar.penalty_width == pytest.approx(100 * report.penalty / np.log(10))

    def test_there_is_none_without_a_penalty(self):
        assert penalty_bar(regaudit.audit(MODELS / "digits-cnn.keras")) is None
