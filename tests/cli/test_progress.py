"""What is shown while a command waits, and what is said of a run that was stopped."""

import io
import time

import pytest
from paths import MODELS

import regaudit
from regaudit.cli import progress
from regaudit.renderers.terminal import Terminal
from regaudit.report.report import INTERRUPTED, Failure, Report
from regaudit.report.view import View


class OnTerminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "_show", lines.append)
    monkeypatch.setattr(progress, "SOON", 0.01)
    return lines


def test_what_waits_says_so_on_a_terminal_and_clears_the_line(shown, monkeypatch):
    monkeypatch.setattr(progress.sys, "stderr", OnTerminal())
    with progress.waiting("Keras loads m.keras"):
        until = time.monotonic() + 10
        while not shown and time.monotonic() < until:
            time.sleep(0.01)
    assert shown[0].startswith("Keras loads m.keras, 0:0")
    assert shown[-1] == ""


def test_elsewhere_nothing_is_shown(shown, monkeypatch):
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    with progress.waiting("Keras loads m.keras"):
        time.sleep(0.05)
    assert shown == []


def test_a_run_that_was_stopped_is_no_file_that_cannot_be_read():
    audited = regaudit.audit(MODELS / "tutorial-l2.keras")
    stopped = Report("b.keras", failure=Failure(INTERRUPTED, "stopped by Ctrl-C: 3 of 4 models"))
    text = Terminal().render([audited, stopped], (), View(tables=False))
    assert "1 model audited, and then the run was stopped: " in text
    assert "Failed: the run was stopped." in text
    assert "could not be read" not in text
