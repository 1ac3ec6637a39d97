"""A browser for the tests of pages, started once."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import chromium
import pytest


def missing(program, cure):
    """Skip a test for lack of a program, and name it."""
    message = f"{program} is missing: {cure}"
    pytest.skip(message)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if chromium.find() is None:
        missing("chromium", "apt-get install chromium")
    with chromium.browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def show(browser, tmp_path):
    """Return a function that opens a page; at the end it must have kept quiet and to itself."""
    tabs = []

    def opened(text, *, address="", **settings):
        file = tmp_path / "report.html"
        file.write_text(text, "utf-8")
        tab = browser.page(**settings)
        tab.open(f"{file.as_uri()}{address}")
        tabs.append(tab)
        return tab

    yield opened
    for tab in tabs:
        assert tab.complaints() == []
        assert all(url.startswith("file:///") for url in tab.requests())
        assert len(set(tab.requests())) == 1


@pytest.fixture
def paper(tmp_path):
    """Return a function that prints an open page and returns its text, page by page."""
    if shutil.which("pdftotext") is None:
        missing("pdftotext", "apt-get install poppler-utils")

    def printed(tab):
        file = tmp_path / "report.pdf"
        file.write_bytes(tab.pdf())
        text = subprocess.run(
            ["pdftotext", "-layout", file, "-"], check=True, capture_output=True, text=True
        ).stdout
        return text.split("\f")[:-1]

    return printed


@pytest.fixture(scope="session")
def axe():
    """The text of axe-core, of a package that brings it along; its own licence is the MPL."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        missing("axe-core", "pip install --no-deps axe-playwright-python")
    return Path(found.origin).with_name("axe.min.js").read_text("utf-8")
