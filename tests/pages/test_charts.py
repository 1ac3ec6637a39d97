"""Charts: every value is in its place, gaps show, and nothing is left out without a word."""

from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace
from page_values import SVG, Page, audited, deep, dense, drawings, marks, render, table

from regaudit.model import Regularizer, Status
from regaudit.pages import chart_geometry, charts
from regaudit.pages.chart_geometry import Column, Kind, Value, linear_scale, log_scale, plot
from regaudit.pages.trends import checkpoint, differing, trends
from regaudit.report.report import Failure, Report

KIND = Kind("size", "circle", "#000000")
GAP = Kind("none", "cross", "#000000", strip=True)


def column(name, *values):
    return Column(name, name, tuple(Value(KIND, value, f"{value:g}") for value in values))


def initialized(name, values, l2=0.01, **changes):
    layer, values = dense(name, l2, values, **changes)
    stored = {"class_name": "RandomNormal", "config": {"stddev": 0.5}}
    return replace(layer, config={"kernel_initializer": stored}), values


def test_marks_lie_where_their_values_are():
    drawn = chart_geometry.plot(
        [column("a", 1.0), column("b", 10.0), column("c", 100.0)], log_scale([1, 100], str)
    )
    ys = [float(mark.y) for mark in drawn.marks]
    assert ys[0] == pytest.approx(chart_geometry.HEIGHT)
    assert ys[2] == pytest.approx(chart_geometry.MARGIN)
    assert ys[1] == pytest.approx((ys[0] + ys[2]) / 2)
    xs = [float(mark.x) for mark in drawn.marks]
    assert xs == sorted(xs)
    assert xs[0] > chart_geometry.LEFT
    assert xs[-1] < chart_geometry.RIGHT
    assert xs[1] == pytest.approx((chart_geometry.LEFT + chart_geometry.RIGHT) / 2, abs=0.1)
    assert [tick.text for tick in drawn.columns] == ["a", "b", "c"]


def test_linear_axis_begins_at_zero():
    scale = linear_scale([0.3, 0.45], str)
    assert scale.place(0.0) == 0
    assert scale.place(0.6) == pytest.approx(1)
    assert linear_scale([], str).place(1.0) == 1


@pytest.mark.parametrize(
    "values", [[1e-300], [3.0], [1e-299, 1e299], [0.1, 0.1], [0.02, 0.03], [1e-6, 1]]
)
def test_log_axis_holds_its_values_and_has_few_ticks(values):
    scale = log_scale(values, lambda value: f"{value:g}")
    assert all(-1e-9 <= scale.place(value) <= 1 + 1e-9 for value in values)
    assert 1 <= len(scale.ticks) <= 8


def test_many_columns_share_places_and_lose_nothing():
    columns = [column(f"k{n}", 1.0 + n) for n in range(250)]
    columns[7] = Column("k7", "k7", (Value(GAP, 0, "no regularizer"),))
    drawn = chart_geometry.plot(columns, log_scale([1, 250], str))
    assert drawn.together == 5
    assert len(drawn.marks) == 51
    gap = next(mark for mark in drawn.marks if mark.shape == "cross")
    assert gap.title == "k5 to k9: no regularizer in 1 of 5"
    beside = next(mark for mark in drawn.marks if mark.x == gap.x and mark.shape == "circle")
    assert beside.title == "k5 to k9: 6 to 10 in 4 of 5"
    assert float(beside.high) < float(beside.y) < float(beside.low) < float(gap.y)


def test_ladder_shows_strengths_and_gaps_by_shape():
    layers = [dense("a", 0.01), dense("b", None), dense("c", 0.1, status=Status.FROZEN)]
    both, own = (dense(name)[0] for name in "de")
    found = {
        "d": Regularizer("L1L2", 0.001, 0.01, {}, Status.IN_FORCE),
        "e": Regularizer("Mine", None, None, {}, Status.OPAQUE),
    }
    for layer in (both, own):
        weight = replace(layer.weights[0], regularizer=found[layer.path])
        layers.append((replace(layer, weights=(weight,)), np.ones((2, 3))))
    report = audited(*layers, penalties={"layers/e/vars/0": None})
    tree = drawings(render(report))["Strength along the depth"]
    assert sorted(marks(tree)) == [
        "a/kernel: l2(0.01), in force",
        "b/kernel: no regularizer",
        "c/kernel: l2(0.1), frozen",
        "d/kernel: l1_l2(0.001, 0.01), in force",
        "d/kernel: l1_l2(0.001, 0.01), in force",
        "e/kernel: Mine, opaque",
    ]
    kinds = charts.charts(report, list(report.model.weights())).ladder.kinds
    shapes = {kind.name: kind.shape for kind in kinds}
    assert shapes == {
        "L2": "circle",
        "L1": "triangle",
        "L2, not in force": "ring",
        "none": "cross",
        "other": "square",
    }
    words = Page(render(report)).words
    assert all(name in words for name in shapes)


@pytest.mark.parametrize("strength", [float("inf"), float("nan"), 1e-320, -1.0])
def test_strengths_that_no_axis_holds_are_shown_all_the_same(strength):
    tree = drawings(render(audited(dense("a", strength))))["Strength along the depth"]
    assert len(marks(tree)) == 1


