"""Every kind of page, as a browser shows it: at any width, in any theme, on paper, without script.

Each is opened once with scripts and once without, and everything is asked of these two.
"""

import pytest
from msgspec.structs import replace
from page_kinds import KINDS, built, notebook
from page_values import audited, dense, finding, render

from regaudit.changes.compare import diff
from regaudit.changes.html import html
from regaudit.report.view import View

pytestmark = pytest.mark.browser

SHEETS = {
    "one model": 2,
    "resnet50": 6,
    "checkpoints": 6,
    "models": 12,
    "changes": 2,
    "sweep": 3,
}
"""How many sheets of paper a page may take."""

TOO_WIDE = """(() => {
  const wide = [];
  for (const box of document.querySelectorAll(".scroll, pre"))
    if (innerWidth > 1000 && box.checkVisibility() && box.scrollWidth > box.clientWidth)
      wide.push(`scrolls: ${box.innerText.slice(0, 80)}`);
  for (const one of document.body.querySelectorAll("*"))
    if (!one.parentElement.closest(".scroll, pre, svg") && one.checkVisibility()
        && one.getBoundingClientRect().right > innerWidth + 1)
      wide.push(one.outerHTML.slice(0, 80));
  return wide;
})()"""
"""What is wider than the window; on a telephone, tables and programs may scroll by themselves."""

TEXTS = """(() => {
  const each = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = new Set();
  while (each.nextNode())
    if (!each.currentNode.parentElement.closest(".tools, .themes, .copy"))
      texts.add(each.currentNode.data.trim());
  return [...texts];
})()"""
"""Every piece of text, but for what works only with scripts."""

INVISIBLE = """[...document.querySelectorAll("p, td, th, li, dd, pre, figure")].filter((one) =>
  !one.checkVisibility() && !one.closest("details:not([open]), .weights")).length"""
"""Parts that no key and no click shows."""

CONTRAST = """(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      const alpha = channels(color)[3] ?? 1;
      if (alpha === 1) return color;
      if (alpha) throw new Error(`half transparent: ${at.tagName}`);
    }
    throw new Error("no background");
  };
  const faint = [];
  let seen = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("title, desc")) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [dark, light] = [luminance(ink), luminance(behind(element))].sort((a, b) => a - b);
    seen += 1;
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 80)}`);
  }
  return { seen, faint };
})()"""
"""Every text on the page, those in charts too, against what is behind it, by WCAG 2."""

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLORS = ["color-contrast", "link-in-text-block"]

AXE = """axe.run({{ resultTypes: ["violations"], runOnly: {} }}).then((found) =>
  found.violations.flatMap(({{ id, nodes }}) =>
    nodes.map((node) => `${{id}}: ${{node.html.slice(0, 160)}}`)))"""
"""What axe-core finds wrong."""


@pytest.mark.parametrize("kind", KINDS)
def test_it_fits_any_width_needs_no_script_and_little_paper(show, paper, kind):
    texts = []
    for scripts in (False, True):
        tab = show(built(kind), scripts=scripts)
        tab.send("Emulation.setScriptExecutionDisabled", value=False)
        for width in (390, 1280, 1600):
            tab.resize(width)
            assert tab.run(TOO_WIDE) == [], width
        texts.append(set(tab.run(TEXTS)))
        if not scripts:
            assert tab.run(INVISIBLE) == 0
            assert tab.run("document.querySelectorAll('button').length") == 0
            assert len(paper(tab)) <= SHEETS[kind]
    without, with_scripts = texts
    assert with_scripts <= without


def test_names_without_a_place_to_break_fit(show):
    name = "a" * 150
    report = audited(dense(name), file=f"{'b' * 200}.keras", findings=[finding(f"{name}/kernel")])
    pages = [render(report, replace(report, file="c")), html(diff(report, report), [], View())]
    for page in pages:
        assert show(page).run(TOO_WIDE) == []


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_fault_and_all_text_has_contrast_in_any_theme(show, axe, kind):
    tab = show(built(kind, short=True))
    tab.run("for (const part of document.querySelectorAll('details')) part.open = true")
    tab.run(f"{axe}; true")
    assert tab.run(AXE.format(TAGS)) == []
    for dark in (False, True):
        tab.theme(dark=dark)
        contrast = tab.run(CONTRAST)
        assert contrast["seen"] > 100
        assert contrast["faint"] == []
    if kind in {"one model", "changes"}:  # which between them have every colour
        assert tab.run(AXE.format(COLORS)) == []


def test_outputs_in_a_notebook_can_be_read_in_either_theme(show, axe):
    tab = show(notebook())
    tab.run("for (const part of document.querySelectorAll('details')) part.open = true")
    assert tab.run("document.querySelectorAll('[id], style ~ style, script, a').length") == 0
    assert tab.run("document.querySelectorAll('main > div > div > svg').length") == 6
    tab.run(f"{axe}; true")
    assert tab.run(AXE.format(TAGS)) == []
    for light in (True, False):
        tab.run(f"document.body.dataset.jpThemeLight = {str(light).lower()}")
        assert tab.run(CONTRAST)["faint"] == []
    assert tab.run("getComputedStyle(document.querySelector('svg')).fill") == "rgb(255, 255, 255)"
