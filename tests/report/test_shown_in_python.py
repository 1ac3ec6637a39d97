"""Reports as Python and notebooks show them."""

import json
import re
from html.parser import HTMLParser

import pytest
from command_line import run
from harmless import assert_harmless
from msgspec.structs import replace
from paths import MODELS

import regaudit
from regaudit.report.report import Failure, Report

DIGITS, L2 = MODELS / "digits-cnn.keras", MODELS / "tutorial-l2.keras"
HOSTILE = "a<script>alert(1)</script>\x1b[31m\u202e::error::"


@pytest.fixture(scope="module")
def digits():
    return regaudit.audit(DIGITS)


@pytest.fixture(scope="module")
def l2():
    return regaudit.audit(L2)


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, _attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def words(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_repr_is_a_line(digits, l2):
    assert repr(digits) == f"<Report {DIGITS}: 1 error>"
    assert repr(digits.model) == "<Model 'digits_cnn': Sequential, 5 layers>"
    for one in (digits, digits.model, digits.proposal, regaudit.diff(digits, l2)):
        assert len(repr(one)) < 300
    assert repr(regaudit.Reports([digits, l2])).count("\n") == 1


def test_html_and_json_are_those_of_the_command_line(digits):
    assert json.loads(digits.to_json()) == json.loads(
        run("inspect", DIGITS, "--format", "json").stdout
    )
    page = digits.to_html()
    assert page.lower().startswith("<!doctype html>")
    assert "REG101" in page


def test_changes_are_shown(digits, l2):
    changed = regaudit.diff(regaudit.audit(L2), digits)
    shown = words(changed._repr_html_())
    assert str(L2) in shown
    assert "dense/kernel" in shown
    assert "REG101" in shown
    same = regaudit.diff(l2, l2)
    assert "Nothing differs." in words(same._repr_html_())


def test_a_proposal_is_shown(digits):
    facts = regaudit.Facts(train_loss=0.0032, val_loss=0.5083)
    proposal = regaudit.suggest(digits, facts)
    shown = words(proposal._repr_html_())
    assert "hidden/kernel" in shown
    assert proposal.changes[0].code in shown.replace("&quot;", '"')
    assert "hidden/kernel" not in words(regaudit.audit(L2).proposal._repr_html_())


def test_several_reports_are_ranked(digits, l2):
    broken = Report("broken.keras", failure=Failure("UnreadableModelError", "cut short"))
    shown = words(regaudit.Reports([l2, digits, broken])._repr_html_())
    assert shown.index("broken.keras") < shown.index(str(DIGITS)) < shown.index(str(L2))
    assert "3 models" in shown


def test_nothing_of_a_name_is_acted_on(digits, l2):
    named = replace(digits, file=HOSTILE)
    for page in (
        named._repr_html_(),
        regaudit.Reports([named])._repr_html_(),
        regaudit.diff(named, l2)._repr_html_(),
    ):
        assert "<script" not in page
        assert_harmless((), page)
