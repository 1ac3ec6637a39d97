"""The code of a rule leads to its page, where `docs-url` says that there is one."""

import json
import re

import pytest
from command_line import run
from paths import FIXTURES, MODELS

from regaudit.cli import targets
from regaudit.report.rule_page import rule_page, shows_links

BAD = MODELS / "digits-cnn.keras"
OTHER = FIXTURES / "rules" / "REG402" / "bad.keras"
BASE = "https://docs.example/regaudit/"
PAGE = "https://docs.example/regaudit/rules/REG101.html"


@pytest.fixture(params=[BASE, BASE.rstrip("/")])
def published(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "regaudit.toml").write_text(f'docs-url = "{request.param}"\n')


@pytest.fixture
def terminal(monkeypatch):
    """Standard output is a terminal that shows links."""
    monkeypatch.setattr(targets, "_is_terminal", lambda: True)
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def sarif_rules(*arguments):
    content = json.loads(run("check", BAD, "--format", "sarif", *arguments).stdout)
    return {rule["id"]: rule for rule in content["runs"][0]["tool"]["driver"]["rules"]}


@pytest.mark.usefixtures("published")
def test_sarif_names_the_page():
    rule = sarif_rules()["REG101"]
    assert rule["helpUri"] == PAGE
    assert "explain" not in rule["help"]["text"]


def test_without_an_address_nothing_is_linked_and_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rule = sarif_rules()["REG101"]
    assert "helpUri" not in rule
    assert rule["help"]["text"].endswith("More: regaudit explain REG101")
    page = run("check", BAD, "--format", "html").stdout
    assert "rules/REG101.html" not in page


@pytest.mark.usefixtures("published")
def test_html_links_to_it():
    assert f'href="{PAGE}"' in run("check", BAD, "--format", "html").stdout
    changes = run("diff", OTHER, BAD, "--format", "html").stdout
    assert changes.count(f'href="{PAGE}"') == 2  # what is new, and the table of rules


@pytest.mark.usefixtures("published", "terminal")
def test_a_terminal_shows_a_link():
    line = next(line for line in run("check", BAD).stdout.splitlines() if "REG101" in line)
    link = f"\x1b]8;;{PAGE}\x1b\\REG101\x1b]8;;\x1b\\"
    assert line == f"\x1b[31mE {link} large-layer-unregularized\x1b[0m"
    assert "\x1b]" not in run("check", BAD, "--color", "never").stdout


@pytest.mark.usefixtures("published", "terminal")
@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM_PROGRAM", "Apple_Terminal")]
)
def test_a_terminal_that_cannot_or_shall_not_gets_text(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    assert "\x1b]" not in run("check", BAD).stdout


@pytest.mark.usefixtures("published")
def test_what_is_no_terminal_gets_text():
    assert "\x1b]" not in run("check", BAD, "--color", "always").stdout


@pytest.mark.usefixtures("published")
def test_the_setting_is_shown():
    shown = run("check", "--show-settings").stdout
    assert re.search(r'^docs-url = "https://docs.example/regaudit/?"$', shown, re.MULTILINE)


def test_rules_of_others_have_no_page_here():
    assert rule_page(BASE, "REG101") == PAGE
    assert rule_page(BASE, "ACME101") == rule_page(BASE, "REG101/..") == rule_page("", "REG101")


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"VTE_VERSION": "7600"}, True),
        ({"VTE_VERSION": "4205"}, False),
        ({"KITTY_WINDOW_ID": "1"}, True),
        ({"TERM": "xterm-256color"}, False),
        ({}, False),
    ],
)
def test_which_terminals_show_links(environment, shown):
    assert shows_links(environment) is shown
