"""The HTML page in a real browser: what a person does with it, and what it must never do."""

import re
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace
from page_values import HOSTILE, audited, deep, dense, finding, render, rule, to_l2
from paths import MODELS
from sweep_values import hostile

from regaudit import audit
from regaudit.changes.compare import diff
from regaudit.changes.html import html
from regaudit.evidence.training_facts import Facts
from regaudit.renderers.html import Html
from regaudit.report.view import View
from regaudit.settings.config import Config
from regaudit.sweeping.html import page as sweep

pytestmark = pytest.mark.browser

DIGITS = MODELS / "digits-cnn.keras"


@pytest.fixture(scope="module")
def digits():
    """The page of the digits CNN, as a user gets it."""
    config = replace(Config.default(), detailed=True)
    report = audit(DIGITS, config)
    return Html().render([report], [rule.about for rule in config.rules], View())


@pytest.fixture(scope="module")
def twenty():
    found = [
        finding("block_0/dense_0/kernel", suggestion=to_l2("block_0/dense_0/kernel")),
        finding(*(f"block_0/dense_{n}/kernel" for n in range(12)), code="REG201"),
    ]
    report = deep(20, names="block_{block}/dense_{i}", findings=found)
    return render(report, rules=[rule("REG101"), rule("REG201"), rule("REG402")])


@pytest.fixture(scope="module")
def thousands():
    paths = [f"encoder/block_{n // 12}/dense_{n}/kernel" for n in range(0, 3000, 7)]
    return render(deep(3000, findings=[finding(*paths)]), rules=[rule("REG101")])


@pytest.fixture(scope="module")
def compared():
    """The page of a comparison: the digits CNN after a small one, as a user gets it."""
    config = replace(Config.default(), detailed=True)
    reports = [audit(DIGITS.with_name("regularized-cnn.keras"), config), audit(DIGITS, config)]
    return html(diff(*reports), [rule.about for rule in config.rules], View())


def column(tab, number, table="table.weights"):
    """Return the visible cells of a column."""
    return tab.run(
        f"[...document.querySelectorAll('{table} tbody tr')].filter((row) => row.offsetParent)"
        f".map((row) => row.cells[{number}].innerText.trim())"
    )


def click(tab, selector, text=""):
    tab.run(
        f"[...document.querySelectorAll({selector!r})]"
        f".find((one) => one.textContent.startsWith({text!r})).click()"
    )


def numbers(cells):
    return [float(cell.replace(",", "")) for cell in cells if cell != "-"]


def test_a_click_sorts_another_turns_it_and_a_third_restores(show, twenty):
    tab = show(twenty)
    before = column(tab, 10)
    click(tab, "table.weights th button", "L2 norm")
    assert numbers(column(tab, 10)) == sorted(numbers(before), reverse=True)
    assert tab.run("document.querySelectorAll('[aria-sort=descending]').length") == 1
    click(tab, "table.weights th button", "L2 norm")
    assert numbers(column(tab, 10)) == sorted(numbers(before))
    click(tab, "table.weights th button", "L2 norm")
    assert column(tab, 10) == before
    assert tab.run("document.querySelectorAll('[aria-sort]').length") == 0
    click(tab, "table.weights th button", "Layer")
    names = column(tab, 0)
    assert names[:5] == ["block_0/dense_0"] * 2 + ["block_0/dense_1"] * 2 + ["block_0/dense_2"]
    click(tab, "table.weights th button", "Penalty")
    assert column(tab, 7)[-1] == "-"


