"""The HTML page: what its readers rely on, with and without scripts, styles and a network."""

import base64
import hashlib
import re
import sys
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace
from page_values import (
    HOSTILE,
    Page,
    audited,
    bars,
    deep,
    dense,
    drawings,
    finding,
    item,
    render,
    rule,
    table,
    to_l2,
)
from paths import MODELS

from regaudit import audit
from regaudit.model import Regularizer, Skip, Status
from regaudit.pages import charts
from regaudit.pages.template import _environment
from regaudit.report.proposal import Edit, Suggestion
from regaudit.report.report import Failure, Finding, NotRun, Report, Suppressed
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.settings.config import Config


@pytest.fixture
def report():
    return audited(
        dense("first", 0.01),
        dense("second", 0.03),
        dense("bare", None, np.arange(12.0).reshape(3, 4)),
        dense("still", 0.5, status=Status.FROZEN),
        findings=[
            finding(
                "bare/kernel",
                observed={"parameters": 1_000_000, "share": 0.123456, "by": "us"},
                evidence=("dropout beside it",),
                suggestion=to_l2("bare/kernel", 0.00125, "where a sweep starts"),
            ),
            finding(
                "second/kernel", code="REG402", severity=Severity.NOTE, message="somewhat <dead>"
            ),
        ],
        skipped=(Skip("extra/kernel", "not in the file"),),
    )


@pytest.fixture
def rules():
    return [rule("REG101"), rule("REG201"), rule("REG402")]


PARTS = ("findings", "suggestions", "weights", "charts", "file")


def test_says_what_there_is_in_order(report, rules):
    words = Page(render(report, rules=rules)).words
    for text in (
        "model.keras",
        "1 error, 1 note",
        "2 weights of 4 are regularized",
        "4 of 4 stored weights measured in 4 layers",
        "extra/kernel : not in the file",
        "Format keras",
        "2.5 MB",
        "3.15.1",
        "2026-01-02@03:04:05",
        'Functional "small"',
        "4 layers, 30 parameters (30 trainable)",
        "AdamW, learning rate 0.001, weight decay 0.004, 1,234 steps",
        "0.06 added to the loss by 2 weights (complete)",
    ):
        assert text in words
    text = render(report, rules=rules)
    parts = ('class="verdict', *(f'id="m1-{part}"' for part in PARTS), 'id="settings"')
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_shows_findings_with_their_reasons(report, rules):
    text = render(report, rules=rules)
    words = Page(text).words
    for part in (
        "E error REG101 title of REG101",
        "bare/kernel : far too large",
        "In its favour: dropout beside it.",
        "parameters 1,000,000 · share 0.1235 · by us",
        "Suggested: kernel_regularizer=keras.regularizers.L2(0.0002)",
        "Give bare this argument: kernel_regularizer= keras.regularizers.L2(0.0002)",
        'Dense(..., name="bare", kernel_regularizer=keras.regularizers.L2(0.0002))',
        "Adds 0.00125 to the loss at today's weights: where a sweep starts.",
        "Fix: do this",
        "because it & that",
        "seldom",
        "Somebody (2016)",
        "N note REG402",
        "somewhat <dead>",
        "REG201 title of REG201",
    ):
        assert part in words
    anchor = re.search(r'<a href="#(\w+)"><code>bare/kernel', text).group(1)
    assert re.search(rf'<tr id="{anchor}"><th scope="row"><a href="#{anchor}d">bare<', text)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("its weight decay acts", "No change: its weight decay acts"),
        ("No strength is proposed: who knows.", "No strength is proposed: who knows."),
    ],
)
def test_what_to_do_is_what_the_finding_says(why, said, rules):
    """Not the cure of the rule, where the proposal says to leave a place."""
    found = finding("first/kernel", no_suggestion=why)
    text = render(audited(dense("first", 0.01), findings=[found]), rules=rules)
    todo, _, _ = Page(text).words.partition("Findings Suggestions")
    assert said in todo
    assert "do this" not in todo
    assert Page(text).words.count(said) == 2


def test_folds_places_but_drops_none(rules):
    paths = [f"layer_{number}/kernel" for number in range(30)]
    text = render(audited(findings=[finding(*paths)]), rules=rules)
    assert "22 more places" in text
    assert all(text.count(f"<code>{path}</code>: far") == 1 for path in paths)


def test_finding_of_a_rule_that_is_not_listed_is_shown(report):
    words = Page(render(report)).words
    assert "E error REG101 name-reg101" in words
    assert "No rules were checked." in words


def test_milder_places_of_a_finding_say_so():
    places = (item("a/kernel"), item("b/kernel", Severity.NOTE))
    words = Page(render(audited(findings=[Finding("REG101", "large", places)]))).words
    assert "a/kernel : far" in words
    assert "b/kernel (note): far" in words


