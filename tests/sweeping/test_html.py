"""A sweep as an HTML page, and as a piece of HTML for notebooks."""

import re
from itertools import pairwise
from math import inf, nan

import pytest
from msgspec.structs import replace
from page_values import SVG, Page, drawings, marks, table
from sweep_values import (
    ALL,
    SETTING,
    all_diverged,
    as_it_is,
    change_nothing,
    curve,
    one_kind,
    rung,
    three_kinds,
)

from regaudit.sweeping.columns import drawn
from regaudit.sweeping.html import fragment
from regaudit.sweeping.html import page as html
from regaudit.sweeping.outcome import Sweep
from regaudit.sweeping.strength_chart import strength_chart

CHART = "How strong a penalty should be"


def test_the_verdict_is_on_top():
    text = html(one_kind())
    top = Page(text.split("</header>")[0] + "</header></body></html>").words
    assert "digits.keras 4 times the suggestion: validation loss 0.312 → 0.271, -13 % ± 4 %" in top
    assert "Chosen: l2 x4 , of 7 models" in top
    assert "300 validation samples: differences below 0.02 are noise." in top


def test_the_table_has_each_candidate():
    rows = table(html(three_kinds()), "sortable candidates")
    assert [row[0] for row in rows] == [one.name for one in drawn(three_kinds())]
    assert [row[0] for row in rows if row[1] == "chosen"] == ["l2 x4"]
    assert [row[0] for row in rows if row[1] == "diverged"] == ["l1 x64"]
    assert rows[0][4:7] == ["0.312 ± 0.021", "0.287 (T 1.8)", "91.2%"]


def titles(drawing):
    return [found.text for found in drawing.iter(f"{SVG}title")][1:]


def test_the_chart_has_a_mark_for_each_loss_with_its_error():
    drawing = drawings(html(one_kind()))[CHART]
    said = titles(drawing)
    assert "l2 x4: validation loss 0.271 ± 0.020" in said
    assert "l2 x4: training loss 0.1355" in said
    assert "no penalty: validation loss 0.330 ± 0.020" in said
    assert "chosen" in said
    words = [found.text or "" for found in drawing.iter(f"{SVG}text")]
    assert [word for word in words if word in {"none", "soup"} or word.startswith("x")] == [
        *("none", "x0.25", "x1", "x4", "x16", "soup")
    ]
    dashed = [line for line in drawing.iter(f"{SVG}line") if line.get("stroke-dasharray")]
    assert [line for line in dashed if line.get("y1") == line.get("y2")]  # today
    assert [line for line in dashed if line.get("x1") == line.get("x2")]  # suggested


def test_the_legend_names_what_was_trained_and_nothing_else():
    without_soup = [one for one in one_kind().candidates if one.role != "soup"]
    for candidates, said in (
        (one_kind().candidates, "no penalty, soup: validation"),
        (without_soup, "no penalty: validation"),
    ):
        chart = strength_chart(replace(one_kind(), candidates=tuple(candidates)))
        assert said in [kind.name for kind in chart.kinds]


def test_lower_losses_lie_lower_and_steps_of_a_factor_are_even():
    drawing = drawings(html(one_kind()))[CHART]
    at = {}
    for circle in drawing.iter(f"{SVG}circle"):
        title = circle.find(f"{SVG}title").text
        at[title.split(":")[0], "validation" in title] = (
            float(circle.get("cx").rstrip("%")),
            float(circle.get("cy")),
        )
    xs = [at[f"l2 x{name}", True][0] for name in ("0.25", "1", "4", "16")]
    steps = [right - left for left, right in pairwise(xs)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.15)
    assert at["l2 x4", True][1] > at["l2 x16", True][1] > at["l2 x1", True][1]
    assert at["l2 x4", False][1] > at["l2 x4", True][1]


def test_three_kinds_have_marks_of_their_own():
    text = html(three_kinds())
    for name in ("L2", "L1", "activity"):
        assert f"{name}: validation</li>" in text
        assert f"{name}: training</li>" in text
    assert "l1 x64: diverged" in titles(drawings(text)[CHART])


def test_each_training_has_a_curve_with_its_best_epoch():
    found = drawings(html(one_kind()))
    assert [title for title in found if title != CHART] == [
        f"Losses of {name}" for name in ("no penalty", "l2 x0.25", "l2 x1", "l2 x4", "l2 x16")
    ]
    assert "epoch 4: best weights, 0.29" in titles(found["Losses of l2 x1"])


def test_a_long_training_is_thinned():
    long = rung(
        4, 0.2, epochs=5000, best_epoch=777, curve=curve(*[0.2 + 1 / n for n in range(1, 5001)])
    )
    text = html(Sweep(SETTING, (as_it_is(), long), long.name, "better"))
    assert len(text) < 100_000
    assert "epoch 777: best weights" in text


def test_without_a_finite_loss_there_is_no_chart():
    text = html(all_diverged())
    assert "No model that was trained has a finite loss." in text
    assert CHART not in drawings(text)
    assert not re.search(r'="-?(nan|inf)', text)


def test_change_nothing_is_said_and_nothing_to_do():
    text = html(change_nothing())
    assert "Keep the model as it is" in text
    assert "regaudit apply" not in text
    assert "What the chosen one changes" not in text


@pytest.mark.parametrize("loss", [0.0, -1.0, 1e-320, 1e200, 1e308, nan, inf])
@pytest.mark.parametrize("error", [None, 0.0, 1e300, nan])
def test_any_numbers_can_be_drawn(loss, error):
    odd = rung(4, loss, val_error=error, train_loss=-loss, curve=curve(loss, 0.1, loss))
    other = rung(1e-300, 0.3)
    text = html(Sweep(SETTING, (as_it_is(), odd, other), "as it is", "none"))
    Page(text)
    drawings(text)
    assert not re.search(r'="-?(nan|inf)', text)


@pytest.mark.parametrize("name", ALL)
def test_the_page_is_whole(name):
    text = html(ALL[name]())
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.attributes("aria-labelledby")) <= {
        *page.ids,
        *(f"{one}-t {one}-d" for one in (i[:-2] for i in page.ids if i.endswith("-t"))),
    }
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(page.ids)
    assert not page.attributes("src", "onclick", "onerror", "style")
    assert {tag["scope"] for kind, tag in page.tags if kind == "th"} <= {"row", "col"}
    assert [kind for kind, _ in page.tags].count("script") == 1
    levels = [int(kind[1]) for kind, _ in page.tags if re.fullmatch("h[1-6]", kind)]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_hostile_names_are_text():
    for text in (html(ALL["hostile"]()), fragment(ALL["hostile"]())):
        assert "<script>alert" not in text
        assert not {"\u202e", "\x1b", "\r"} & set(text)


def test_the_fragment_is_what_notebooks_show():
    sweep = one_kind()
    found = sweep._repr_html_()
    assert found == fragment(sweep)
    assert "<style" not in found
    assert "<script" not in found
    page = Page(found)
    assert "digits.keras : 4 times the suggestion" in page.words
    assert page.words.count("chosen") >= 1


def test_marks_of_one_rung_are_drawn():
    sweep = Sweep(SETTING, (as_it_is(), rung(1, 0.3)), "l2 x1", "better")
    assert marks(drawings(html(replace(sweep, out="x.keras")))[CHART])
