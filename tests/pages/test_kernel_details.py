"""What is inside a kernel: every value, unit and singular value is where the axes say."""

import re

import numpy as np
import pytest
from msgspec.structs import replace
from page_values import Page, audited, deep, dense, finding, render

from regaudit.evidence.initial_density import Density
from regaudit.measures.moments import measure
from regaudit.measures.spectrum import Spectrum
from regaudit.model import UnitView
from regaudit.pages import kernel_details, panel
from regaudit.pages.norm_panel import norm_panel
from regaudit.pages.spectrum_panel import spectrum_panel
from regaudit.pages.value_panel import value_panel
from regaudit.tensors.tensor import ArrayTensor

UNKNOWN = "The file does not say how it was initialized."
UNIFORM = Density("GlorotUniform", "uniform", 0.0, 2.0)


def measured(values):
    values = np.asarray(values, float)
    view = UnitView(values.shape[0], values.shape[1], 1)
    return measure([(ArrayTensor(values), view)], histograms=True)[0]


def heights(shape):
    """Return the height of each step of an area, one unit wide each, in percent."""
    found, height = [], 100
    for command, number in re.findall(r"([Vh])(\d+)", shape.outline):
        if command == "V":
            height = 100 - int(number)
        else:
            found += [height] * int(number)
    return found