def test_the_filter_keeps_rows_with_all_its_words(show, twenty):
    tab = show(twenty)
    tab.run(
        "(() => { const box = document.querySelector('input[type=search]');"
        "box.value = 'dense_1 KERNEL'; box.dispatchEvent(new Event('input')); })()"
    )
    assert set(column(tab, 2)) == {"kernel"}
    assert len(column(tab, 0)) == 11
    assert "11 of 40 rows" in tab.run("document.querySelector('.tools').innerText")


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_remembered(show, twenty):
    tab = show(twenty, dark=True)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = tab.run(background)
    tab.theme(dark=False)
    light = tab.run(background)
    assert dark != light
    click(tab, ".themes button", "dark")
    assert tab.run(background) == dark
    assert tab.run("document.querySelector('.themes [aria-pressed=true]').value") == "dark"
    tab.open(tab.run("location.href"))
    assert tab.run(background) == dark
    click(tab, ".themes button", "light")
    tab.theme(dark=True)
    assert tab.run(background) == light
    click(tab, ".themes button", "auto")
    assert tab.run(background) == dark


def test_folds_open_and_links_lead_to_rows(show, twenty):
    tab = show(twenty)
    hidden = "![...document.querySelectorAll('.places')].at(-1).checkVisibility()"
    assert tab.run(hidden)
    click(tab, ".finding summary", "4 more places")
    assert not tab.run(hidden)
    target = tab.run("document.querySelector('.todo td a[href*=w]').click(); location.hash")
    assert re.fullmatch(r"#m1w\d+", target)
    tab.draw()
    assert tab.run(
        "(() => { const box = document.querySelector(':target').getBoundingClientRect();"
        "return box.top >= 0 && box.bottom <= innerHeight; })()"
    )


def test_copy_puts_the_code_on_the_clipboard(show, digits):
    tab = show(digits)
    click(tab, ".copy", "Copy")
    wait = "new Promise((done) => setTimeout(done, 100))"
    tab.run(wait)
    assert tab.run("document.querySelector('.copy').textContent") == "Copied"
    pasted = tab.run(
        "(() => { const box = document.body.appendChild(document.createElement('textarea'));"
        "box.focus(); return box; })(), 1"
    )
    tab.send("Input.dispatchKeyEvent", type="keyDown", commands=["paste"], key="v", modifiers=2)
    tab.run(wait)
    pasted = tab.run("document.querySelector('textarea').value")
    assert pasted == "kernel_regularizer=keras.regularizers.L2(0.0002)"


def test_heads_of_tables_stay_in_sight(show, twenty):
    tab = show(twenty)
    places = tab.run(
        "(() => { const box = document.querySelector('table.weights').parentElement;"
        "box.scrollTop = 300; const head = box.querySelector('thead th').getBoundingClientRect();"
        "return [box.scrollTop, head.top - box.getBoundingClientRect().top]; })()"
    )
    assert places[0] == 300
    assert 0 <= places[1] < 3


def test_a_link_opens_a_kernel_without_scripts_and_its_axes_are_where_they_should_be(show, twenty):
    tab = show(twenty, address="#m1w1d", scripts=False)
    tab.send("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.run("[...document.querySelectorAll('.detail')].map((one) => one.open)") == [
        number == 0 for number in range(20)
    ]
    lines = tab.run(
        "(() => { const drawn = document.querySelector('#m1w1d svg');"
        "const box = drawn.querySelector('svg').getBoundingClientRect();"
        "const zero = drawn.querySelector('use[x]').getBoundingClientRect();"
        "const label = [...drawn.querySelectorAll('g text')]"
        ".find((one) => one.textContent === '0').getBoundingClientRect();"
        "return [box.left, box.right, zero.left, (label.left + label.right) / 2]; })()"
    )
    left, right, zero, label = lines
    assert left < zero < right
    assert abs(zero - label) < 2


