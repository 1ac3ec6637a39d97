"""What changed between two files as an HTML page."""

import re
from itertools import pairwise

import numpy as np
import pytest
from command_line import run
from msgspec.structs import replace
from page_values import HOSTILE, Page, audited, dense, drawings, finding, marks, rule, table, to_l2
from paths import MODELS

from regaudit.changes.compare import diff
from regaudit.changes.html import TOGETHER, html
from regaudit.model import Optimizer
from regaudit.report.severity import Severity
from regaudit.report.view import View


@pytest.fixture
def old():
    return audited(
        dense("same", 0.01),
        dense("eased", 0.02, np.full((2, 3), 1.0)),
        dense("gone", 0.01),
        dense("grown", 0.01, np.zeros((2, 3))),
        file="old.keras",
        findings=[finding("eased/kernel", code="REG201", message="it was so")],
    )


@pytest.fixture
def new():
    return audited(
        dense("same", 0.01),
        dense("eased", None, np.full((2, 3), 0.5)),
        dense("come", None, np.ones((4, 4))),
        dense("grown", 0.01, np.ones((2, 3))),
        file="new.keras",
        findings=[finding("come/kernel", suggestion=to_l2("come/kernel"))],
    )


def render(old, new, **settings):
    return html(diff(old, new), [rule(), rule("REG201")], View(**settings))


def test_the_top_says_what_is_worse_where_and_what_to_do(old, new):
    text = render(old, new)
    words = Page(text.split("</header>")[0] + "</header></body></html>").words
    for said in (
        "old.keras → new.keras",
        "1 new finding",
        "E error title of REG101 come/kernel",
        "Give come this argument: kernel_regularizer= keras.regularizers.L2(0.0002)",
        "Findings: 1 new, 1 fixed",
        "Regularizers: 2 removed",
        "Weights: 2 changed, 1 added, 1 removed, 1 the same",
    ):
        assert said in words, said


def test_findings_come_by_what_happened_to_them(old, new):
    words = Page(render(old, new)).words
    parts = ("New E error REG101", "because it & that", "Fixed E error REG201", "it was so")
    places = [words.index(part) for part in parts]
    assert places == sorted(places)


def test_what_is_fixed_comes_with_nothing_to_do(old, new):
    again = replace(old, findings=new.findings)
    code = new.findings[0].items[0].suggestion.code
    assert code in html(diff(old, again), [rule()], View())
    assert code not in html(diff(again, old), [rule()], View())


def test_every_weight_that_moved_has_a_row_and_the_others_are_named(old, new):
    text = render(old, new)
    rows = {row[0]: row[1:] for row in table(text, "sortable moved")}
    assert rows["eased/kernel"][:6] == ["changed", "2.449", "1.225", "-50.0%", "-50.0%", "-50.0%"]
    assert rows["come/kernel"][:4] == ["added 4x4", "-", "4", "-"]
    assert rows["gone/kernel"][:4] == ["removed 2x3", "1.225", "-", "-"]
    assert rows["grown/kernel"][6:] == ["100% → 0%", "3 → 0", "0 → 0.06"]
    assert len(rows) == 4
    assert "1 weight the same in both files same/kernel" in Page(text).words
    assert table(text, "sortable") == [
        ["eased/kernel", "kernel_regularizer", "removed", "l2(0.02)", "none"],
        ["gone/kernel", "kernel_regularizer", "removed", "l2(0.01)", "none"],
    ]


def test_the_charts_show_both_sides(old, new):
    charts = drawings(render(old, new))
    strengths = marks(charts["Strengths before and after"])
    assert "eased/kernel: l2(0.02) (old)" in strengths
    assert "eased/kernel: no regularizer (new)" in strengths
    assert "eased/kernel: 0.5x its old norm" in marks(charts["Size against before"])
    emptiness = marks(charts["Zeros and dead units before and after"])
    assert {"grown/kernel: 3 units dead (old)", "grown/kernel: 0 units dead (new)"} <= {*emptiness}


def test_kernels_in_both_files_are_drawn_before_and_after(old, new):
    text = render(old, new)
    shown = re.findall(r'<details class="detail"><summary><code>(.*?)</code>', text)
    assert shown == ["grown/kernel", "eased/kernel"]
    (row, anchor) = re.search(r'<tr id="(w\d+)">.*?<a href="#(.*?)">eased/kernel<', text).groups()
    assert anchor == f"{row}d"
    page = Page(text)
    assert anchor in page.ids
    assert "eased/kernel L2 norm 2.449 → 1.225" in page.words
    assert "Bars: in the new file; line: in the old one." in page.words