def points(shape):
    """Return the points of a line: units across, percent up."""
    numbers = list(map(float, shape.outline[1:].split()))
    return [(x, 100 - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def where(tick):
    """Return where a tick is, as a share of the axis."""
    return (float(tick.at) - panel.LEFT) / (panel.RIGHT - panel.LEFT)


def test_each_value_is_in_its_bin_and_the_axes_say_where():
    found = value_panel([measured([[-1.0, 0.3, 0.3], [0.0, 1.9, 0.3]])], UNKNOWN)
    (bars,) = found.shapes
    counted = {place: height for place, height in enumerate(heights(bars)) if height}
    zero = where(found.columns[[tick.text for tick in found.columns].index("0")])
    assert float(found.zero) == pytest.approx(float(panel.across(zero)), abs=0.1)
    width = 0.5  # six values have few bins
    at = {round(zero * found.wide) + int(np.floor(v / width)): n for v, n in ((0.3, 3), (1.9, 1))}
    at[round(zero * found.wide) - 1 - int(1.0 / width)] = 1
    assert counted == {place: 25 * n for place, n in at.items()}
    assert [tick.text for tick in found.rows] == ["0", "2", "4"]
    assert found.caption == f"Bars: its 6 values today. 1 exact zero left out. {UNKNOWN}"
    assert found.text == "-1.5 to 2, most (3) between 0 and 0.5"


def test_what_the_initializer_drew_is_drawn_to_scale():
    values = np.random.default_rng(0).uniform(-2, 2, (100, 80))
    found = value_panel([measured(values)], UNIFORM)
    bars, curve = found.shapes
    assert curve.dashes
    assert "Dashed: as GlorotUniform drew them." in found.caption
    (left, _), (_, high), _, (right, _) = points(curve)
    shown = [height for height in heights(bars) if height]
    assert high == pytest.approx(np.mean(shown), abs=2)  # 8,000 values: as many as were drawn
    assert right - left == pytest.approx(len(shown), abs=1)


def test_an_initializer_far_from_the_values_does_not_squeeze_them():
    far = value_panel([measured(np.random.default_rng(0).normal(0, 0.01, (50, 50)))], UNIFORM)
    assert sum(height > 0 for height in heights(far.shapes[0])) > far.wide / 4
    near = Density("GlorotUniform", "uniform", 0.0, 0.001)
    steep = value_panel([measured(np.random.default_rng(0).normal(0, 1, (50, 50)))], near)
    assert max(heights(steep.shapes[0])) > 30
    assert "The axis ends below the top of that line." in steep.caption


@pytest.mark.parametrize(
    "values", [[[0.0, 0.0]], [[1e308, -1e308]], [[np.nan, np.inf]], [[1e-310, 1.0]], [[5e-324] * 3]]
)
def test_odd_values_are_told_or_drawn(values):
    for drawn in (UNKNOWN, UNIFORM, Density("RandomNormal", "normal", 1e300, 1e-300)):
        found = value_panel([measured(values)], drawn)
        assert found.caption
        assert all(len(shape.outline) < 2_000 for shape in found.shapes)


def test_values_before_and_after_share_the_axes():
    old, new = measured([[0.25, 0.25, 3.0]]), measured([[4.0, 4.0, -4.0]])
    found = value_panel([old, new], UNKNOWN)
    after, before = found.shapes
    assert before.line
    assert not after.line
    assert found.caption.startswith("Bars: in the new file; line: in the old one.")
    assert [sum(height > 0 for height in heights(one)) for one in (after, before)] == [2, 2]


def test_units_are_sorted_and_dead_ones_hatched():
    values = np.tile([[0.0, 3.0, 0.0, 1.0]], (4, 1))
    found = norm_panel([measured(values)])
    assert heights(found.shapes[0]) == [100, 33, 0, 0]
    left, width = map(float, found.hatched)
    assert (left - panel.LEFT) / (panel.RIGHT - panel.LEFT) == pytest.approx(0.5, abs=0.01)
    assert width / (panel.RIGHT - panel.LEFT) == pytest.approx(0.5, abs=0.01)
    assert found.caption == "4 units, 2 dead."
    assert [tick.text for tick in found.rows] == ["0", "3", "6"]
    assert norm_panel([measured([[0.0, 0.0]])]) is None


def test_of_many_units_some_are_drawn_from_the_first_to_the_last():
    norms = np.random.default_rng(0).permutation(1000) + 1.0
    found = measured(norms[np.newaxis])
    assert len(found.unit_norms) == 64
    assert (found.unit_norms[0], found.unit_norms[-1]) == (1000, 1)
    assert list(found.unit_norms) == sorted(found.unit_norms, reverse=True)


def test_a_power_law_is_a_straight_line_through_its_tail():
    ranks = tuple(range(1, 65))
    alpha = 3.0
    values = tuple(8 * rank ** (-1 / (2 * (alpha - 1))) for rank in ranks)
    spectrum = Spectrum(
        (64, 64), 8.0, 0.0, alpha=alpha, alpha_tail=64, ranks=ranks, singular_values=values
    )
    found = spectrum_panel([spectrum])
    curve, fit = found.shapes
    assert fit.dashes
    assert points(fit) == [(0, 100), (100, 0)]
    assert all(y == pytest.approx(100 - x, abs=1) for x, y in points(curve))
    assert [tick.text for tick in found.columns] == ["1", "10", "64"]
    assert "the 64 largest, alpha 3." in found.caption
    few = replace(spectrum, alpha=None, alpha_tail=None)
    assert len(spectrum_panel([few, few]).shapes) == 2


def test_every_kernel_of_a_small_model_can_be_opened_and_is_linked():
    text = render(deep(20))
    page = Page(text)
    assert text.count('<details class="detail">') == 20
    assert "m1w1d" in page.ids
    assert text.count('<a href="#m1w1d">') == 1
    assert "Dashed: as GlorotUniform drew them." in page.words
    assert not any(name in page.words for name in ("nan", "inf "))


def test_of_a_large_model_those_with_findings_and_the_largest_can(monkeypatch):
    monkeypatch.setattr(kernel_details, "MOST", 2)
    monkeypatch.setattr(kernel_details, "LEAST", 2)
    sizes = {"a": 5, "b": 2, "c": 9}
    layers = [dense(name, 0.01, np.ones((size, 3))) for name, size in sizes.items()]
    text = render(audited(*layers, findings=[finding("b/kernel")]))
    shown = re.findall(r'<details class="detail"><summary><code>(.*?)</code>', text)
    assert shown == ["b/kernel", "c/kernel"]
    assert "1 more kernel is left out, as those with findings come first" in Page(text).words


def test_among_other_models_each_has_a_few():
    text = render(deep(20), deep(3, file="other.keras"))
    assert text.count('<details class="detail">') == kernel_details.AMONG_MODELS + 3


def test_without_counts_there_are_none():
    report = audited(dense("a"))
    bare = {path: replace(found, histogram=None) for path, found in report.moments.items()}
    assert "one by one" not in render(replace(report, moments=bare))