def test_rules_that_were_not_run_are_named_and_have_not_passed(rules):
    lacking = NotRun("REG201", "name-reg201", "--train-loss")
    words = Page(render(audited(not_run=(lacking,)), rules=rules)).words
    assert "REG201 name-reg201: not run: needs --train-loss" in words
    assert "2 rules passed" in words


def test_accepted_places_are_listed_and_their_rules_have_not_passed(rules):
    accepted = Suppressed("REG201", "name-reg201", item(f"{HOSTILE}/kernel"), "pruned later")
    words = Page(render(audited(suppressed=(accepted,)), rules=rules)).words
    assert "1 place accepted by an ignore or the baseline" in words
    assert "/kernel is accepted: pruned later" in words
    assert "2 rules passed" in words


def test_one_row_for_each_weight(report):
    rows = table(render(report))
    assert rows[0][:7] == ["first", "Dense", "kernel", "2x3", "6", "l2(0.01)", "in force"]
    assert rows[0][7:] == [
        "0.015",
        "25.0%",
        "3",
        "1.225",
        "-",
        "0.5",
        "0%",
        "0%",
        "0 of 3",
        "3 of 3",
    ]
    assert rows[2][5:9] == ["-", "E REG101", "-", "-"]
    assert rows[2][9:] == ["66", "22.49", "-", "11", "8.3%", "8.3%", "0 of 4", "4 of 4"]
    assert rows[3][6:9] == ["frozen it is frozen", "0", "0%"]
    assert [row[0] for row in rows] == ["first", "second", "bare", "still"]


def test_numbers_of_spectra_stand_below_their_titles():
    config = Config.default(spectral=True)
    page = render(audit(MODELS / "digits-cnn.keras", config))
    table = next(
        one for one in re.findall(r"<table.*?</table>", page, re.DOTALL) if "Spectra" in one
    )
    titles, *rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    numeric = re.findall(r"<th scope=\"col\"( class=\"n\")?>", titles)[1:]
    assert len(rows) == 3
    assert all(re.findall(r"<td( class=\"n\")?>", row) == numeric for row in rows)


def test_says_what_is_not_known():
    values = np.ones((2, 2))
    values[0, 0] = np.nan
    known, unread, opaque = dense("nan", None, values), dense("unread"), dense("own")
    report = audited(known, unread, opaque, penalties={"layers/own/vars/0": None})
    moments = {path: m for path, m in report.moments.items() if "unread" not in path}
    report = Report("m.keras", model=report.model, moments=moments, penalties=report.penalties)
    rows = table(render(report))
    assert rows[0][6:] == ["1 value not finite"] + ["-"] * 6 + ["0%", "0%", "0 of 2", "-"]
    assert "not measured" in rows[1][6]
    assert rows[1][9:] == ["-"] * 8
    assert rows[2][7:9] == ["unknown", "unknown"]
    assert "(complete)" not in render(report)


def test_bars_agree_with_the_table(report):
    text = render(report)
    rows = {f"{row[0]}/{row[2]}": row for row in table(text)}
    shares = bars(drawings(text)["Share of the penalty"])
    assert [bar[1] for bar in shares] == ["second/kernel", "first/kernel"]
    assert [bar[3] for bar in shares] == [75.0, 25.0]
    for title, path, value, _ in shares:
        assert rows[path][8] == value
        assert title == f"{path}: {value}"


def test_the_longest_bars_are_shown_and_the_rest_counted():
    long = "block/" * 20
    layers = [dense(f"{long}{n}", 0.01, np.full((2, 2), n + 1.0)) for n in range(45)]
    text = render(audited(*layers))
    shares = bars(drawings(text)["Share of the penalty"])
    assert len(shares) == charts.BARS
    assert f"{45 - charts.BARS} more weights with shorter bars are in the table" in text
    assert len(table(text)) == 45
    assert all(len(label) == 38 and "…" in label for _, label, _, _ in shares)
    assert shares[0][1].endswith("44/kernel")


def test_a_model_without_penalties_or_weights_is_no_special_case():
    text = render(audited(dense("bare", None)))
    assert "No weight shown adds to the loss." in text
    assert list(drawings(text)) == ["The model along its depth", "Strength along the depth"]
    assert "No rule found anything in what was examined." in text
    text = render(audited())
    assert "The model has no weights." in text
    assert not drawings(text)


def test_regularizers_of_no_weight_have_a_table():
    activity = Regularizer("L1", 0.1, 0.0, {}, Status.IN_FORCE)
    lost = Regularizer("Mine", None, None, {}, Status.UNKNOWN, "no such weight")
    layer = dense("a", activity_regularizer=activity, unplaced={"odd_regularizer": lost})
    assert table(render(audited(layer)), "sortable") == [
        ["a", "Dense", "activity_regularizer", "l1(0.1)", "in force"],
        ["a", "Dense", "odd_regularizer", "Mine", "unknown no such weight"],
    ]