def test_the_table_fits_and_its_wide_columns_are_a_key_away_without_scripts(show, twenty):
    for width in (1280, 1600):
        tab = show(twenty, width=width, scripts=False)
        tab.send("Emulation.setScriptExecutionDisabled", value=False)
        box = "document.querySelector('table.weights').parentElement"
        assert tab.run(f"{box}.scrollWidth <= {box}.clientWidth")
        heads = (
            "[...document.querySelectorAll('table.weights thead th')]"
            ".filter((one) => one.checkVisibility()).map((one) => one.innerText)"
        )
        assert "L1 norm" not in tab.run(heads)
        tab.run("document.querySelector('.columns input').focus()")
        for kind in ("keyDown", "keyUp"):
            tab.send("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" ")
        assert len(tab.run(heads)) == 17


def test_the_first_screen_says_what_is_wrong_where_and_what_to_do(show):
    losses = Facts(train_loss=0.0032, val_loss=0.5083)
    config = replace(Config.default(), facts=losses)
    report = audit(DIGITS, config)
    digits = Html().render([report], [rule.about for rule in config.rules], View())
    for width, height in ((1280, 720), (390, 844)):
        tab = show(digits, width=width, height=height, mobile=width < 500)
        seen = tab.run(
            "[...document.querySelectorAll('.todo caption, .todo td')].filter((cell) =>"
            "cell.getBoundingClientRect().bottom <= innerHeight).map((cell) => cell.innerText)"
        )
        words = " ".join(seen)
        assert "1 error" in words
        assert "hidden/kernel" in words
        assert "kernel_regularizer=keras.regularizers.L2(0.0005)" in words


def test_under_the_policy_of_jenkins_charts_keep_their_shape(browser, tmp_path, twenty):
    policy = "default-src 'none'; img-src 'self'; style-src 'self'"
    file = tmp_path / "report.html"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    file.write_text(twenty.replace("<head>", f"<head>{meta}", 1), "utf-8")
    tab = browser.page()
    tab.open(file.as_uri())
    assert tab.run("document.querySelector('.themes')") is None
    assert tab.run("getComputedStyle(document.body).maxWidth") == "none"
    drawn = tab.run(
        "[...document.querySelectorAll('figure > svg circle, figure > svg rect')]"
        ".map((one) => [getComputedStyle(one).fill, one.getBoundingClientRect().width])"
    )
    assert len(drawn) > 20
    assert {"rgb(63, 131, 207)"} <= {fill for fill, _ in drawn}
    assert all(width > 0 for fill, width in drawn if fill == "rgb(63, 131, 207)")


def test_hostile_names_do_nothing(show):
    layers = [dense(HOSTILE), dense("javascript:alert(1)"), dense("</title></svg><script>")]
    found = finding(f"{HOSTILE}/kernel", message=HOSTILE, observed={HOSTILE: HOSTILE})
    many = [audited(*layers, file=f"{n}{HOSTILE}", findings=[found]) for n in range(2)]
    pages = [render(*many[:1]), render(*many)]
    pages += [html(diff(audited(dense("a")), many[0]), [], View()), sweep(hostile())]
    for text in pages:
        tab = show(text)
        assert tab.run("document.scripts.length") == 1
        assert tab.run("document.images.length") == 0


def test_on_paper_is_what_is_wrong_and_the_table_and_no_more(show, paper):
    found = [finding(*(f"block_0/dense_{n}/kernel" for n in range(12)))]
    report = deep(60, names="block_{block}/dense_{i}", findings=found)
    pages = paper(show(render(report, rules=[rule(), rule("REG999")]), dark=True))
    text = "\n".join(pages)
    assert "block_0/dense_7/kernel: far too large" in text
    assert "The model along its depth" in text
    assert "block_4/dense_59" in text  # the last row of the table
    for left_out in ("Filter rows", "Settings", "passed", "REG999", "Histograms", "because it"):
        assert left_out not in text
    assert len(re.findall("Of initial", text)) > 1  # the head of the table, on each page
    assert len(pages) <= 4


def test_a_model_of_twenty_layers_takes_two_sheets(show, paper):
    layers = [dense(f"dense_{n}", 0.01, np.full((4, 4), 0.5)) for n in range(20)]
    found = [finding("dense_3/kernel"), finding("dense_9/kernel", code="REG201")]
    report = audited(*layers, findings=found)
    assert len(paper(show(render(report, rules=[rule(), rule("REG201")])))) <= 2


def test_thousands_of_layers_open_and_sort_at_once(browser, tmp_path, thousands):
    file = tmp_path / "report.html"
    file.write_text(thousands, "utf-8")
    assert len(thousands.encode()) < 1_850_000
    tab = browser.page()
    tab.send("Performance.enable", timeDomain="threadTicks")

    def spent():
        measured = tab.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in measured if one["name"] == "TaskDuration")

    tab.open(file.as_uri())
    assert spent() < 2
    assert len(column(tab, 0)) == 250
    before = spent()
    click(tab, "table.weights th button", "L2 norm")
    tab.draw()
    assert spent() - before < 1
    shown = numbers(column(tab, 10))
    assert len(shown) == 200
    assert shown == sorted(shown, reverse=True)
    assert "200 of 6,000 rows" in tab.run("document.querySelector('.tools').innerText")
    assert "Show all 6,000" in tab.run("document.querySelector('.tools').innerText")
    assert tab.complaints() == []


