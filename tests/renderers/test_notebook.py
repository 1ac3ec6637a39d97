"""A report in a notebook: complete, and harmless to the page around it."""

from html.parser import HTMLParser

import pytest
from paths import MODELS

import regaudit
from regaudit.renderers.notebook import MARKS
from regaudit.report.report import Failure, Finding, Occurrence, Report
from regaudit.report.severity import Severity

HOSTILE = "</table><script>alert(1)</script><img onerror=x>\x1b[0m\u202e"


class Tags(HTMLParser):
    """Collect tags and attributes; hold every tag against its end."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.open = set(), set(), []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("file", sorted(MODELS.glob("*.keras")), ids=lambda f: f.stem)
def test_it_has_every_finding_and_weight(file):
    report = regaudit.audit(file)
    page = report._repr_html_()
    Tags(page)
    for finding in report.findings:
        assert finding.code in page
        assert all(item.path in page for item in finding.items)
    assert all(weight.path in page for _, weight in report.model.weights())


def test_nothing_in_it_acts_on_the_page_around_it():
    item = Occurrence(HOSTILE, Severity.ERROR, HOSTILE)
    for report in (
        Report(HOSTILE, findings=(Finding("REG101", HOSTILE, (item,)),)),
        Report(HOSTILE, failure=Failure("UnreadableModelError", HOSTILE)),
    ):
        page = report._repr_html_()
        tags = Tags(page)
        assert tags.names <= {"div", "p", "b", "br", "span", "ul", "li", "code"}
        assert tags.attributes <= {"style"}
        assert "\x1b" not in page
        assert "\u202e" not in page


def test_marks_are_legible_on_any_page():
    """White letters on each background: WCAG's contrast of 4.5 at least."""
    for color in MARKS.values():
        parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        light = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        assert 1.05 / (light + 0.05) >= 4.5, color