def test_view_chooses_what_is_shown(report):
    assert "sortable" not in render(report, view=View(tables=False)).split("<body>")[1]
    text = render(report, view=View(layer="s*", sort="penalty"))
    assert [row[0] for row in table(text)] == ["second", "still"]
    assert "2 weights of 4, those of layers named s*, ordered by penalty" in text
    assert "is of a layer named none" in render(report, view=View(layer="none"))


def test_failure_is_shown_plainly(rules):
    failed = Report("bad.keras", size=12, failure=Failure("UnsafeFileError", "a <bomb>"))
    words = Page(render(failed, rules=rules)).words
    assert "could not be audited: a <bomb>" in words
    assert "UnsafeFileError" in words
    assert "passed" not in words
    assert "No rule found" not in words
    assert "Findings" not in words


def test_several_reports_have_an_index(report):
    failed = Report("bad.keras", failure=Failure("UnreadableModelError", "no such file"))
    clean = audited(dense("first"), file="clean.keras")
    text = render(report, failed, clean)
    page = Page(text)
    assert "2 of 3 models audited ! failed 1 model E error 1 model ✓ clean 1 model" in page.words
    rows = table(text, "sortable index")
    assert [row[0] for row in rows] == ["bad.keras", "model.keras", "clean.keras"]  # by risk
    assert rows[0][2] == "! failed could not be audited: no such file"
    assert rows[1][2].startswith("E error REG101 name-reg101 bare/kernel")
    assert rows[1][3:6] == ["1", "0", "1"]
    assert rows[2][2] == "✓ clean"
    first = table(text, "sortable faults")[0]
    assert first[:5] == ["REG101", "name-reg101", "E error", "1", "33.3%"]
    for name in ("model.keras", "bad.keras", "clean.keras"):
        anchor = re.search(rf'<a href="#(\w+)">{name}<', text).group(1)
        assert f'<h2 id="{anchor}">{name}</h2>' in text
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_no_reports_is_said():
    assert "There was nothing to audit" in Page(render()).words


def test_page_is_well_formed(report, rules):
    for reports in ((), (report,), (report, report)):
        page = Page(render(*reports, rules=rules))
        assert len(page.ids) == len(set(page.ids))
        targets = [value[1:] for value in page.attributes("href") if value.startswith("#")]
        labels = [name for value in page.attributes("aria-labelledby") for name in value.split()]
        assert set(targets + labels) <= set(page.ids)
        tags = [tag for tag, _ in page.tags]
        assert tags.count("table") == tags.count("caption")
        assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
        levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_page_needs_nothing_else(report, rules):
    text = render(report, rules=rules)
    page = Page(text)
    assert not page.attributes("src", "srcset", "action", "background", "style")
    assert all(value.startswith(("#", "data:,")) for value in page.attributes("href"))
    assert set(re.findall(r"https?://[^\s\"]*", text)) == {"http://www.w3.org/2000/svg"}
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_only_its_own_script_may_run(report):
    text = render(report)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_hostile_names_are_text():
    layer = dense(HOSTILE, unplaced={HOSTILE: Regularizer(HOSTILE, None, None, {}, Status.OPAQUE)})
    found = finding(
        f"{HOSTILE}/kernel",
        message=HOSTILE,
        observed={HOSTILE: HOSTILE},
        evidence=(HOSTILE,),
        suggestion=Suggestion(HOSTILE, f"{HOSTILE}\nsecond", (), 0.0, HOSTILE),
    )
    hostile = audited(layer, file=HOSTILE, findings=[found], skipped=(Skip(HOSTILE, HOSTILE),))
    failed = Report(HOSTILE, failure=Failure(HOSTILE, HOSTILE))
    for reports in ((hostile,), (failed,), (hostile, failed)):
        text = render(*reports, view=View(layer="*\u202e*"))
        page = Page(text)
        tags = [tag for tag, _ in page.tags]
        assert tags.count("script") == 1
        assert "img" not in tags
        assert not [name for _, names in page.tags for name in names if name.startswith("on")]
        assert not {"\u202e", "\x1b"} & set(text)
        assert "\\u202egpj.\\x1b[2J" in page.words


def test_size_stays_small(rules):
    paths = [f"encoder/block_{n // 12}/dense_{n}/kernel" for n in range(200)]
    small, full = (len(render(deep(n), rules=rules).encode()) for n in (1, 200))
    each = [finding(*paths, code=code) for code in ("REG101", "REG201")]
    found = render(deep(200, findings=each), rules=rules)
    assert full < 240_000
    assert len(found.encode()) < 300_000
    assert (full - small) / 199 < 1_000