@pytest.mark.parametrize("styled", [True, False])
def test_thousands_of_layers_open_at_once_without_scripts(browser, tmp_path, thousands, styled):
    bare = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", thousands, flags=re.DOTALL)
    file = tmp_path / "report.html"
    file.write_text(thousands if styled else bare, "utf-8")
    tab = browser.page(scripts=False)
    tab.send("Performance.enable", timeDomain="threadTicks")
    tab.open(f"{file.as_uri()}#m1w1401")
    measured = tab.send("Performance.getMetrics")["metrics"]
    assert next(one["value"] for one in measured if one["name"] == "TaskDuration") < 2
    # The block of the row that the address names has opened; the others wait for a click.
    tab.send("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.run("document.querySelectorAll('.weights details[open]').length") == 1
    assert tab.run("document.getElementById('m1w1401').checkVisibility()")


def test_a_link_into_a_folded_block_opens_it(show, thousands):
    tab = show(thousands, address="#m1w1401")
    assert tab.run("document.getElementById('m1w1401').offsetParent !== null")
    assert len(column(tab, 0)) == 250 + 24


def test_trends_and_index_work(show):
    reports = [
        audited(dense("a", 0.01, np.full((4, 4), n)), file=f"ckpt-{n}.keras") for n in range(1, 13)
    ]
    tab = show(render(*reports, rules=[rule()]))
    click(tab, "table.index th button", "Penalty")
    assert column(tab, 0, "table.index")[0] == "ckpt-12.keras"
    click(tab, "table.index a", "ckpt-7")
    assert tab.run("location.hash") == "#m7"
    for width in (390, 1280):
        tab.resize(width)
        labels = tab.run(
            "[...document.querySelectorAll('.run svg')].map((chart) =>"
            "[...chart.querySelectorAll(':scope > text[text-anchor]')]"
            ".map((one) => one.getBoundingClientRect()).map((box) => [box.left, box.right]))"
        )
        assert len(labels[0]) == 12
        for ends in labels:
            assert all(one[1] < other[0] for one, other in pairwise(ends))


def test_a_comparison_sorts_by_change_and_finds_its_weights(show, compared):
    tab = show(compared)
    click(tab, "table.moved th button", "L2 change")
    changes = [cell.rstrip("%") for cell in column(tab, 4, "table.moved")]
    assert numbers(changes) == sorted(numbers(changes), reverse=True)
    click(tab, "table.moved th button", "Sparsity")
    assert column(tab, 7, "table.moved")[-1] == "100% → 0%"
    target = tab.run("document.querySelector('.todo td:nth-child(2) a').click(); location.hash")
    assert tab.run(f"document.querySelector('{target} th').innerText") == "hidden/kernel"


def test_a_large_comparison_folds_what_changed_least_until_a_script_sorts_it(show):
    files = [
        audited(*(dense(f"d{n}", 0.01, np.full((2, 2), 1 + side * n)) for n in range(700)))
        for side in (0, 1)
    ]
    tab = show(html(diff(*files), [], View()))
    assert "200 of 699 rows" in tab.run("document.querySelector('.tools').innerText")
    click(tab, "table.moved th button", "New L2 norm")
    click(tab, "table.moved th button", "New L2 norm")
    assert column(tab, 0, "table.moved")[:2] == ["d1/kernel", "d2/kernel"]