def test_spectra_need_the_page_that_draws_them(tmp_path):
    models = [str(MODELS / f"{name}.keras") for name in ("digits-cnn", "regularized-cnn")]
    found = run("diff", *models, "--spectral")
    assert (found.exit_code, "add --format html" in found.output) == (2, True)
    page = tmp_path / "page.html"
    found = run("diff", *models[:1], *models[:1], "--spectral", "--format", "html", "-o", str(page))
    assert found.exit_code == 0
    assert "No weight that is shown changed." in page.read_text("utf-8")


def test_nothing_differs(old):
    text = render(old, old)
    words = Page(text).words
    assert "E error Nothing differs." in words
    assert "In all, the new file has 1 error" in words
    assert "The same findings in both files." in words
    assert "The same regularizers in both files." in words
    assert not drawings(text)


def test_better_is_said_to_be_no_worse(old):
    better = replace(old, findings=())
    assert "✓ clean Nothing is worse than before." in Page(render(old, better)).words
    milder = finding("eased/kernel", code="REG201", severity=Severity.NOTE)
    words = Page(render(old, replace(old, findings=[milder]))).words
    assert "Milder than before N note REG201" in words
    assert "1 worse than before" in Page(render(replace(old, findings=[milder]), old)).words


def test_an_optimizer_that_lost_its_decay_is_named(old):
    tuned = replace(old.model, optimizer=Optimizer("AdamW", {"learning_rate": 0.001}, 1))
    words = Page(render(old, replace(old, model=tuned))).words
    assert "weight decay 0.004, 1,234 steps → AdamW, learning rate 0.001, no weight decay" in words


def test_the_least_changed_weights_of_a_large_model_are_folded_away():
    many = TOGETHER + 7
    before = audited(*(dense(f"d{n}") for n in range(many)))
    after = audited(*(dense(f"d{n}", 0.01, np.full((2, 3), 0.6 + n)) for n in range(many)))
    text = render(before, after)
    assert text.count('<tr id="w') == many
    folded = text[text.index("7 more weights") :]
    assert folded.count('<tr id="w') == 7
    assert '<th scope="row">d0/kernel' in folded


def test_a_glob_chooses_weights(old, new):
    assert [row[0] for row in table(render(old, new, layer="e*"), "sortable moved")] == [
        "eased/kernel"
    ]
    assert "No weight that is shown changed." in render(old, new, layer="none")


def test_page_is_well_formed_and_needs_nothing_else(old, new):
    for reports in ((old, new), (new, old), (old, old)):
        text = render(*reports)
        page = Page(text)
        assert len(page.ids) == len(set(page.ids))
        targets = [value[1:] for value in page.attributes("href") if value.startswith("#")]
        labels = [name for value in page.attributes("aria-labelledby") for name in value.split()]
        assert set(targets + labels) <= set(page.ids)
        tags = [tag for tag, _ in page.tags]
        assert tags.count("table") == tags.count("caption")
        assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
        levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert not page.attributes("src", "srcset", "action", "background", "style")
        assert all(value.startswith(("#", "data:,")) for value in page.attributes("href"))
        assert set(re.findall(r"https?://[^\s\"]*", text)) <= {"http://www.w3.org/2000/svg"}
        assert text == render(*reports)
        assert text.startswith("<!DOCTYPE html>")
        assert text.endswith("</html>\n")


def test_hostile_names_are_text(old):
    hostile = audited(
        dense(HOSTILE), file=HOSTILE, findings=[finding(f"{HOSTILE}/kernel", message=HOSTILE)]
    )
    for reports in ((old, hostile), (hostile, old)):
        text = render(*reports)
        page = Page(text)
        tags = [tag for tag, _ in page.tags]
        assert tags.count("script") == 1
        assert "img" not in tags
        assert not [name for _, names in page.tags for name in names if name.startswith("on")]
        assert not {"\u202e", "\x1b"} & set(text)


def test_one_run_writes_several_formats(tmp_path):
    files = [str(MODELS / f"{name}-cnn.keras") for name in ("digits", "regularized")]
    page, data = tmp_path / "d.html", tmp_path / "d.json"
    more = ["--output", f"html:{page}", "--output", f"json:{data}"]
    result = run("diff", *files, *more)
    assert result.exit_code == 0
    assert "Nothing is worse than before." in result.output
    words = Page(page.read_text("utf-8")).words
    assert "Findings: 1 fixed" in words
    assert "Settings in force" in words
    assert re.search(r"SHA-256 [0-9a-f]{64} [0-9a-f]{64}", words)
    assert '"regaudit-diff/1"' in data.read_text("utf-8")
    alone = run("diff", *files, "--format", "html")
    assert alone.output == page.read_text("utf-8")
    wrong = run("diff", *files, "--output", f"sarif:{data}")
    assert wrong.exit_code == 2
    assert (
        "is not FORMAT:FILE, where FORMAT is one of html, json, markdown, terminal" in wrong.output
    )