def test_names_the_worst_finding_first_with_its_place_and_its_cure(report, rules):
    text = render(report, rules=rules)
    rows = table(text, "todo")
    assert [row[0] for row in rows] == ["E error title of REG101", "N note title of REG402"]
    assert rows[0][1] == "bare/kernel far too large"
    assert rows[0][2].endswith("kernel_regularizer=keras.regularizers.L2(0.0002)")
    assert rows[1][2] == "do this"
    many = [finding("a/kernel", code=f"REG10{n}") for n in range(7)]
    words = Page(render(audited(dense("a"), findings=many))).words
    assert "7 errors : the worst 5 of 7 findings" in words


def test_suggestions_say_what_there_is_and_what_there_would_be(report):
    rows = table(render(report), "changes")
    code = "kernel_regularizer=keras.regularizers.L2(0.0002)"
    assert rows == [["bare/kernel", "-", code, "0", "0.00125", "REG101: where a sweep starts"]]
    assert "No strength is to be changed." in render(audited(dense("a")))


def test_of_two_suggestions_for_a_weight_the_program_takes_that_of_the_worse_finding():
    def suggestion(strength):
        edits = (Edit("a", "kernel_regularizer", None),)
        return Suggestion("a/kernel", f"kernel_regularizer=L2({strength})", edits, 0.1, "so")

    found = [
        finding("a/kernel", code=code, suggestion=suggestion(strength))
        for code, strength in (("REG101", 1), ("REG202", 2))
    ]
    text = render(audited(dense("a"), findings=found))
    assert "Dense(..., name=&#34;a&#34;, kernel_regularizer=L2(1))" in text
    assert len(table(text, "changes")) == 2


def test_says_which_file_it_is_about_and_how_it_was_asked(report):
    asked = View(settings='fail-on = "error"\n[rules.REG101]\nmin_parameters = 100000\n')
    words = Page(render(replace(report, sha256="ab" * 32), view=asked)).words
    assert "ab" * 32 in words
    assert 'fail-on = "error" [rules.REG101] min_parameters = 100000' in words
    assert "SHA-256" not in render(report)


def test_a_large_model_is_grouped_by_block_and_loses_nothing():
    report = deep(501, findings=[finding("encoder/block_0/dense_3/kernel")])
    text = render(report)
    body = re.search(r'<table class="sortable weights">.*</table>', text, re.DOTALL).group(0)
    heads = re.findall(r'<tr class="block"><th scope="rowgroup">([^<]*)</th>(.*?)</tr>', body)
    assert [name for name, _ in heads] == [f"encoder/block_{n}" for n in range(42)]
    assert "<td>24 weights</td><td>12 layers</td>" in heads[0][1]
    assert "1 fault" in heads[0][1]
    assert body.count('<tr id="m1w') == body.count('<th scope="row">') == 1_002
    assert body.count("<details><summary>24 weights of encoder/block_0</summary>") == 1
    assert body.count("<details>") == body.count('<table class="weights">') == 42
    assert len(table(render(deep(500)))) == 1_000


def test_layers_without_blocks_in_their_names_are_grouped_by_number():
    text = render(deep(501, names="dense_{i}"))
    names = re.findall(r'<th scope="rowgroup">([^<]*)</th>', text)
    assert names[:2] == ["layers 1 to 50", "layers 51 to 100"]
    assert names[-1] == "layers 501 to 501"


def test_same_reports_give_the_same_bytes(report, rules):
    text = render(report, rules=rules)
    assert text == render(report, rules=rules)
    assert text.endswith("</html>\n")
    assert text.startswith("<!DOCTYPE html>")


def test_templates_are_found_in_a_bare_checkout(report, monkeypatch):
    expected = render(report)
    monkeypatch.setitem(sys.modules, "regaudit.templates", None)
    _environment.cache_clear()
    assert render(report) == expected
    _environment.cache_clear()


def test_colours_have_enough_contrast():
    style = re.search(r"<style>(.*?)</style>", render(), re.DOTALL).group(1)
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", style)
    drawn = (charts.BLUE, charts.ORANGE, charts.GREEN, charts.RED, charts.GREY)
    for theme in (1, 2):
        colours = {pair[0]: pair[theme] for pair in pairs}
        for ink in ("ink", "soft", "link", "error", "warning", "note", "clean"):
            for back in ("page", "card"):
                assert contrast(colours[ink], colours[back]) >= 4.5
        for tone in ("error", "warning", "note", "clean"):
            assert contrast(colours[tone], colours[f"{tone}-back"]) >= 4.5
        for shape in (*drawn, colours["edge"]):
            assert contrast(shape, colours["card"]) >= 3
        assert contrast(colours["ink"], colours["note-back"]) >= 4.5
        assert contrast(colours["soft"], colours["note-back"]) >= 4.5


def contrast(one, other):
    """Return the contrast ratio of two colours, by WCAG 2."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