def test_growth_is_todays_size_against_the_initial_one():
    report = audited(
        initialized("a", np.full((4, 4), 1.0)),
        initialized("b", np.full((4, 4), 0.25)),
        dense("c"),
    )
    text = render(report)
    assert [row[11] for row in table(text)] == ["2x", "0.5x", "-"]
    tree = drawings(text)["Size against initialization"]
    assert marks(tree) == [
        "a/kernel: 2x its initial size",
        "b/kernel: 0.5x its initial size",
        "c/kernel: initial size not known",
    ]
    dashed = [line for line in tree.iter(f"{SVG}line") if line.get("stroke-dasharray")]
    assert len(dashed) == 1


def test_zeros_and_dead_units_are_drawn_where_there_are_any():
    values = np.ones((4, 4))
    values[:, 0] = 0
    text = render(audited(dense("a"), dense("b", 0.01, values)))
    assert marks(drawings(text)["Zeros and dead units"]) == [
        "a/kernel: 0% exact zeros",
        "b/kernel: 25.0% exact zeros",
        "a/kernel: 0 of 3 units dead",
        "b/kernel: 1 of 4 units dead",
    ]
    assert "holds an exact zero" not in text
    assert "No kernel shown has an exact zero" in render(audited(dense("a")))


def checkpoints(*scales):
    base = np.array([[1.0, 2.0], [3.0, 4.0]])
    return [
        audited(dense("a", 0.01, base * scale), dense("b", 0.01, base), file=f"ckpt-{n}.keras")
        for n, scale in enumerate(scales, 1)
    ]


def test_trends_follow_a_model_over_its_checkpoints():
    text = render(*checkpoints(1, 2, 4))
    found = drawings_of_trends(text)
    assert marks(found["Total penalty"]) == [
        "ckpt-1.keras: total penalty 0.6",
        "ckpt-2.keras: total penalty 1.5",
        "ckpt-3.keras: total penalty 5.1",
    ]
    drawn = found["L2 norms"].iter(f"{SVG}line")
    lines = [line for line in drawn if line.get("stroke") in {charts.BLUE, charts.ORANGE}]
    assert len(lines) == 4
    rows = table(text, "sortable norms")
    assert rows == [
        ["a/kernel", "5.477", "10.95", "21.91"],
        ["b/kernel", "5.477", "5.477", "5.477"],
    ]
    words = Page(text).words
    assert "3 checkpoints of one model" in words
    (first, *_, last) = table(text, "sortable index states")
    assert first[0] == "ckpt-1.keras"
    assert last[3:] == ["\u2713 clean no findings", "5.1", "22.58", "0%", "0 of 4"]


def drawings_of_trends(text):
    start = text.index('<section aria-labelledby="trends">')
    return drawings(text[start : text.index("</section>", start)])


def test_trends_count_what_could_not_be_read():
    failed = Report("lost.keras", failure=Failure("UnreadableModelError", "no such file"))
    words = Page(render(*checkpoints(1, 2), failed)).words
    assert "2 checkpoints of one model" in words
    assert "1 more file could not be audited." in words
    assert "lost.keras" in words.split("What is wrong")[0]


def test_trends_are_of_one_model_only():
    one, two = audited(dense("a")), audited(dense("b"))
    assert trends([checkpoint(one), checkpoint(two)]) is None
    assert trends([checkpoint(one)]) is None
    assert trends([]) is None
    assert 'id="trends"' not in render(one, two)


def test_trends_draw_the_kernels_that_changed_most():
    first, second = deep(10), deep(10)
    path = "layers/encoder/block_0/dense_3/vars/0"
    grown = replace(second.moments[path], l2_norm=1e3)
    second = replace(second, moments={**second.moments, path: grown})
    found = trends([checkpoint(first), checkpoint(second)])
    assert len(found.norms.kinds) == 6
    assert len(found.rows) == found.kernels == 10
    assert "encoder/block_0/dense_3/kernel" in {kind.name for kind in found.norms.kinds}


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["m-epoch-08.keras", "m-epoch-12.keras"], ["08", "12"]),
        (["m-1.keras", "m-10.keras"], ["1", "10"]),
        (["a.keras", "b.keras"], ["a", "b"]),
        (["m.keras", "m.keras"], ["m.keras", "m.keras"]),
        (["m.keras", "m-2.keras"], ["m.keras", "m-2.keras"]),
    ],
)
def test_states_are_labelled_by_what_tells_them_apart(names, shown):
    assert differing(names) == shown


@pytest.mark.parametrize("name", ["{}.keras", "a-long-name-of-a-run-{:06}.keras", "{:06}-{:09}"])
@pytest.mark.parametrize("count", [2, 3, 5, 12, 40, 300])
def test_labels_below_a_chart_do_not_touch_on_a_telephone(name, count):
    columns = [Column(name.format(n, n), name.format(n, n), ()) for n in range(count)]
    ticks = plot(columns, None).columns
    assert ticks[0].text == columns[0].label
    assert ticks[-1].text == columns[-1].label
    ends = []
    for tick in ticks:
        wide = 6.95 * min(len(tick.text), 14)
        left = float(tick.at) * 2.8 - wide * {"start": 0, "middle": 0.5, "end": 1}[tick.anchor]
        ends.append((left, left + wide))
    assert all(one[1] < other[0] for one, other in pairwise(ends))
