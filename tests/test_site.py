"""The documentation builds without a warning, and every link in it leads somewhere."""

import json
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import click
import pytest
from command_line import run
from msgspec.structs import fields
from paths import FIXTURES, ROOT

import regaudit
from regaudit.cli import COMMANDS, main
from regaudit.report.rule_page import rule_page
from regaudit.rules.interface import rules
from regaudit.settings.given import Given


class Page:
    """What leads to a page and away from it."""

    def __init__(self, file):
        pairs = re.findall(r'\s(id|href|src)="([^"]*)"', file.read_text("utf-8"))
        self.links = {unescape(value) for name, value in pairs if name != "id"}
        self.anchors = {"", *(unescape(value) for name, value in pairs if name == "id")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, built from a copy: the pages that are made go there."""
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    folder = tmp_path_factory.mktemp("site")
    ignored = shutil.ignore_patterns("_build", "REG*.md", "*.inc", "__pycache__", "commands")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=ignored)
    (folder / "fixtures").symlink_to(FIXTURES)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    built = subprocess.run(
        [*command, folder / "docs", folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    return {file.relative_to(site).as_posix(): Page(file) for file in site.rglob("*.html")}


def test_every_link_leads_to_a_place(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links:
            address = urlsplit(urljoin(f"site:///{name}", link))
            if address.scheme != "site":
                continue
            path = unquote(address.path).lstrip("/")
            found = pages.get(path)
            there = found and unquote(address.fragment) in found.anchors
            if not there and (found or not (site / path).is_file()):
                broken.append((name, link))
    assert not broken
    assert len(pages) > 80
    assert sum(len(page.links) for page in pages.values()) > 80 * 80


def test_each_rule_has_a_page_where_reports_lead(pages):
    base = "https://docs.example"
    for rule in rules():
        page = rule_page(base, rule.about.code).removeprefix(f"{base}/")
        assert page in pages, rule.about.code


def options(command, above, name):
    """Yield each option with the command that it is of, and those of commands below."""
    context = click.Context(command, info_name=name, parent=above, **command.context_settings)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from options(command.get_command(context, below), context, below)
        return
    for option in command.get_params(context):
        if isinstance(option, click.Option) and not option.hidden:
            yield from ((context.command_path, one) for one in option.opts)


def test_each_option_has_an_address(pages):
    context = click.Context(main, info_name="regaudit")
    for name in COMMANDS:
        anchors = pages[f"reference/commands/{name}.html"].anchors
        for program, option in options(main.get_command(context, name), context, name):
            wanted = f"cmdoption-{program.replace(' ', '-')}-{option.lstrip('-')}"
            assert wanted in anchors, f"{program} {option}"


def test_each_public_name_has_an_address(pages):
    anchors = pages["reference/python.html"].anchors
    assert {f"regaudit.{name}" for name in regaudit.__all__} <= anchors


def test_each_setting_has_an_address(pages):
    anchors = pages["reference/settings.html"].anchors
    assert {f"setting-{one.encode_name}" for one in fields(Given)} <= anchors


def test_the_schema_can_be_downloaded(site):
    (file,) = site.glob("_downloads/*/regaudit-1.schema.json")
    assert json.loads(file.read_text("utf-8")) == json.loads(run("schema").stdout)


def test_it_can_be_searched(site):
    index = (site / "searchindex.js").read_text("utf-8")
    assert all(f'"rules/{rule.about.code}"' in index for rule in rules())


@pytest.mark.parametrize("name", ["README", "CONTRIBUTING", "SECURITY", "CHANGELOG"])
def test_links_outside_of_it_lead_to_files(name):
    text = (ROOT / f"{name}.md").read_text("utf-8")
    for link in re.findall(r"\]\(([^\s)]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        file = ROOT / (path or f"{name}.md")
        assert file.exists(), link
        assert not anchor or anchor in slugs(file), link


def slugs(file: Path) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
